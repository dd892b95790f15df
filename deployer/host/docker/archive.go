package docker

import (
	"context"
	"io"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

const copyTimeout = 10 * time.Minute

// CopyTo unpacks a tar stream into a folder of a container, running or not,
// through its bind mounts. Owners are those of the stream: engines look a
// container's user up among those of their host. ErrNotFound where the folder
// is missing.
func (e *Engine) CopyTo(ctx context.Context, id, dir string, tar io.Reader) error {
	return e.call(ctx, "copy to "+short(id)+":"+dir, copyTimeout, func(ctx context.Context, s *session) error {
		_, err := s.cli.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: dir, Content: tar})
		return err
	})
}

// CopyFrom passes a file or folder of a container to read as a tar stream; it
// is closed when read returns.
func (e *Engine) CopyFrom(ctx context.Context, id, path string, read func(tar io.Reader) error) error {
	return e.call(ctx, "copy from "+short(id)+":"+path, copyTimeout, func(ctx context.Context, s *session) error {
		r, err := s.cli.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: path})
		if err != nil {
			return err
		}
		defer r.Content.Close()
		return read(r.Content)
	})
}

// StatPath reads what is at a path in a container. ErrNotFound where nothing
// is.
func (e *Engine) StatPath(ctx context.Context, id, path string) (PathInfo, error) {
	var info PathInfo
	err := e.call(ctx, "stat "+short(id)+":"+path, callTimeout, func(ctx context.Context, s *session) error {
		r, err := s.cli.ContainerStatPath(ctx, id, client.ContainerStatPathOptions{Path: path})
		info = PathInfo{Name: r.Stat.Name, Size: r.Stat.Size, Mode: r.Stat.Mode, ModTime: r.Stat.Mtime, LinkTarget: r.Stat.LinkTarget}
		return err
	})
	return info, err
}

// EnsureVolume makes a local volume unless one of that name is there.
func (e *Engine) EnsureVolume(ctx context.Context, name string) error {
	return e.call(ctx, "ensure volume "+name, callTimeout, func(ctx context.Context, s *session) error {
		_, err := s.cli.VolumeCreate(ctx, client.VolumeCreateOptions{Name: name})
		return err
	})
}

// RemoveVolume removes a volume and what it holds. One that is gone is
// success; ErrInUse while a container has it.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	return e.call(ctx, "remove volume "+name, callTimeout, func(ctx context.Context, s *session) error {
		_, err := s.cli.VolumeRemove(ctx, name, client.VolumeRemoveOptions{})
		if cerrdefs.IsNotFound(err) {
			return nil
		}
		if cerrdefs.IsConflict(err) {
			return classed(ErrInUse, err)
		}
		return err
	})
}
