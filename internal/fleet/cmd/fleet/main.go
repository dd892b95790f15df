// Command fleet starts several servers on this machine and does to them what
// happens to servers. `go run ./internal/fleet/cmd/fleet` explains itself.
//
// Lives here: the command line of package fleet. May not live here: behaviour.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
)

const help = `Several real servers on one machine, to test deployments on.

  fleet up [N]            start N hosts (2), a registry and a Git server
  fleet add               one more host
  fleet status            addresses, and how to reach everything
  fleet down              remove all of it

  fleet ssh HOST [LINE]   run a command line over ssh; without one, show how to log in
  fleet docker HOST ...   run docker on the host
  fleet push BIN REPO:TAG make an image FROM scratch of a static program, push it
  fleet app VERSION [K=V] push the test application as app:VERSION
  fleet repo NAME         make a Git repository, print its URLs

  fleet cut|heal HOST     lose all packets silently | undo
  fleet lossy HOST 0.3    lose 30 % of the packets; heal undoes it
  fleet unplug|plug HOST  pull the network cable | put it back
  fleet pause|resume HOST freeze the whole machine | undo
  fleet kill|boot HOST    cut the power | start it, the disk is as it was
  fleet reboot HOST       shut down in order and start
  fleet stop-engine|start-engine HOST     only Docker; ssh stays
  fleet freeze-engine|thaw-engine HOST    Docker accepts and never answers
  fleet sshcount HOST     ssh connections and sessions so far

  fleet deps              install what is missing (Debian, Ubuntu)
  fleet engine            start a Docker engine if none answers
  fleet can-nest          try whether engines run inside containers here

HOST is h1, h2 and so on; the faults also take registry and git. Needs root.
The fleet lives in ` + "$FLEET_DIR" + `, else in fairlead-fleet below the temporary folder.
Exit status: 0 done, 1 it did not work, 2 wrong usage.
`

// errUsage ends with exit status 2.
var errUsage = errors.New("run `fleet help` for the verbs")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "fleet:", err)
	if errors.Is(err, errUsage) {
		os.Exit(2)
	}
	os.Exit(1)
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		fmt.Print(help)
		return nil
	}
	verb, args := args[0], args[1:]
	switch verb {
	case "deps":
		return fleet.Deps(ctx)
	case "engine":
		return fleet.Engine(ctx)
	case "can-nest":
		return fleet.CanNest(ctx)
	case "up":
		return up(ctx, args)
	}
	f, err := fleet.Attach(dir(), logger())
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("no fleet is running; start one with `fleet up`")
	}
	if err != nil {
		return err
	}
	switch verb {
	case "down":
		return f.Close()
	case "status":
		return status(f)
	case "add":
		h, err := f.AddHost(ctx)
		if err == nil {
			fmt.Println(h.Name, h.Addr)
		}
		return err
	case "push", "app", "repo":
		return put(ctx, f, verb, args)
	}
	return act(ctx, f, verb, args)
}

func up(ctx context.Context, args []string) error {
	hosts := 2
	if len(args) > 0 {
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return fmt.Errorf("up %s: that is not a number; %w", args[0], errUsage)
		}
		hosts = n
	}
	if _, err := fleet.Attach(dir(), nil); err == nil {
		return errors.New("a fleet is running; `fleet add` adds a host, `fleet down` removes it")
	}
	f, err := fleet.Start(ctx, fleet.Options{Hosts: hosts, Dir: dir(), Keep: true, Log: logger()})
	if err != nil {
		return err
	}
	return status(f)
}

func status(f *fleet.Fleet) error {
	for _, h := range f.Hosts {
		fmt.Printf("%-9s %s\n", h.Name, h.Addr)
	}
	fmt.Printf("%-9s %s for hosts, %s from here\n", "registry", f.Registry, f.RegistryLocal)
	fmt.Printf("%-9s http://%s/NAME.git or ssh://git@%[2]s/srv/git/NAME.git\n", "git", f.GitMachine.Addr)
	fmt.Printf("%-9s ssh -i %s -o UserKnownHostsFile=%s root@ADDRESS\n", "login", f.Key, f.KnownHosts)
	return nil
}

// put makes something for the hosts to deploy.
func put(ctx context.Context, f *fleet.Fleet, verb string, args []string) error {
	switch {
	case verb == "push" && len(args) == 2:
		digest, err := f.Push(ctx, fleet.Image{Binary: args[0]}, args[1])
		fmt.Println(digest)
		return err
	case verb == "app" && len(args) >= 1:
		app, err := fleet.BuildApp(ctx, filepath.Join(f.Dir, "app"))
		if err != nil {
			return err
		}
		knobs := map[string]string{}
		for _, pair := range args[1:] {
			key, value, _ := strings.Cut(pair, "=")
			knobs[key] = value
		}
		digest, err := f.Push(ctx, app.Image(args[0], knobs), "app:"+args[0])
		fmt.Println(f.Registry+"/app:"+args[0], digest)
		return err
	case verb == "repo" && len(args) == 1:
		repo, err := f.NewRepo(ctx, args[0])
		if err == nil {
			fmt.Printf("%s\n%s\n%s\n", repo.HTTP, repo.SSH, repo.File)
		}
		return err
	}
	return errUsage
}

func dir() string {
	if d := os.Getenv("FLEET_DIR"); d != "" {
		return d
	}
	return filepath.Join(os.TempDir(), "fairlead-fleet")
}

func logger() *slog.Logger { return slog.New(slog.NewTextHandler(os.Stderr, nil)) }
