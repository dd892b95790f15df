package operate

import (
	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

func newPrune() *cobra.Command {
	return command.Group(&cobra.Command{
		Use: "prune", Short: "Remove old containers and images of a service",
		Long: `Prune removes what is no longer kept. Each release does so at its end; this is for
in between.

  fairlead prune all
  fairlead prune containers --retain 1

Exit status: that of the command below.`,
	},
		pruning(operation.Prune, &cobra.Command{
			Use: "all", Short: "Remove old containers, then images that nothing needs",
			Long: `All is prune containers, and then prune images.

  fairlead prune all

Exit status: 0 when it is done, 1 when not on every host.`,
		}),
		pruning(operation.PruneContainers, &cobra.Command{
			Use: "containers", Short: "Remove stopped containers beyond those that are kept",
			Long: `Containers removes stopped containers but the newest of each role on each host, as
many as retain_containers says. Of those that failed the newest stays.

  fairlead prune containers --retain 1

Exit status: 0 when it is done, 1 when not on every host.`,
		}),
		plain(operation.PruneImages, &cobra.Command{
			Use: "images", Short: "Remove images that no container needs",
			Long: `Images removes the service's images that no container, running or kept, needs.

  fairlead prune images

Exit status: 0 when it is done, 1 when not on every host.`,
		}),
	)
}

func pruning(verb operation.Verb, cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.NoArgs
	c := choose(cmd)
	retain := cmd.Flags().Int("retain", 0, "how many stay of each role (default: deploy.yml's retain_containers)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		a := operation.Ask{Verb: verb}
		if cmd.Flags().Changed("retain") {
			a.Retain = retain
		}
		return c.run(cmd, a)
	}
	return cmd
}
