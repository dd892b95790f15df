package operate

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/release/operation"
	"github.com/fairlead-deploy/fairlead/server"
)

func newServer() *cobra.Command {
	return command.Group(&cobra.Command{
		Use: "server", Short: "Work on the servers themselves: make them ready, run a command",
		Long: `Server works on the hosts of a service's deploy.yml.

  fairlead server bootstrap
  fairlead server exec uptime

Exit status: that of the command below.`,
	}, newBootstrap(), newServerExec())
}

func newBootstrap() *cobra.Command {
	cmd := &cobra.Command{
		Use: "bootstrap", Short: "Make the servers ready for a first deploy",
		Long: `Bootstrap checks that Docker answers on every host, and makes Kamal's network and
folder there. Docker is installed only with --install-docker, by Docker's own
script (https://get.docker.com), which needs root. It may be run again. At its end
the hook docker-setup runs, where there is one.

  fairlead server bootstrap
  fairlead server bootstrap --install-docker --hosts web3.example.com

Exit status: 0 when all hosts are ready, 1 when not.`,
		Args: cobra.NoArgs,
	}
	c := choose(cmd)
	install := cmd.Flags().Bool("install-docker", false, "install Docker where it is missing")
	skip := command.SkipHooks(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, operation.Ask{Verb: operation.ServerBootstrap, Install: *install, SkipHooks: *skip})
	}
	return cmd
}

// Bootstrap is server bootstrap as the first part of setup, which has its flags
// in the order.
func Bootstrap(cmd *cobra.Command, service, destination string, local command.LocalFlags, o server.Order) error {
	primary := false
	asJSON, err := cmd.Flags().GetBool("json")
	if err != nil {
		return err
	}
	c := chosen{service: &service, destination: &destination, local: local, roles: &o.Roles, hosts: &o.Hosts, primary: &primary, asJSON: &asJSON}
	return c.run(cmd, operation.Ask{Verb: operation.ServerBootstrap, SkipHooks: o.SkipHooks})
}

func newServerExec() *cobra.Command {
	cmd := &cobra.Command{
		Use: "exec COMMAND...", Short: "Run a command on the servers",
		Long: `Exec runs a command in the login shell of the ssh user on every host at once. Who
may open the daemon's socket may do so: allow: in fairlead.yml is about what
repositories may ask for, not people.

  fairlead server exec uptime
  fairlead server exec 'df -h | grep /var'
  fairlead server exec -i --hosts web1.example.com bash

Flags of the command come after --. Hosts that are reached through their engine's
socket have no shell.

Exit status: the command's, of several the first that is not 0; 1 when it could not
be run.`,
		Args: cobra.MinimumNArgs(1),
	}
	c := choose(cmd)
	input := cmd.Flags().BoolP("interactive", "i", false, "pass your input on, to the first host only; on a terminal, with a terminal")
	raw := cmd.Flags().Bool("raw", false, "no place before the lines")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.attend(cmd, operation.Ask{
			Verb: operation.ServerExec, Command: &operation.Command{Line: strings.Join(args, " "), Input: *input},
		}, *raw)
	}
	return cmd
}
