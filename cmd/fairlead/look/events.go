package look

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/cmd/fairlead/follow"
)

func newEvents() *cobra.Command {
	cmd := &cobra.Command{
		Use:        "events",
		Short:      "Print what happened, and follow what happens",
		SuggestFor: []string{"tail", "follow"},
		Long: `Events prints the last things that happened, oldest first, and with -f goes on
with those that happen until Ctrl-C. A daemon that restarts is waited for.

  fairlead events -n 50
  fairlead events -f
  fairlead events -f -n 0 --json | jq -r 'select(.kind == "alert").message'

With --json there is one event per line.

Exit status: 0, also after Ctrl-C; 1 when there is no daemon.`,
		Args: cobra.NoArgs,
	}
	asJSON := command.JSONFlag(cmd)
	going := cmd.Flags().BoolP("follow", "f", false, "go on with what happens")
	n := cmd.Flags().IntP("number", "n", 20, "how many of those that happened")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		a, err := command.Ask(cmd)
		if err != nil {
			return err
		}
		defer a.Close()
		health, err := a.Health(cmd.Context())
		if err != nil || !*going && (health.Seq == 0 || *n < 1) {
			return err
		}
		for ev, err := range follow.Lasting(cmd.Context(), a.Events, max(health.Seq-int64(max(*n, 0)), 0)) {
			switch {
			case errors.Is(err, follow.ErrAway):
				command.Warn(cmd, "%v", err)
				continue
			case err != nil:
				return unlessInterrupted(cmd, err)
			case *asJSON:
				err = command.SayLine(cmd, ev)
			default:
				err = command.Say(cmd, command.Style(cmd).Event(ev)+"\n")
			}
			if err != nil || !*going && ev.Seq >= health.Seq {
				return err
			}
		}
		return nil
	}
	return cmd
}

// unlessInterrupted is nil when a person has seen enough.
func unlessInterrupted(cmd *cobra.Command, err error) error {
	if cmd.Context().Err() != nil {
		return nil
	}
	return err
}
