package act

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/server"
)

func newHold() *cobra.Command {
	cmd := &cobra.Command{
		Use:        "hold [SERVICE]",
		Short:      "Stay at what runs now, whatever is pushed",
		SuggestFor: []string{"pause", "freeze", "lock", "stop"},
		Long: `Hold keeps a service at what it runs until fairlead resume. A rollout that is under
way ends first. Status and history show who holds it, since when and why.

  fairlead hold shop --why "database maintenance until 06:00"
  fairlead resume shop

Exit status: 0 when it is held, 1 when not.`,
		Args: cobra.MaximumNArgs(1),
	}
	asJSON, destination := command.JSONFlag(cmd), command.DestinationFlag(cmd)
	why := cmd.Flags().String("why", "", "the reason, for those who wonder")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a, err := command.Ask(cmd)
		if err != nil {
			return err
		}
		defer a.Close()
		p, err := a.Place(command.First(args), *destination)
		if err != nil {
			return err
		}
		_, err = a.Submit(cmd.Context(), server.Order{
			Action: server.Hold, Repo: p.Repo, Destination: p.Lane.Destination, Actor: command.Actor(), Why: *why,
		})
		switch {
		case err != nil:
			return err
		case *asJSON:
			return command.SayJSON(cmd, map[string]bool{"held": true})
		}
		under := ""
		if svc := a.Service(p); svc != nil && svc.State == server.Rolling {
			under = "; the rollout that is under way ends first"
		}
		return command.Say(cmd, fmt.Sprintf("%s is held%s; `fairlead resume %[1]s` follows Git again\n", p, under))
	}
	return cmd
}
