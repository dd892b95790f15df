package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
)

// Local is a door to a folder of this machine: the home folder where the
// daemon runs on the host, or that folder mounted into the daemon's container.
type Local struct {
	dir    string
	unique func() string
}

// NewLocal makes the door to dir; unique is as for NewSFTP.
func NewLocal(dir string, unique func() string) *Local { return &Local{dir: dir, unique: unique} }

// Door returns the door's methods.
func (l *Local) Door() Door { return Door{l, l, l} }

// within runs do in the folder; symbolic links cannot lead out of it.
func (l *Local) within(ctx context.Context, op, name string, do func(*os.Root) error) error {
	if err := valid(op, name); err != nil {
		return err
	}
	err := context.Cause(ctx)
	if err == nil {
		var root *os.Root
		if root, err = os.OpenRoot(l.dir); err == nil {
			err = errors.Join(do(root), root.Close())
		}
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", op, name, err)
	}
	return nil
}

// Read implements Reader.
func (l *Local) Read(ctx context.Context, name string) (content []byte, err error) {
	err = l.within(ctx, "read", name, func(r *os.Root) error {
		f, err := r.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		content, err = readBounded(f)
		return err
	})
	return content, err
}

// Stat implements Reader.
func (l *Local) Stat(ctx context.Context, name string) (info fs.FileInfo, err error) {
	err = l.within(ctx, "stat", name, func(r *os.Root) error { info, err = r.Lstat(name); return err })
	return info, err
}

// ReadDir implements Reader.
func (l *Local) ReadDir(ctx context.Context, name string) (all []fs.FileInfo, err error) {
	err = l.within(ctx, "list", name, func(r *os.Root) error {
		entries, err := fs.ReadDir(r.FS(), name)
		for _, e := range entries {
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // removed meanwhile
			}
			if err != nil {
				return err
			}
			all = append(all, info)
		}
		return err
	})
	return all, err
}

// Mkdir implements Maker.
func (l *Local) Mkdir(ctx context.Context, name string, mode fs.FileMode) error {
	return l.within(ctx, "make folder", name, func(r *os.Root) error { return mkdir(r, name, mode) })
}

// mkdir makes a folder of just this mode, whatever this process's umask is:
// others than its user may have to read it. 0 leaves it to the umask.
func mkdir(r *os.Root, name string, mode fs.FileMode) error {
	if err := r.Mkdir(name, cmp.Or(mode, 0o777)); err != nil || mode == 0 {
		return err
	}
	return r.Chmod(name, mode)
}

// MkdirAll implements Maker.
func (l *Local) MkdirAll(ctx context.Context, name string, mode fs.FileMode) error {
	return l.within(ctx, "make folder", name, func(r *os.Root) error {
		for i := range len(name) + 1 {
			if i < len(name) && name[i] != '/' {
				continue
			}
			if err := mkdir(r, name[:i], mode); err != nil && !isFolder(r, name[:i]) {
				return err
			}
		}
		return nil
	})
}

func isFolder(r *os.Root, name string) bool {
	info, err := r.Stat(name)
	return err == nil && info.IsDir()
}

// Create implements Maker.
func (l *Local) Create(ctx context.Context, name string, content []byte) error {
	return l.within(ctx, "create", name, func(r *os.Root) error {
		f, err := r.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return err
		}
		_, err = f.Write(content)
		return errors.Join(err, f.Close())
	})
}

// Write implements Maker.
func (l *Local) Write(ctx context.Context, name string, content []byte, mode fs.FileMode) error {
	return l.within(ctx, "write", name, func(r *os.Root) error {
		temporary := path.Join(path.Dir(name), "."+path.Base(name)+"."+l.unique())
		f, err := r.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if err != nil {
			return err
		}
		if err = f.Chmod(mode); err == nil {
			_, err = f.Write(content)
		}
		if err == nil {
			err = f.Sync()
		}
		if err = errors.Join(err, f.Close()); err == nil {
			err = r.Rename(temporary, name)
		}
		if err != nil {
			return errors.Join(err, ignoreMissing(r.Remove(temporary)))
		}
		return nil
	})
}

// Rename implements Mover.
func (l *Local) Rename(ctx context.Context, from, to string) error {
	if err := valid("rename", to); err != nil {
		return err
	}
	return l.within(ctx, "rename", from, func(r *os.Root) error { return r.Rename(from, to) })
}

// RemoveAll implements Mover.
func (l *Local) RemoveAll(ctx context.Context, name string) error {
	return l.within(ctx, "remove", name, func(r *os.Root) error { return r.RemoveAll(name) })
}
