package commits

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/watcher/mirror"
)

// asked is a file system that remembers which names outside the globs it was
// asked for. It belongs to one goroutine.
type asked struct {
	fs.FS
	globs []string
	names map[string]bool
}

// Open implements fs.FS.
func (a *asked) Open(name string) (fs.File, error) {
	if fs.ValidPath(name) && name != "." && !mirror.Covers(a.globs, name) {
		a.names[name] = true
	}
	return a.FS.Open(name)
}

func (a *asked) sorted() []string { return slices.Sorted(maps.Keys(a.names)) }

// literal makes globs that match these names and no others.
func literal(names []string) []string {
	escape := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)
	globs := make([]string, 0, len(names))
	for _, name := range names {
		globs = append(globs, escape.Replace(path.Clean(name)))
	}
	return globs
}

// without is files of which some could not be had.
type without struct {
	fs.FS
	names []string // of files, or of folders with all in them
	why   error
}

// Open implements fs.FS.
func (w without) Open(name string) (fs.File, error) {
	f, err := w.FS.Open(name)
	if err != nil && slices.ContainsFunc(w.names, func(n string) bool { return n == name || strings.HasPrefix(name, n+"/") }) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: w.why}
	}
	return f, err
}
