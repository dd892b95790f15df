package mirror

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"github.com/fairlead-deploy/fairlead/watcher/mirror/glob"
)

// objectCache bounds what a repository on disk keeps in memory while it is
// read, in bytes.
const objectCache = 2 << 20

// local is the door to a repository in a folder of this machine, bare or with
// a work tree (whose files are not looked at: only commits count). It is
// opened anew for every look, because git may repack it at any time.
type local struct{ path string }

func (l *local) open() (*filesystem.Storage, error) {
	dir, err := gitDir(l.path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, because(ErrAuth, err, "%s may not be read by this user; give it read access", l.path)
	case err != nil:
		return nil, because(ErrNotFound, err, "there is no Git repository at %s; check the path", l.path)
	}
	var files billy.Filesystem = osfs.New(dir)
	if common, err := os.ReadFile(filepath.Join(dir, "commondir")); err == nil { // git worktree
		at := strings.TrimSpace(string(common))
		if !filepath.IsAbs(at) {
			at = filepath.Join(dir, at)
		}
		files = dotgit.NewRepositoryFilesystem(files, osfs.New(at))
	}
	st := filesystem.NewStorageWithOptions(files, cache.NewObjectLRU(objectCache),
		filesystem.Options{AlternatesFS: osfs.New("/")})
	return st, supported(st)
}

// gitDir finds the repository in a folder: the folder itself, its .git, or
// where a .git file points.
func gitDir(path string) (string, error) {
	if _, err := os.Stat(filepath.Join(path, "objects")); err == nil {
		return path, nil
	}
	dot := filepath.Join(path, ".git")
	stat, err := os.Stat(dot)
	if err != nil {
		return "", err
	}
	if stat.IsDir() {
		_, err := os.Stat(filepath.Join(dot, "HEAD"))
		return dot, err
	}
	text, err := os.ReadFile(dot)
	if err != nil {
		return "", err
	}
	at, ok := bytes.CutPrefix(bytes.TrimSpace(text), []byte("gitdir: "))
	if !ok {
		return "", fs.ErrNotExist
	}
	if to := string(at); filepath.IsAbs(to) {
		return to, nil
	}
	return filepath.Join(path, string(at)), nil
}

// supported refuses repository formats that go-git would misread.
func supported(st *filesystem.Storage) (err error) {
	defer recovered(&err)
	conf, err := st.Config()
	if err != nil {
		return because(ErrUnsupported, err, "its config cannot be read: %v", err)
	}
	ext := conf.Raw.Section("extensions")
	if strings.EqualFold(ext.Option("objectformat"), "sha256") {
		return errSHA256()
	}
	if f := ext.Option("refstorage"); f != "" && !strings.EqualFold(f, "files") {
		return trouble(ErrUnsupported, "it keeps its refs as %q; run git refs migrate --ref-format=files", f)
	}
	return nil
}

func (l *local) tip(_ context.Context, c *choice) (t Tip, err error) {
	defer recovered(&err)
	st, err := l.open()
	if err != nil {
		return Tip{}, err
	}
	var caps capabilities
	if head, err := st.Reference(plumbing.HEAD); err == nil && head.Type() == plumbing.SymbolicReference {
		caps.head = head.Target().String()
	}
	c.head(caps.head)
	if !c.pattern() {
		if ref, err := st.Reference(plumbing.ReferenceName(c.want)); err == nil && ref.Type() == plumbing.HashReference {
			c.take([]byte(c.want), []byte(ref.Hash().String()))
		}
	}
	if c.name == "" {
		if err := offerAll(st, c); err != nil {
			return Tip{}, because(ErrCorrupt, err, "its refs cannot be read: %v", err)
		}
	}
	if t, err = c.tip(caps); err != nil {
		return Tip{}, err
	}
	if strings.HasPrefix(t.Ref, "refs/tags/") {
		tagged, err := readCommit(stored{st}, t)
		if err != nil {
			return Tip{}, err
		}
		t.SHA = tagged.id
	}
	return t, nil
}

func offerAll(st *filesystem.Storage, c *choice) error {
	refs, err := st.IterReferences()
	if err != nil {
		return err
	}
	return refs.ForEach(func(ref *plumbing.Reference) error {
		if ref.Type() != plumbing.HashReference {
			return nil
		}
		c.any = true
		if c.pattern() {
			c.offer([]byte(ref.Name()), []byte(ref.Hash().String()))
		}
		return nil
	})
}

func (l *local) snapshot(ctx context.Context, t Tip, want glob.Set) (commit, *files, error) {
	st, err := l.open()
	if err != nil {
		return commit{}, nil, err
	}
	src := stored{st}
	c, err := readCommit(src, t)
	if err != nil {
		return commit{}, nil, l.damaged(err)
	}
	f, err := collect(ctx, src, c, want)
	return c, f, l.damaged(err)
}

func (l *local) history(_ context.Context, t Tip, n int) ([]commit, error) {
	st, err := l.open()
	if err != nil {
		return nil, err
	}
	commits, err := firstParents(stored{st}, t, n)
	return commits, l.damaged(err)
}

// damaged adds what to do: this repository is not ours to make anew.
func (l *local) damaged(err error) error {
	if errors.Is(err, ErrCorrupt) {
		return because(ErrCorrupt, err, "%v; run git fsck in %s", err, l.path)
	}
	return err
}
