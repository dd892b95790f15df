package run

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/internal/setup"
)

func newInstall() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install the service: user, folders, SSH key, configuration, program, unit",
		Long: `Install makes a system user, /etc/fairlead with a commented fairlead.yml and an
SSH key (files of mode 0600), the data folder (0700), copies this program to
/usr/local/bin and writes a sandboxed systemd unit. It starts nothing. What is
there already stays; run it again with a newer program to upgrade.

Exit status: 0 when all is there, 1 when a step failed; run it again then.`,
		Example: `  fairlead install --print
  sudo ./fairlead install`,
		Args: cobra.NoArgs,
	}
	in := installation(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := ready(cmd, in); err != nil {
			return err
		}
		return in.Install(cmd.Context())
	}
	return cmd
}

// installation binds the flags that install and uninstall share.
func installation(cmd *cobra.Command) *setup.Installation {
	in := &setup.Installation{Unit: setup.DefaultUnit, Run: setup.RunProgram, Lookup: user.Lookup, Random: rand.Reader}
	cmd.Flags().StringVar(&in.User, "user", setup.DefaultUser, "the service's system user")
	cmd.Flags().StringVar(&in.Dir, "dir", setup.DefaultDir, "the folder of fairlead.yml")
	cmd.Flags().StringVar(&in.DataDir, "data-dir", config.DefaultDataDir, "the folder of history and copies")
	cmd.Flags().StringVar(&in.Program, "program", setup.DefaultProgram, "where the program is put")
	cmd.Flags().BoolVar(&in.Print, "print", false, "only show what would be done")
	return in
}

// ready completes an installation from the machine, and refuses machines and
// users that cannot.
func ready(cmd *cobra.Command, in *setup.Installation) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if in.Self, err = filepath.EvalSymlinks(self); err != nil {
		return err
	}
	in.Console = command.Console(cmd, false)
	_, err = os.Stat("/run/systemd/system") // sd_booted(3)
	in.NoSystemd = errors.Is(err, fs.ErrNotExist)
	switch {
	case runtime.GOOS != "linux":
		return errors.New("install: a service can only be installed on Linux; here the program is a command line")
	case !in.Print && os.Geteuid() != 0:
		return command.Hint("use sudo, or see what it would do with --print", "only root can do this")
	}
	return nil
}
