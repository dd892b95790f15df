package run

import "github.com/spf13/cobra"

func newUninstall() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove the service; containers on the servers stay",
		Long: `Uninstall stops the service and removes its unit and program; with --purge also
its configuration, keys, history and user. Nothing on the servers is touched:
apps and their proxy go on running.

  fairlead uninstall --print
  sudo fairlead uninstall

Exit status: 0 when it is gone, 1 when a step failed.`,
		Args: cobra.NoArgs,
	}
	in := installation(cmd)
	purge := cmd.Flags().Bool("purge", false, "remove configuration, keys, history and user too")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := ready(cmd, in); err != nil {
			return err
		}
		return in.Uninstall(cmd.Context(), *purge)
	}
	return cmd
}
