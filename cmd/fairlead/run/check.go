package run

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/internal/setup"
)

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Tell whether all that fairlead.yml names is right and can be reached",
		Long: `Check reads fairlead.yml, looks at each repository, its deploy.yml, secrets and
image, and asks each host. It changes nothing and needs no daemon. Each line is
"ok SUBJECT: …" or "FAIL SUBJECT: … → what to do".

Exit status: 0 all is well, 1 something is not.`,
		Example: `  fairlead check
  fairlead check --offline ./fairlead.yml`,
		Args: cobra.MaximumNArgs(1),
	}
	offline := cmd.Flags().Bool("offline", false, "only read the file")
	asJSON := command.JSONFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		file, err := command.ConfigFile(cmd, args)
		if err != nil {
			return err
		}
		conf, found := setup.CheckFile(file)
		if conf != nil && !*offline {
			err = command.Reach(conf, func(r *daemon.Reach) error {
				found = append(found, setup.Check(cmd.Context(), conf, r).Findings...)
				return nil
			})
		}
		return errors.Join(err, command.Report(cmd, found, *asJSON))
	}
	return cmd
}
