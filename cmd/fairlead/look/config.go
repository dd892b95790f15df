package look

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/cmd/fairlead/show"
	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/daemon/config"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config [REPOSITORY]",
		Short: "Print deploy.yml as it is understood, without secrets",
		Long: `Config prints deploy.yml resolved: merged with its destination's file, older words
translated, defaults filled in. Secrets appear by their names alone. What is read
but not acted on is a warning on stderr.

In a checkout it is that of the checkout; with a name it is the newest commit's
of a repository in fairlead.yml.

  fairlead config -d staging
  fairlead config shop --json | jq .servers

Exit status: 0, or 1 when it cannot be read; all mistakes are then named with
file, line and column.`,
		Args: cobra.MaximumNArgs(1),
	}
	asJSON, destination, local := command.JSONFlag(cmd), command.DestinationFlag(cmd), command.AddLocalFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := resolved(cmd, command.First(args), *destination, local)
		if err != nil {
			return err
		}
		for _, w := range d.Warnings {
			command.Warn(cmd, "%s", show.Plain(w))
		}
		text := d.YAML
		if *asJSON {
			text = d.JSON
		}
		return command.Say(cmd, string(text))
	}
	return cmd
}

// resolved reads the checkout's deploy.yml, or that of a repository.
func resolved(cmd *cobra.Command, name, destination string, local command.LocalFlags) (daemon.Resolved, error) {
	if name == "" && (daemon.InProject(".") || *local.File != "" || *local.Local) {
		return daemon.ResolveCheckout(".", *local.File, destination)
	}
	conf, err := command.NeedOperator(cmd)
	if err != nil {
		return daemon.Resolved{}, err
	}
	name, r, err := command.Repository(conf, name)
	if err != nil {
		return daemon.Resolved{}, err
	}
	if destination, err = destinationOf(name, r, destination); err != nil {
		return daemon.Resolved{}, err
	}
	return daemon.ResolveRepository(cmd.Context(), conf, name, destination)
}

// destinationOf picks a repository's destination where it need not be named.
func destinationOf(name string, r config.Repository, destination string) (string, error) {
	switch {
	case destination == "" && len(r.Destinations) == 1:
		return r.Destinations[0], nil
	case destination == "" && len(r.Destinations) > 1, destination != "" && len(r.Destinations) > 0 && !slices.Contains(r.Destinations, destination):
		return "", command.Hint("name one with -d", "repository %s is deployed to %v", name, r.Destinations)
	}
	return destination, nil
}
