package command

import (
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/internal/setup"
)

// ConfigFile is the operator's file: the argument, else --config.
func ConfigFile(cmd *cobra.Command, args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	return cmd.Flags().GetString("config")
}

// Reach does something with the repositories and hosts of a configuration.
func Reach(c *config.Config, do func(*daemon.Reach) error) error {
	r, err := daemon.NewReach(c, slog.New(slog.DiscardHandler), NewRand().Float64)
	if err != nil {
		return err
	}
	return errors.Join(do(r), r.Close())
}

// Reached is a configuration and how its hosts are reached.
type Reached struct {
	Config *config.Config
	Reach  *daemon.Reach
}

// ReachHosts does something with hosts as fairlead.yml reaches them, or, where
// there is none, as the person's own ssh does.
func ReachHosts(cmd *cobra.Command, do func(Reached) error) error {
	c, err := Operator(cmd)
	if err != nil {
		return err
	}
	if c != nil {
		return Reach(c, func(r *daemon.Reach) error { return do(Reached{c, r}) })
	}
	r, c, err := daemon.NewOwnReach(slog.New(slog.DiscardHandler), NewRand().Float64)
	if err != nil {
		return err
	}
	return errors.Join(do(Reached{c, r}), r.Close())
}

// Report prints findings; one that is not well makes exit status 1.
func Report(cmd *cobra.Command, found setup.Findings, asJSON bool) error {
	var err error
	if asJSON {
		err = SayJSON(cmd, found)
	} else {
		err = found.WriteText(cmd.OutOrStdout())
	}
	if err == nil && found.Failed() {
		return ExitError(1)
	}
	return err
}

// Console is who runs a
func Console(cmd *cobra.Command, yes bool) setup.Console {
	return setup.Console{Out: cmd.OutOrStdout(), In: cmd.InOrStdin(), Terminal: IsTerminal(cmd.InOrStdin()), Yes: yes}
}
