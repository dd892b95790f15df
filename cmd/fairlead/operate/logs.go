package operate

import (
	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/release/operation"
)

func newLogs() *cobra.Command {
	return logs(&cobra.Command{
		Use:   "logs",
		Short: "Show what the service's containers write, on all hosts",
		Long: `Logs shows the lines of all roles on all hosts in the order of time, each with its
host and role. With -f it goes on: through restarts, new releases and connections
that are lost.

  fairlead app logs
  fairlead app logs -f --roles web
  fairlead app logs --since 2h --grep 'Error|Timeout' --grep-options '-i -C 3'
  fairlead app logs -T -n 1000 > shop.log

The last 100 lines of each container are shown (10 with -f), all with --since or
--grep. A container that has ended is shown where none runs: its last lines tell
why. Control characters are left out.

Exit status: 0, 1 when a host could not be read (the others are), 130 after Ctrl-C.`,
		Args: cobra.NoArgs,
	}, true)
}

// logs adds the flags by which lines are chosen; versioned ones are a role's.
// A first argument is an accessory's name.
func logs(cmd *cobra.Command, versioned bool) *cobra.Command {
	c := choose(cmd)
	if versioned {
		c = c.versioned(cmd, "only of this version")
	}
	var l operation.Log
	cmd.Flags().BoolVarP(&l.Follow, "follow", "f", false, "go on with what comes")
	cmd.Flags().StringVarP(&l.Since, "since", "s", "", "from a time, or so long ago: 42m, 2h, 2026-11-23T10:00:00Z")
	cmd.Flags().IntVarP(&l.Lines, "lines", "n", 0, "how many of each container's last lines")
	cmd.Flags().StringVarP(&l.Grep, "grep", "g", "", "only lines that fit this regular expression")
	cmd.Flags().StringVar(&l.Options, "grep-options", "", "-i -v -F -w -A N -B N -C N, as grep has them")
	cmd.Flags().StringVar(&l.Container, "container-id", "", "only this container, whatever its state")
	bare := cmd.Flags().BoolP("skip-timestamps", "T", false, "no time before the lines")
	stamps := cmd.Flags().Bool("timestamps", true, "the time before each line")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ask := operation.Ask{Verb: operation.Logs, Log: &l}
		if len(args) > 0 {
			ask.Accessory = args[0]
		}
		if !cmd.Flags().Changed("lines") && l.Since == "" && l.Grep == "" {
			if l.Lines = 100; l.Follow {
				l.Lines = 10
			}
		}
		s, err := c.open(cmd)
		if err != nil {
			return err
		}
		defer s.close()
		p := newPrinter(cmd, *c.asJSON)
		p.bare = *bare || !*stamps
		err = s.Operate(cmd.Context(), c.ask(s, ask), operation.Caller{Tell: p.tell})
		return p.end(cmd, err)
	}
	return cmd
}
