package act

import (
	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/server"
)

func newRetry() *cobra.Command {
	return newOrder(server.Retry, &cobra.Command{
		Use:   "retry [SERVICE]",
		Short: "Try a release again that failed by its own fault",
		Long: `Retry lifts the quarantine that a failed release left, and rolls the newest commit
out again. What failed because of the world (a registry, a network, a host) needs
no retry: it is tried again by itself.

  fairlead retry
  fairlead retry shop -d staging

Exit status: 0 when the servers run it now (or, where it is not followed, when
the order was accepted), 1 when it failed again, 130 after Ctrl-C.`,
	})
}

// newOrder makes a verb that only says what and about which service.
func newOrder(action server.Action, cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.MaximumNArgs(1)
	f, destination := command.AddFollowFlags(cmd), command.DestinationFlag(cmd)
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
		return a.Order(cmd, server.Order{Action: action}, p, f)
	}
	return cmd
}
