package operate

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

func newRemove() *cobra.Command {
	return removing(operation.Remove, "the service, its accessories and their proxy", &cobra.Command{
		Use: "remove", Short: "Take a service off its servers, all but its data",
		Long: `Remove stops and removes the service's containers, images, routes and files, its
accessories' containers, and the proxy where it serves nobody else. The data of
accessories stays on the hosts. The service is held, so that no push brings it
back before fairlead resume.

  fairlead remove
  fairlead remove -d staging -y

It asks for the service's name first.

Exit status: 0 when it is gone, 1 when not from every host.`,
	})
}

func newRemoveApp() *cobra.Command {
	return removing(operation.RemoveApp, "the containers, images, routes and files", &cobra.Command{
		Use: "remove", Short: "Take the service's own containers off its servers",
		Long: `Remove stops and removes the containers of the service's roles, its images, routes
and files. Accessories and the proxy stay. The service is held until fairlead
resume.

  fairlead app remove
  fairlead app remove --roles worker -y

It asks for the service's name first.

Exit status: 0 when they are gone, 1 when not from every host.`,
	})
}

func removing(verb operation.Verb, what string, cmd *cobra.Command) *cobra.Command {
	return ending(verb, cmd, func(name string) string { return fmt.Sprintf("removes %s of %s from its servers", what, name) })
}

// ending makes a command that ends a service in some way; a person types the
// service's name first, told what it does to that.
func ending(verb operation.Verb, cmd *cobra.Command, does func(name string) string) *cobra.Command {
	c := choose(cmd)
	sure := cmd.Flags().BoolP("yes", "y", false, "do not ask")
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := c.open(cmd)
		if err != nil {
			return err
		}
		defer s.close()
		name := s.lane.String()
		if s.lane.Service == "" {
			name = s.repo
		}
		if err := confirmed(cmd, *sure, name, does(name)); err != nil {
			return err
		}
		p := newPrinter(cmd, *c.asJSON)
		err = s.Operate(cmd.Context(), c.ask(s, operation.Ask{Verb: verb}), operation.Caller{Tell: p.tell})
		return p.end(cmd, err)
	}
	return cmd
}

// confirmed wants the service's name from a person who does something.
func confirmed(cmd *cobra.Command, sure bool, name, does string) error {
	if sure {
		return nil
	}
	if !command.IsTerminal(cmd.InOrStdin()) {
		return command.Hint("add -y where that is meant", "there is no terminal to ask on: this %s", does)
	}
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "This %s. Type %s to go on: ", does, name)
	line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 1024)).ReadString('\n')
	if err != nil && line == "" {
		return fmt.Errorf("read answer: %w", err)
	}
	if strings.TrimSpace(line) != name {
		return command.Hint("type its name to go on", "nothing was done: that is not %s", name)
	}
	return nil
}
