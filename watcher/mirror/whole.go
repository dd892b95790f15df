package mirror

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/fairlead-deploy/fairlead/watcher/mirror/tree"
)

// maxBlob bounds one file of a whole commit, in bytes: it is read at once.
const maxBlob = 256 << 20

// Whole lends use all files of a tip's commit, read as they are opened, links
// and submodules told by their modes. Where the repository is elsewhere this
// brings the commit to a copy on disk. use may be called twice, where the copy
// proved damaged; the other methods wait meanwhile. Errors are as of Fetch.
func (m *Mirror) Whole(ctx context.Context, t Tip, use func(files fs.FS) error) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.leave()
	err := m.door.whole(ctx, t, func(s stored, c commit) error {
		return use(tree.New(c.tree, c.time, tree.Objects{List: s.list, Read: s.blob, Size: s.size}))
	})
	if err != nil {
		return fmt.Errorf("fetch %s: %w", t.SHA[:min(7, len(t.SHA))], err)
	}
	return nil
}

func (l *local) whole(_ context.Context, t Tip, use func(stored, commit) error) error {
	st, err := l.open()
	if err != nil {
		return err
	}
	c, err := readCommit(stored{st}, t)
	if err == nil {
		err = use(stored{st}, c)
	}
	return l.damaged(err)
}

func (r *remote) whole(ctx context.Context, t Tip, use func(stored, commit) error) error {
	return r.repaired(func() error {
		src, err := r.disk.fetch(ctx, r.wire, t, 1)
		if err != nil {
			return err
		}
		c, err := readCommit(src, t)
		if err != nil {
			return err
		}
		return use(src, c)
	})
}

func (s stored) list(id string) ([]tree.Entry, error) {
	data, err := s.read(id, kindTree, maxTree)
	if err != nil {
		return nil, err
	}
	entries, err := parseTree(data)
	out := make([]tree.Entry, 0, len(entries))
	for _, e := range entries {
		out = append(out, tree.Entry{Name: e.name, Mode: fileMode(e), ID: e.id})
	}
	return out, err
}

func fileMode(e entry) fs.FileMode {
	switch {
	case e.isTree():
		return fs.ModeDir | 0o755
	case e.isFile():
		return 0o644 | fs.FileMode(e.mode&0o111)
	case e.mode == 0o120000:
		return fs.ModeSymlink | 0o777
	}
	return fs.ModeIrregular | 0o644
}

func (s stored) blob(id string) ([]byte, error) { return s.read(id, kindBlob, maxBlob) }

func (s stored) size(id string) (_ int64, err error) {
	defer recovered(&err)
	n, err := s.from.EncodedObjectSize(plumbing.NewHash(id))
	if err != nil {
		return 0, because(ErrCorrupt, err, "blob %s cannot be read (%v)", id, err)
	}
	return n, nil
}
