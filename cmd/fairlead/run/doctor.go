package run

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/internal/setup"
)

func newDoctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check all, and the daemon, its files, clocks, forwarding and proxies too",
		Long: `Doctor is check, and a look at what usually goes wrong beside it: does the
daemon answer, are its files private, is there room; and for each host: does
sshd forward, does the clock agree, which proxy runs. It changes nothing.

  fairlead doctor
  fairlead doctor --json | jq '.[] | select(.ok | not)'

Exit status: 0 all is well, 1 something is not.`,
		Args: cobra.NoArgs,
	}
	asJSON := command.JSONFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		file, err := command.ConfigFile(cmd, nil)
		if err != nil {
			return err
		}
		conf, found := setup.CheckFile(file)
		if conf != nil {
			err = command.Reach(conf, func(r *daemon.Reach) error {
				s := setup.Check(cmd.Context(), conf, r)
				found = append(append(found, s.Findings...), setup.Doctor(cmd.Context(), conf, r, s)...)
				return nil
			})
		}
		return errors.Join(err, command.Report(cmd, found, *asJSON))
	}
	return cmd
}
