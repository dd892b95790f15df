package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/files"
)

// Home returns the absolute path of the home folder on the host, which paths
// of Files are relative to. It is asked once.
func (h *Host) Home(ctx context.Context) (string, error) {
	h.homeOnce.Lock()
	defer h.homeOnce.Unlock()
	if h.home != "" {
		return h.home, nil
	}
	var home string
	var err error
	if h.client != nil {
		home, err = h.sftp.Home(ctx) // its error says what and where
	} else if home, err = h.localHome(ctx); err != nil {
		err = fmt.Errorf("find home folder on %s: %w", h.name, err)
	}
	if err != nil {
		return "", err
	}
	h.home = home
	return home, nil
}

// Arch returns the architecture of the host's engine, as Go names it. It is
// asked once.
func (h *Host) Arch(ctx context.Context) (string, error) {
	h.archOnce.Lock()
	defer h.archOnce.Unlock()
	if h.arch != "" {
		return h.arch, nil
	}
	info, err := h.engine.Info(ctx)
	if err != nil {
		return "", fmt.Errorf("find the architecture of %s: %w", h.name, err)
	}
	h.arch = info.Arch
	return h.arch, nil
}

// localHome is the home folder where nobody has named it.
func (h *Host) localHome(ctx context.Context) (string, error) {
	_, inside, err := h.Self(ctx)
	if err != nil {
		return "", err
	}
	if inside {
		return "", fmt.Errorf("this program runs in a container; name the folder of that machine in fairlead.yml, as hosts.%s.home", h.name)
	}
	return os.UserHomeDir()
}

// chooseDoor decides how the files of a host without SSH are reached: where
// this process sees them, else through the engine.
func (h *Host) chooseDoor(ctx context.Context) (files.Door, error) {
	home, err := h.Home(ctx)
	if err != nil {
		return files.Door{}, err
	}
	dir, err := h.seen(ctx, home)
	if err != nil {
		return files.Door{}, err
	}
	if dir != "" {
		return files.NewLocal(dir, h.config.Unique).Door(), nil
	}
	return h.sftp.Door(), nil
}

// seen returns where this process has the host's folder home, or "" where it
// cannot be sure of that.
func (h *Host) seen(ctx context.Context, home string) (string, error) {
	self, inside, err := h.Self(ctx)
	if err != nil {
		return "", err
	}
	if inside {
		return mountedAt(self.Spec.Mounts, home), nil
	}
	info, err := h.engine.Info(ctx)
	if err != nil {
		return "", err
	}
	if name, err := os.Hostname(); err != nil || name != info.Name {
		return "", nil // the socket leads to another machine
	}
	if folder, err := os.Stat(home); err != nil || !folder.IsDir() {
		return "", nil
	}
	return home, nil
}

// mountedAt returns where a container with these mounts has a folder of its
// host, "" for nowhere or not to write to.
func mountedAt(mounts []container.Mount, folder string) string {
	best, dir := -1, ""
	for _, m := range mounts {
		if m.Kind != container.Bind {
			continue
		}
		rest, err := filepath.Rel(m.Source, folder)
		if err != nil || rest == ".." || strings.HasPrefix(rest, "../") || len(m.Source) <= best {
			continue
		}
		best, dir = len(m.Source), filepath.Join(m.Target, rest)
		if m.ReadOnly {
			dir = ""
		}
	}
	return dir
}
