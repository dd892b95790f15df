package look

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server/client"
)

func newPlan() *cobra.Command {
	cmd := &cobra.Command{
		Use:        "plan [SERVICE]",
		Short:      "Show what a rollout would change, and why; change nothing",
		SuggestFor: []string{"diff", "preview", "dry-run"},
		Long: `Plan reads the servers and the newest commit, and shows for each host and role
what would change and which field is the reason. Nothing is touched.

  fairlead plan
  fairlead plan shop -d staging -v      # with every step
  fairlead plan --local                 # this checkout, though a daemon runs
  fairlead plan --json | jq '.changes[] | select(.host == "web1.example.com")'

Without a daemon it plans the checkout it is called in; -c names
another deploy.yml.

Exit status: 0 when there is nothing to do, 2 when there are changes, 1 when it
cannot be told.`,
		Args: cobra.MaximumNArgs(1),
	}
	asJSON, destination, local := command.JSONFlag(cmd), command.DestinationFlag(cmd), command.AddLocalFlags(cmd)
	verbose := cmd.Flags().BoolP("verbose", "v", false, "show every step, and how each role is replaced")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p, err := planned(cmd, command.First(args), *destination, local)
		if err != nil {
			return err
		}
		if *asJSON {
			err = command.SayJSON(cmd, p)
		} else {
			err = command.Say(cmd, command.Style(cmd).Plan(p, *verbose))
		}
		if err == nil && !p.Empty() {
			return command.ExitError(command.ExitChanges)
		}
		return err
	}
	return cmd
}

// planned asks the daemon, or plans alone.
func planned(cmd *cobra.Command, name, destination string, local command.LocalFlags) (release.Plan, error) {
	if !*local.Local {
		a, err := command.Ask(cmd)
		if err == nil {
			defer a.Close()
			at, err := a.Place(name, destination)
			if err != nil {
				return release.Plan{}, err
			}
			return a.Plan(cmd.Context(), at.Repo, at.Lane.Destination)
		}
		if !errors.Is(err, client.ErrNoDaemon) {
			return release.Plan{}, err
		}
	}
	l, err := local.Open(cmd, destination)
	if err != nil {
		return release.Plan{}, err
	}
	defer l.Close()
	if !l.Means(name) {
		return release.Plan{}, l.Elsewhere(name)
	}
	return l.Plan(cmd.Context())
}
