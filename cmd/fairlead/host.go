package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/internal/setup"
	"github.com/fairlead-deploy/fairlead/server"
)

func newHost() *cobra.Command {
	return command.Group(&cobra.Command{
		Use: "host", Short: "Trust, add, list and cordon the servers",
		Long: `Host is about the servers that deploy.yml files name, and how they are reached.

  fairlead host list
  fairlead host trust web1.example.com
  fairlead host cordon web2.example.com --why "its disk fails"

Exit status: 0, or 1 when it could not be done.`,
	}, newHostTrust(), newHostAdd(), newHostList(), newHostCordon(), newHostUncordon())
}

func newHostTrust() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trust HOST[:PORT]...",
		Short: "Show a server's SSH host key and write it into known_hosts",
		Long: `Trust asks each server for its SSH host key, shows its kind and fingerprint, and
after a yes writes it into the known_hosts file of fairlead.yml, or, where there
is no fairlead.yml, into your own ~/.ssh/known_hosts, as ssh does. Without a
terminal it needs --fingerprint, or --yes. A server whose key has changed is
refused, unless --replace says that it was installed anew.

Exit status: 0 when all are trusted, 1 when one is not.`,
		Example: `  fairlead host trust web1.example.com
  fairlead host trust --fingerprint SHA256:… 10.0.0.5:2222`,
		Args: cobra.MinimumNArgs(1),
	}
	print := cmd.Flags().String("fingerprint", "", "what the key must have, SHA256:… (one host only)")
	yes := cmd.Flags().BoolP("yes", "y", false, "trust what is shown")
	replace := cmd.Flags().Bool("replace", false, "take a changed key in place of the one known")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *print != "" && len(args) > 1 {
			return errors.New("trust hosts: a fingerprint is of one host; name one")
		}
		return command.ReachHosts(cmd, func(at command.Reached) error {
			var errs []error
			for _, name := range args {
				t := setup.Trust{Config: at.Config, Reach: at.Reach, Fingerprint: *print, Replace: *replace, Console: command.Console(cmd, *yes)}
				errs = append(errs, t.Host(cmd.Context(), name))
			}
			return errors.Join(errs...)
		})
	}
	return cmd
}

func newHostAdd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Say in fairlead.yml how a server of deploy.yml is reached",
		Long: `Add writes an entry under hosts: of fairlead.yml, whose comments stay: the address,
user or port of a server, where they are not as deploy.yml says.

Exit status: 0 when it is written, 1 when not.`,
		Example: `  fairlead host add web1.example.com --address 10.0.1.10 --user deploy
  fairlead host add localhost --address local`,
		Args: cobra.ExactArgs(1),
	}
	h := setup.NewHost{}
	cmd.Flags().StringVar(&h.Address, "address", "", "to connect to; \"local\" is this machine, without SSH")
	cmd.Flags().StringVar(&h.User, "user", "", "to log in as")
	cmd.Flags().IntVar(&h.Port, "port", 0, "of SSH")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		conf, err := command.NeedOperator(cmd)
		if err != nil {
			return err
		}
		file, err := command.ConfigFile(cmd, nil)
		if err != nil {
			return err
		}
		h.Name = args[0]
		if err := h.Add(file, conf); err != nil {
			return err
		}
		return command.Say(cmd, fmt.Sprintf("Added %q to %s. Next: fairlead host trust %s\n", h.Name, file, h.Name))
	}
	return cmd
}

func newHostList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the servers of all repositories and fairlead.yml, and how they answer",
		Long: `List asks each server for its engine's version, and prints a line for each: its
name, the services on it, whether its key is trusted, whether it is cordoned, by
whom and why, and how it answers now.

  fairlead host list

Exit status: 0, or 1 when fairlead.yml cannot be read.`,
		Args: cobra.NoArgs,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conf, err := command.NeedOperator(cmd)
		if err != nil {
			return err
		}
		return command.Reach(conf, func(r *daemon.Reach) error {
			cordons := cordonsNow(cmd)
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, h := range setup.Check(cmd.Context(), conf, r).Hosts {
				cells := []string{h.Name, strings.Join(h.Services, ", "), trusted(h), cmp.Or(cordons[h.Name], "-"), h.Summary()}
				if _, err := fmt.Fprintln(w, strings.Join(cells, "\t")); err != nil {
					return err
				}
			}
			return w.Flush()
		})
	}
	return cmd
}

// trusted says whether the daemon knows the host's key.
func trusted(h setup.HostState) string {
	if (&h).Trusted() {
		return "trusted"
	}
	return "not trusted"
}

// cordonsNow are the cordons by host, as the daemon knows them; none where it
// does not answer.
func cordonsNow(cmd *cobra.Command) map[string]string {
	list := map[string]string{}
	a, err := command.Ask(cmd)
	if err != nil {
		command.Warn(cmd, "which hosts are cordoned is not known: %v", err)
		return list
	}
	defer a.Close()
	for _, c := range a.Standing.Cordons {
		list[c.Host] = c.String()
	}
	return list
}

func newHostCordon() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cordon HOST",
		Short: "Give a server no new release; what runs there stays",
		Long: `Cordon keeps new releases off a server, at once and until fairlead host uncordon,
over restarts too. What runs there stays, with its traffic; no release waits for
it, and plan and status show it. A rollout that is under way ends first, and one
that goes back goes back there, too. HOST is its name in deploy.yml.

Exit status: 0 when it is cordoned, 1 when not.`,
		Example: `  fairlead host cordon web2.example.com --why "its disk fails"
  fairlead host uncordon web2.example.com`,
		SuggestFor: []string{"drain", "skip", "disable", "exclude"},
		Args:       cobra.ExactArgs(1),
	}
	why := cmd.Flags().String("why", "", "the reason, for those who wonder")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o := server.CordonOrder{Host: args[0], Actor: command.Actor(), Why: *why}
		return cordon(cmd, o, fmt.Sprintf("%s is cordoned: it gets no new release, and what runs there stays; `fairlead host uncordon %[1]s` ends it\n", args[0]))
	}
	return cmd
}

func newHostUncordon() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "uncordon HOST",
		Short: "Give a server new releases again, and catch it up",
		Long: `Uncordon ends a cordon. What the server missed is rolled out to it at once; status
and history show it.

Exit status: 0 when it is not cordoned any more, 1 when it still is, or was not.`,
		Example: `  fairlead host uncordon web2.example.com`,
		Args:    cobra.ExactArgs(1),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o := server.CordonOrder{Host: args[0], Lift: true, Actor: command.Actor()}
		return cordon(cmd, o, fmt.Sprintf("%s is not cordoned any more, and is caught up now; `fairlead status` shows it\n", args[0]))
	}
	return cmd
}

// cordon asks the daemon, and says what came of it.
func cordon(cmd *cobra.Command, o server.CordonOrder, done string) error {
	a, err := command.Ask(cmd)
	if err != nil {
		return err
	}
	defer a.Close()
	if err := a.Cordon(cmd.Context(), o); err != nil {
		return err
	}
	return command.Say(cmd, done)
}
