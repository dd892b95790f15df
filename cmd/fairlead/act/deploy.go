package act

import (
	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/cmd/fairlead/operate"
	"github.com/fairlead-deploy/fairlead/server"
)

// setup is the name by which hosts are made ready first. (A deploy makes what it
// needs there, too, but runs no docker-setup.)
const setup = "setup"

func newDeploy() *cobra.Command {
	cmd := &cobra.Command{
		Use:        "deploy [SERVICE]",
		Short:      "Roll out the newest commit, or a version, now",
		Aliases:    []string{setup, "redeploy"}, // Kamal's words
		SuggestFor: []string{"boot", "release", "up", "restart"},
		Long: `Deploy makes the servers match the newest commit of the watched branch, or with
--version run an image that was built before. The whole fleet goes to it, or all
of it stays on what worked.

  fairlead deploy
  fairlead deploy shop -d staging
  fairlead deploy --version v2.1.0      # stays there until fairlead resume
  fairlead deploy --roles web --hosts web1.example.com

Called as setup it makes the servers ready first, as fairlead server bootstrap does,
with the hook docker-setup.

On a terminal it shows what happens until the end; Ctrl-C then only stops
looking, the daemon goes on.

Without a daemon it deploys the checkout it is called in, as kamal deploy does,
with your own ssh keys and agent, .kamal/secrets and your environment. Ctrl-C
then stops at a safe point, and the next deploy goes on from there.

Exit status: 0 when the servers run what was asked for (or, where it is not
followed, when the order was accepted), 1 when the release failed, was rolled
back or waits for a person, 130 after Ctrl-C.`,
		Args: cobra.MaximumNArgs(1),
	}
	f, destination, local := command.AddFollowFlags(cmd), command.DestinationFlag(cmd), command.AddLocalFlags(cmd)
	var o server.Order
	cmd.Flags().StringVar(&o.Version, "version", "", "an image version (tag) that exists")
	cmd.Flags().StringSliceVarP(&o.Roles, "roles", "r", nil, "only these roles")
	cmd.Flags().StringSliceVar(&o.Hosts, "hosts", nil, "only these hosts")
	cmd.Flags().BoolVar(&o.Force, "force", false, "replace containers even where nothing differs")
	cmd.Flags().BoolVarP(&o.SkipHooks, "skip-hooks", "H", false, "run no hooks")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.Action = server.Deploy
		if cmd.CalledAs() == setup {
			if err := operate.Bootstrap(cmd, command.First(args), *destination, local, o); err != nil {
				return err
			}
		}
		return command.Wish{Name: command.First(args), Destination: *destination, Order: o, Follow: f, Local: local}.CarryOut(cmd)
	}
	return cmd
}
