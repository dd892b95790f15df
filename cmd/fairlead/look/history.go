package look

import (
	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server"
	"github.com/fairlead-deploy/fairlead/server/client"
)

func newHistory() *cobra.Command {
	cmd := &cobra.Command{
		Use:        "history [SERVICE]",
		Short:      "List the releases, newest first",
		SuggestFor: []string{"audit", "log", "logs", "releases"},
		Long: `History lists what was released, when, how long it took and how it ended. Each
release has a name; ` + "`fairlead explain NAME`" + ` tells its story.

  fairlead history
  fairlead history shop -n 50
  fairlead history --json | jq -r '.[] | select(.status == "rolled_back") | .id'

Exit status: 0, or 1 when there is no daemon or no such service.`,
		Args: cobra.MaximumNArgs(1),
	}
	asJSON, destination := command.JSONFlag(cmd), command.DestinationFlag(cmd)
	n := cmd.Flags().IntP("number", "n", 20, "how many")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *n < 1 {
			return command.Hint("write a number above 0", "-n %d lists nothing", *n)
		}
		a, err := command.Ask(cmd)
		if err != nil {
			return err
		}
		defer a.Close()
		q := client.Query{Limit: *n}
		if command.First(args) != "" || *destination != "" {
			p, err := a.Place(command.First(args), *destination)
			if err != nil {
				return err
			}
			if q.Repo = p.Repo; p.Lane.Service != "" {
				q.Lane = p.Lane
			}
		}
		releases, err := a.History(cmd.Context(), q)
		switch {
		case err != nil:
			return err
		case *asJSON:
			return command.SayJSON(cmd, server.History{Releases: append([]release.Release{}, releases...)}.Releases)
		case len(releases) == 0:
			return command.Say(cmd, "nothing was released yet\n")
		}
		return command.Say(cmd, command.Style(cmd).History(releases))
	}
	return cmd
}
