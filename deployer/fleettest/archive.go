package fleettest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/fleettest/disk"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
)

// AssetPath is where an image has its App.Assets.
const AssetPath = "/app/assets"

// CopyFrom gives what an image has at AssetPath, whatever is asked for besides.
func (e engine) CopyFrom(ctx context.Context, id, from string, read func(tar io.Reader) error) error {
	var stream io.Reader
	err := e.p.read(ctx, e.h, "copy from "+e.label(id), func() (err error) {
		b := e.h.find(id)
		if b == nil || path.Clean(from) != AssetPath {
			return fmt.Errorf("copy from %s: %w", id, docker.ErrNotFound)
		}
		stream, err = disk.Pack("assets", e.h.w.apps[b.digest].Assets)
		return err
	})
	if err != nil {
		return err
	}
	return read(stream)
}

// CopyTo unpacks into a folder of the host that is mounted there. What breaks
// off has unpacked half. The fleet's files have no owners.
func (e engine) CopyTo(ctx context.Context, id, dir string, stream io.Reader) error {
	entries, err := disk.Entries(stream)
	if err != nil {
		return err
	}
	unpack := func(entries []disk.Packed) func() error {
		return func() error {
			root, err := e.mounted(id, dir)
			for _, p := range entries {
				err = errors.Join(err, e.h.files.Unpack(root, p))
			}
			return err
		}
	}
	return e.p.changeOr(ctx, e.h, "copy to "+e.label(id), unpack(entries), unpack(entries[:len(entries)/2]))
}

// mounted is the folder, relative to the home, that a container has at dir. What
// is in no folder of the host is in the container's own, below containers.
func (e engine) mounted(id, dir string) (string, error) {
	if b := e.h.find(id); b != nil {
		if dir == "/" {
			return "containers/" + b.id, nil
		}
		for _, m := range b.spec.Mounts {
			if m.Kind == container.Bind && m.Target == dir {
				return strings.TrimPrefix(m.Source, "/root/"), nil
			}
		}
	}
	return "", fmt.Errorf("copy to %s:%s: %w", id, dir, docker.ErrNotFound)
}

// Files returns the contents of the files below a folder of the ssh user's
// home, by their path in it; nil where there is no such folder.
func (h *Host) Files(dir string) map[string]string {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	return h.files.Texts(dir)
}
