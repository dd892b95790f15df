package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/server"
	"github.com/fairlead-deploy/fairlead/server/client"
)

func newRollback() *cobra.Command {
	cmd := &cobra.Command{
		Use:        "rollback [SERVICE] [VERSION]",
		Short:      "Go back to the last release that worked, or to a version",
		SuggestFor: []string{"undo", "revert", "back"},
		Long: `Rollback restarts the containers of the last release that succeeded before the
current one, on every host, with the secrets that it had. The service then stays
there, whatever is pushed, until fairlead resume.

  fairlead rollback
  fairlead rollback shop
  fairlead rollback shop v41
  fairlead rollback v41                 # where there is only one service

It does not undo what a release did to a database.

Without a daemon it works from the checkout it is called in.

Exit status: 0 when the servers run the earlier release (or, where it is not
followed, when the order was accepted), 1 when not, 130 after Ctrl-C.`,
		Args: cobra.MaximumNArgs(2),
	}
	f, destination, local := command.AddFollowFlags(cmd), command.DestinationFlag(cmd), command.AddLocalFlags(cmd)
	skip := command.SkipHooks(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, o := command.First(args), server.Order{Action: server.Rollback, SkipHooks: *skip}
		if len(args) == 2 {
			o.Version = args[1]
		} else if name != "" && !*local.Local {
			var err error
			if name, o.Version, err = serviceOrVersion(cmd, name, *destination); err != nil {
				return err
			}
		}
		return command.Wish{Name: name, Destination: *destination, Order: o, Follow: f, Local: local}.CarryOut(cmd)
	}
	return cmd
}

// serviceOrVersion tells what a single word means: a service where one is
// called so, else a version.
func serviceOrVersion(cmd *cobra.Command, word, destination string) (name, version string, err error) {
	a, err := command.Ask(cmd)
	if errors.Is(err, client.ErrNoDaemon) {
		return word, "", nil // the checkout knows its name
	}
	if err != nil {
		return "", "", err
	}
	defer a.Close()
	if _, err := a.Place(word, destination); err == nil {
		return word, "", nil
	}
	if _, unclear := a.Place("", destination); unclear != nil {
		return word, "", nil // place tells what is wrong with it
	}
	return "", word, nil
}
