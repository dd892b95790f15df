// Package tree writes the files of a commit as the context of a build: a tar
// without what .dockerignore leaves out, the same bytes for the same commit.
//
// Lives here: which files, and how they are written. May not live here: where
// they come from (any fs.FS that tells its links), what is built of them.
package tree

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// Outside is the name in the context of a Dockerfile that lies outside of it,
// or that .dockerignore leaves out.
const Outside = ".fairlead.Dockerfile"

// Limits.
const (
	maxEntries = 200_000
	maxTotal   = 4 << 30 // bytes of all files
	maxIgnore  = 1 << 20 // bytes of a .dockerignore
	pointer    = "version https://git-lfs.github.com/spec/v1\n"
	maxPointer = 1024 // bytes of a Git LFS pointer (its specification)
)

// Options say which part of a tree is the context.
type Options struct {
	Context    string    // folder of the tree; "" and "." are all of it
	Dockerfile string    // path in the tree; "" is Dockerfile
	Time       time.Time // of every file: the commit's
}

// An Error says what of the commit cannot be built; what is to be done about
// it comes last.
type Error struct{ Path, Message string }

func (e *Error) Error() string { return e.Path + " " + e.Message }

// Write writes the context, and returns the path of the Dockerfile in it.
// Links stay links. An *Error is the commit's fault.
func Write(w io.Writer, files fs.FS, o Options) (dockerfile string, err error) {
	root, file := path.Clean("./"+o.Context), path.Clean("./"+o.Dockerfile)
	if file == "." {
		file = "Dockerfile"
	}
	for _, p := range []string{root, file} {
		if !fs.ValidPath(p) {
			return "", &Error{p, "is not inside the repository; write a path below it into builder: of deploy.yml"}
		}
	}
	recipe, err := fs.ReadFile(files, file)
	if err != nil {
		return "", &Error{file, fmt.Sprintf("cannot be read from the commit (%s); commit it, or name the right one in builder.dockerfile", reason(err))}
	}
	if info, err := fs.Stat(files, root); err != nil || !info.IsDir() {
		return "", &Error{root, "is no folder of the commit; correct builder.context"}
	}
	ignore, err := ignored(files, root, file)
	if err != nil {
		return "", err
	}
	p := packer{tar: tar.NewWriter(w), files: files, root: root, time: o.Time, ignore: ignore, made: map[string]bool{".": true}}
	inside, below := strings.CutPrefix(file, root+"/")
	if root == "." {
		inside, below = file, true
	}
	if err := fs.WalkDir(files, root, p.visit); err != nil {
		return "", err
	}
	if !below || !p.made[inside] {
		inside = Outside
		if err := p.content(inside, 0o644, recipe); err != nil {
			return "", err
		}
	}
	if err := p.tar.Close(); err != nil {
		return "", fmt.Errorf("write context: %w", err)
	}
	return inside, nil
}

// ignored reads what is left out: by the Dockerfile's own list, else the
// context's.
func ignored(files fs.FS, root, dockerfile string) (*patternmatcher.PatternMatcher, error) {
	for _, name := range []string{dockerfile + ".dockerignore", path.Join(root, ".dockerignore")} {
		data, err := fs.ReadFile(files, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, &Error{name, fmt.Sprintf("cannot be read from the commit (%s)", reason(err))}
		}
		if len(data) > maxIgnore {
			return nil, &Error{name, "has more than 1 MiB; write fewer patterns"}
		}
		patterns, err := ignorefile.ReadAll(bytes.NewReader(data))
		if err == nil {
			var m *patternmatcher.PatternMatcher
			if m, err = patternmatcher.New(patterns); err == nil {
				return m, nil
			}
		}
		return nil, &Error{name, fmt.Sprintf("has a pattern that cannot be read (%v); correct it", err)}
	}
	return patternmatcher.New(nil)
}

type packer struct {
	tar    *tar.Writer
	files  fs.FS
	root   string
	time   time.Time
	ignore *patternmatcher.PatternMatcher
	made   map[string]bool // what is in the context, folders too
	seen   int
	total  int64
}

// visit takes in one file, link or folder of the tree.
func (p *packer) visit(at string, e fs.DirEntry, err error) error {
	if err != nil {
		return &Error{at, fmt.Sprintf("cannot be read from the commit (%s)", reason(err))}
	}
	if at == p.root {
		return nil
	}
	if p.seen++; p.seen > maxEntries {
		return &Error{at, fmt.Sprintf("and the rest are more than %d files; leave some out by .dockerignore, or set builder.context", maxEntries)}
	}
	name := at
	if p.root != "." {
		name = strings.TrimPrefix(at, p.root+"/")
	}
	out, err := p.ignore.MatchesOrParentMatches(name)
	if err != nil {
		return fmt.Errorf("match %s: %w", name, err)
	}
	switch {
	case out && e.IsDir() && !p.ignore.Exclusions():
		return fs.SkipDir
	case out || e.IsDir(): // a folder comes with the first that is in it
		return nil
	}
	if err := p.folders(path.Dir(name)); err != nil {
		return err
	}
	return p.entry(at, name, e)
}

func (p *packer) entry(at, name string, e fs.DirEntry) error {
	switch e.Type() {
	case fs.ModeSymlink:
		to, err := fs.ReadLink(p.files, at)
		if err != nil {
			return fmt.Errorf("read link %s: %w", at, err)
		}
		return p.header(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to, Mode: 0o777})
	case fs.ModeIrregular:
		return &Error{at, "is a submodule, which Fairlead does not fetch; commit its files themselves, leave it out by .dockerignore, or let CI build and push the image"}
	case 0:
		data, err := fs.ReadFile(p.files, at)
		if err != nil {
			return fmt.Errorf("read %s: %w", at, err)
		}
		if len(data) <= maxPointer && strings.HasPrefix(string(data), pointer) {
			return &Error{at, "is kept in Git LFS, from which Fairlead does not fetch; commit the file itself, leave it out by .dockerignore, or let CI build and push the image"}
		}
		info, err := e.Info()
		if err != nil {
			return fmt.Errorf("read %s: %w", at, err)
		}
		mode := int64(0o644)
		if info.Mode()&0o111 != 0 {
			mode = 0o755
		}
		return p.content(name, mode, data)
	}
	return nil // sockets and devices, of a folder that is no commit
}

// folders takes in a folder and those above it.
func (p *packer) folders(name string) error {
	if p.made[name] {
		return nil
	}
	if err := p.folders(path.Dir(name)); err != nil {
		return err
	}
	return p.header(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
}

func (p *packer) content(name string, mode int64, data []byte) error {
	if p.total += int64(len(data)); p.total > maxTotal {
		return &Error{name, "and the rest are more than 4 GiB; leave some out by .dockerignore, or set builder.context"}
	}
	if err := p.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(data))}); err != nil {
		return err
	}
	if _, err := p.tar.Write(data); err != nil {
		return fmt.Errorf("write context: %w", err)
	}
	return nil
}

func (p *packer) header(h *tar.Header) error {
	p.made[strings.TrimSuffix(h.Name, "/")] = true
	h.ModTime, h.Format = p.time.Truncate(time.Second), tar.FormatPAX
	if err := p.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("write context: %w", err)
	}
	return nil
}

// reason is an error of a file without what its Error says already.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}
