package run

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/internal/setup"
)

func newRepo() *cobra.Command {
	return command.Group(&cobra.Command{
		Use: "repo", Short: "Add, list and remove watched repositories",
		Long: `Repo edits the repositories: of fairlead.yml, whose comments stay.

  fairlead repo list
  fairlead repo add git@github.com:acme/shop.git

Exit status: 0, or 1 when it could not be done.`,
	}, newRepoAdd(), newRepoList(), newRepoRemove())
}

func newRepoAdd() *cobra.Command {
	var n setup.NewRepo
	cmd := &cobra.Command{
		Use:   "add URL",
		Short: "Watch a repository: deploy key, access, what it needs, and its entry",
		Long: `Add makes a deploy key for the repository and shows where to paste it, pins the
forge's host key, checks the access, lists the servers and the secrets of its
deploy.yml, and writes the entry into fairlead.yml, whose comments stay. A
daemon that runs takes it up within seconds. Containers that Fairlead did not
start are left alone until ` + "`fairlead resume`" + ` or ` + "`mode: deploy`" + `.

After an error, run the same command again: it goes on where it stopped.

Exit status: 0 when the entry is written, 1 when something is missing.`,
		Example: `  fairlead repo add git@github.com:acme/shop.git
  fairlead repo add https://git.example.com/acme/shop.git -d production
  fairlead repo add git@github.com:acme/blog.git --mode observe`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&n.Name, "name", "", "in fairlead.yml (default: from the URL)")
	cmd.Flags().StringVar(&n.Branch, "branch", "", "to follow (default: the repository's)")
	cmd.Flags().StringVarP(&n.Destination, "destination", "d", "", "the destination, such as production")
	cmd.Flags().StringVar(&n.Mode, "mode", "", "deploy, or observe: only report")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		conf, err := command.NeedOperator(cmd)
		if err != nil {
			return err
		}
		if n.File, err = command.ConfigFile(cmd, nil); err != nil {
			return err
		}
		return command.Reach(conf, func(r *daemon.Reach) error {
			n.URL, n.Config, n.Reach, n.Random, n.Console = args[0], conf, r, rand.Reader, command.Console(cmd, false)
			return n.Add(cmd.Context())
		})
	}
	return cmd
}

func newRepoList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the watched repositories",
		Long: `List prints a line for each repository of fairlead.yml: its name, address, what is
followed, destinations and mode. It asks nobody.

  fairlead repo list

Exit status: 0, or 1 when fairlead.yml cannot be read.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := command.NeedOperator(cmd)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, name := range slices.Sorted(maps.Keys(conf.Repositories)) {
				r := conf.Repositories[name]
				ref := r.Branch + r.Tag
				if ref == "" {
					ref = "(default branch)"
				}
				if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", name, r.URL, ref, strings.Join(r.Destinations, ", "), r.Mode); err != nil {
					return err
				}
			}
			return w.Flush()
		},
	}
}

func newRepoRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Stop watching a repository; what runs on its servers stays",
		Long: `Remove takes the entry out of fairlead.yml. Containers, proxies and the deploy key
stay as they are.

  fairlead repo remove shop

Exit status: 0 when it is removed, 1 when there is none.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			conf, err := command.NeedOperator(cmd)
			if err != nil {
				return err
			}
			file, err := command.ConfigFile(cmd, nil)
			if err != nil {
				return err
			}
			if err := setup.RemoveRepo(file, conf, args[0]); err != nil {
				return err
			}
			return command.Say(cmd, fmt.Sprintf("Removed %q from %s. Its containers go on running; its deploy key stays in the keys folder.\n", args[0], file))
		},
	}
}
