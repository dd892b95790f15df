package mirror

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/fairlead-deploy/fairlead/watcher/mirror/glob"
)

const (
	maxCopyPack  = 2 << 30 // bytes of one pack, as sent
	maxCopy      = 4 << 30 // bytes of the copy; made anew above
	maxCopyPacks = 40      // there is no gc; made anew above
	maxEarlier   = 50      // commits before a tip that are read
)

// lastRef names what the copy was last brought to.
const lastRef = plumbing.ReferenceName("refs/fairlead/last")

// disk is a shallow copy of a repository, for servers that allow no partial
// fetch. It holds nothing that cannot be fetched again: whatever is odd about
// it, it is removed and made anew.
type disk struct {
	dir     string
	maxPack int64
}

func (p *Pool) disk(r Remote) *disk {
	safe := strings.Map(func(c rune) rune {
		if c < 0x80 && (c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z') {
			return c
		}
		return '_'
	}, r.Name)
	sum := sha256.Sum256([]byte(r.Name + "\x00" + r.URL))
	return &disk{
		dir:     filepath.Join(p.dir, safe[:min(len(safe), 60)]+"-"+hex.EncodeToString(sum[:4])+".git"),
		maxPack: maxCopyPack,
	}
}

func (d *disk) remove() error {
	if err := os.RemoveAll(d.dir); err != nil {
		return fmt.Errorf("remove local copy: %w", err)
	}
	return nil
}

func (d *disk) snapshot(ctx context.Context, w wire, t Tip, want glob.Set) (commit, *files, error) {
	src, err := d.fetch(ctx, w, t, 1)
	if err != nil {
		return commit{}, nil, err
	}
	c, err := readCommit(src, t)
	if err != nil {
		return commit{}, nil, err
	}
	f, err := collect(ctx, src, c, want)
	return c, f, err
}

func (d *disk) history(ctx context.Context, w wire, t Tip, n int) ([]commit, error) {
	src, err := d.fetch(ctx, w, t, n)
	if err != nil {
		return nil, err
	}
	return firstParents(src, t, n)
}

// fetch brings the copy to a tip and depth commits before it.
func (d *disk) fetch(ctx context.Context, w wire, t Tip, depth int) (src stored, err error) {
	defer recovered(&err)
	if t.above != "" { // such servers give refs only
		t.id, depth = t.above, max(depth, maxEarlier)
	}
	if d.overgrown() {
		if err := d.remove(); err != nil {
			return stored{}, err
		}
	}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return stored{}, fmt.Errorf("make local copy: %w", err)
	}
	st := filesystem.NewStorage(osfs.New(d.dir), cache.NewObjectLRU(objectCache))
	r := request{want: []string{t.id}, depth: depth}
	if last, err := st.Reference(lastRef); err == nil {
		if depth == 1 && last.Hash().String() == t.id {
			return stored{st}, nil
		}
		r.have = []string{last.Hash().String()}
	}
	shallow, err := st.Shallow()
	if err != nil {
		return stored{}, because(ErrCorrupt, err, "the local copy cannot be read: %v", err)
	}
	for _, h := range shallow {
		r.shallow = append(r.shallow, h.String())
	}
	if err := ask(ctx, w, t.caps, r, func(a *answer) error { return d.store(st, a, shallow) }); err != nil {
		return stored{}, err
	}
	if err := st.SetReference(plumbing.NewHashReference(lastRef, plumbing.NewHash(t.id))); err != nil {
		return stored{}, fmt.Errorf("write local copy: %w", err)
	}
	return stored{st}, nil
}

// store writes the pack, then which commits have no parents here: in that
// order, a crash in between costs a fetch and is never wrong.
func (d *disk) store(st *filesystem.Storage, a *answer, shallow []plumbing.Hash) error {
	pack := &remembering{from: &capped{from: a, left: d.maxPack, what: fmt.Sprintf("the commit's files are more than %d MiB as sent", d.maxPack>>20)}}
	err := packfile.UpdateObjectStorage(st, pack)
	switch {
	case pack.err != nil:
		return pack.err
	case err != nil && !errors.Is(err, packfile.ErrEmptyPackfile):
		return because(ErrCorrupt, err, "the pack cannot be stored (%v)", err)
	}
	for _, id := range a.whole {
		shallow = slices.DeleteFunc(shallow, func(h plumbing.Hash) bool { return h.String() == id })
	}
	for _, id := range a.shallow {
		if h := plumbing.NewHash(id); validID(id) && !slices.Contains(shallow, h) {
			shallow = append(shallow, h)
		}
	}
	if err := st.SetShallow(shallow); err != nil {
		return fmt.Errorf("write local copy: %w", err)
	}
	return nil
}

// remembering keeps the error of its reader, which go-git would replace by
// what the broken pack looks like.
type remembering struct {
	from io.Reader
	err  error
}

func (r *remembering) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// overgrown tells whether the copy is to be made anew, and removes what a
// crash in the middle of a fetch left.
func (d *disk) overgrown() bool {
	packs, size := 0, int64(0)
	err := filepath.WalkDir(filepath.Join(d.dir, "objects"), func(at string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if strings.HasPrefix(e.Name(), "tmp_") {
			return os.Remove(at)
		}
		if strings.HasSuffix(e.Name(), ".pack") {
			packs++
		}
		if i, err := e.Info(); err == nil {
			size += i.Size()
		}
		return nil
	})
	return packs > maxCopyPacks || size > maxCopy || (err != nil && !errors.Is(err, fs.ErrNotExist))
}
