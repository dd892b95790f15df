package operate

import (
	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

func newLock() *cobra.Command {
	return command.Group(&cobra.Command{
		Use: "lock", Short: "See, take and free the lock that keeps two deployers apart",
		Long: `Lock works on Kamal's lock of a service, which Fairlead and Kamal both respect. To
keep a service where it is, fairlead hold is kinder: it says so in status.

  fairlead lock status
  fairlead lock acquire -m "moving the database"
  fairlead lock release

Exit status: that of the command below.`,
	},
		plain(operation.LockStatus, &cobra.Command{
			Use: "status", Short: "Show who has the lock, on each host",
			Long: `Status shows who has the service's lock on each host, since when and why.

  fairlead lock status

Exit status: 0, or 1 when a host could not be asked.`,
		}),
		newAcquire(),
		plain(operation.LockRelease, &cobra.Command{
			Use: "release", Short: "Free a lock that Kamal or a person left",
			Long: `Release frees the lock on all hosts. One that a Fairlead holds stays: it frees
itself when its rollout is done, and within 30 s when its Fairlead has died.

  fairlead lock release

Exit status: 0 when no host is locked, 1 when one is.`,
		}),
	)
}

func newAcquire() *cobra.Command {
	cmd := &cobra.Command{
		Use: "acquire", Short: "Take the lock, until you release it",
		Long: `Acquire takes the lock on all hosts, or on none. Nothing is deployed by Kamal or
Fairlead before fairlead lock release.

  fairlead lock acquire -m "moving the database"

Exit status: 0 when it is yours, 1 when somebody has it.`,
		Args: cobra.NoArgs,
	}
	c := choose(cmd)
	message := cmd.Flags().StringP("message", "m", "", "why, for those who meet it")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *message == "" {
			return command.Hint(`write -m "…"`, "a lock needs a message that says why")
		}
		return c.run(cmd, operation.Ask{Verb: operation.LockAcquire, Message: *message})
	}
	return cmd
}
