// Command fairlead is the daemon, its command line, and, called by the name
// kamal-proxy, the reverse proxy on the servers.
//
// Each group of verbs has a folder; what they share is package command. Lives
// here: putting them together. May not live here: behaviour; a verb calls
// package daemon or server/client.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/act"
	"github.com/fairlead-deploy/fairlead/cmd/fairlead/build"
	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/cmd/fairlead/look"
	"github.com/fairlead-deploy/fairlead/cmd/fairlead/manual"
	"github.com/fairlead-deploy/fairlead/cmd/fairlead/operate"
	"github.com/fairlead-deploy/fairlead/cmd/fairlead/run"
	"github.com/fairlead-deploy/fairlead/cmd/fairlead/secrets"
	"github.com/fairlead-deploy/fairlead/proxy"
)

// version is set at build time: -ldflags "-X main.version=v1.2.3".
var version = "dev"

func main() {
	if filepath.Base(os.Args[0]) == "kamal-proxy" {
		os.Exit(proxy.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// execute executes a command line and returns the exit status.
func execute(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	root := newRoot()
	root.SetArgs(command.Aliased(root, args))
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	return command.Exit(errs, root.ExecuteContext(ctx), slices.Contains(args, "--json"))
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "fairlead",
		Short: "Push to Git; the commit is on all your servers, or none of them",
		Long: `Fairlead watches Git repositories and makes the containers on your servers
match the deploy.yml in them, over SSH and Docker, without dropping a request.
A release that does not work goes back on every host by itself.

Where the daemon (fairlead watch) runs, these commands ask it. Where none does,
plan, deploy, rollback and config work alone from a checkout, as kamal does.

  fairlead status                # how everything stands
  fairlead explain shop          # why, and the one thing to do
  fairlead plan                  # what a deploy would change
  fairlead COMMAND --help        # what a command does, with examples

Exit status: 0 done, 1 error, 2 (plan) there are changes, 130 after Ctrl-C.`,
		Version:           version,
		SilenceUsage:      true,
		SilenceErrors:     true,
		DisableAutoGenTag: true,
	}
	root.PersistentFlags().String("config", command.DefaultConfig(), "the operator's configuration, fairlead.yml")
	root.PersistentFlags().String("socket", "", "the daemon's socket (default: what fairlead.yml says)")
	root.PersistentFlags().BoolP("quiet", "q", false, "Kamal's, which aliases have; only what was asked for is said anyway")
	_ = root.PersistentFlags().MarkHidden("quiet") // it is there
	root.AddGroup(
		&cobra.Group{ID: groupLook, Title: "See how it stands:"},
		&cobra.Group{ID: groupAct, Title: "Change what runs:"},
		&cobra.Group{ID: groupSetUp, Title: "Set it up and run it:"},
	)
	root.SetHelpCommandGroupID(groupSetUp)
	root.SetCompletionCommandGroupID(groupSetUp)
	add(root, groupLook, append(append(look.Verbs(), newStatus()), operate.Looks()...)...)
	add(root, groupAct, slices.Concat(act.Verbs(), []*cobra.Command{newRollback()}, build.Acts(), operate.Acts())...)
	add(root, groupSetUp, slices.Concat(run.Verbs(), []*cobra.Command{newHost(), manual.New()}, secrets.Verbs())...)
	command.Finish(root)
	return root
}

// The groups of verbs in the help.
const (
	groupLook  = "look"
	groupAct   = "act"
	groupSetUp = "set up"
)

func add(root *cobra.Command, group string, verbs ...*cobra.Command) {
	for _, v := range verbs {
		v.GroupID = group
		root.AddCommand(v)
	}
}
