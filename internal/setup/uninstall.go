package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
)

// Uninstall stops the service and takes its unit and program away; with purge
// also its configuration, keys, history and user. Containers on servers are
// not touched: they go on running.
func (in Installation) Uninstall(ctx context.Context, purge bool) error {
	list := in.uninstallSteps()
	if purge {
		list = append(list, in.gone(in.Dir), in.gone(in.DataDir), in.userGone())
	}
	if err := in.steps(ctx, list); err != nil {
		return fmt.Errorf("uninstall: %w", err)
	}
	in.Console.Printf("\nContainers on the servers were not touched: apps and proxies go on running.\n")
	if !purge {
		in.Console.Printf("%s and %s stay; --purge removes them, keys and history included.\n", in.Dir, in.DataDir)
	}
	return nil
}

func (in Installation) uninstallSteps() []step {
	list := []step{in.gone(in.Program)}
	if in.Unit == "" {
		return list
	}
	if in.NoSystemd {
		return append(list, in.gone(in.Unit))
	}
	stop := step{
		what: "stop and disable " + filepath.Base(in.Unit),
		done: func() (bool, error) {
			there, err := exists(in.Unit)
			return !there, err
		},
		do: func(ctx context.Context) error {
			return in.Run(ctx, "systemctl", "disable", "--now", filepath.Base(in.Unit))
		},
	}
	unit := in.gone(in.Unit)
	remove := unit.do
	unit.do = func(ctx context.Context) error {
		return errors.Join(remove(ctx), in.Run(ctx, "systemctl", "daemon-reload"))
	}
	return append([]step{stop, unit}, list...)
}

// gone is a file or folder that is not there any more. A folder that belongs
// to the system is refused: somebody gave a wrong --dir.
func (in Installation) gone(path string) step {
	return step{
		what: "remove " + path,
		done: func() (bool, error) {
			there, err := exists(path)
			return !there, err
		},
		do: func(context.Context) error {
			info, err := os.Lstat(path)
			if err != nil {
				return err
			}
			if info.IsDir() && !ours(path) {
				return fmt.Errorf("%s does not look like a folder of Fairlead's alone; remove it yourself", path)
			}
			return os.RemoveAll(path)
		},
	}
}

// ours tells a folder that an installation made: fairlead.yml is in it, or it
// is named for Fairlead; and it is not at the top of the file system.
func ours(dir string) bool {
	if strings.Count(filepath.Clean(dir), "/") < 2 {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "fairlead.yml"))
	return err == nil || filepath.Base(dir) == "fairlead"
}

func (in Installation) userGone() step {
	return step{
		what: "remove user " + in.User,
		done: func() (bool, error) {
			_, err := in.Lookup(in.User)
			if _, unknown := errors.AsType[user.UnknownUserError](err); unknown {
				return true, nil
			}
			return false, err
		},
		do: func(ctx context.Context) error {
			if in.User == "root" {
				return fmt.Errorf("%w: root", fs.ErrPermission)
			}
			return in.Run(ctx, "userdel", in.User)
		},
	}
}
