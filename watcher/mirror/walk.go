package mirror

import (
	"context"
	"fmt"
	"io/fs"
	"path"

	"github.com/fairlead-deploy/fairlead/watcher/mirror/glob"
)

// Limits of a snapshot.
const (
	maxFile    = 1 << 20  // bytes of one file
	maxFiles   = 16 << 20 // bytes of all files
	maxEntries = 20_000   // files and folders looked at
	maxTree    = 8 << 20  // bytes of one folder's list
)

// source is where a commit's objects come from.
type source interface {
	// load makes these objects, and the folders below them, readable at once.
	load(ctx context.Context, ids []string) error
	// read returns one object; limit is its greatest size in bytes.
	read(id string, k kind, limit int64) ([]byte, error)
}

// collect reads the wanted files of a tree: first all folders, then all files
// at once.
func collect(ctx context.Context, src source, c commit, want glob.Set) (*files, error) {
	w := walk{src: src, want: want, out: newFiles(c.time)}
	level := []place{{".", c.tree}}
	for len(level) > 0 {
		var ids []string
		for _, p := range level {
			ids = append(ids, p.id)
		}
		if err := src.load(ctx, ids); err != nil {
			return nil, fmt.Errorf("read folders: %w", err)
		}
		var next []place
		for _, p := range level {
			below, err := w.folder(p)
			if err != nil {
				return nil, fmt.Errorf("read folder %s: %w", p.at, err)
			}
			next = append(next, below...)
		}
		level = next
	}
	return w.out, w.contents(ctx)
}

type place struct{ at, id string }

type walk struct {
	src  source
	want glob.Set
	out  *files
	seen int
	todo []place // files
}

// folder notes a folder's wanted files and returns the folders to look into.
func (w *walk) folder(p place) ([]place, error) {
	data, err := w.src.read(p.id, kindTree, maxTree)
	if err != nil {
		return nil, err
	}
	entries, err := parseTree(data)
	if err != nil {
		return nil, err
	}
	var below []place
	for _, e := range entries {
		at := path.Join(p.at, e.name)
		if w.want.Noted(at) {
			w.out.note(at, e.id)
		}
		switch {
		case e.isTree():
			if w.want.Folder(at) {
				below = append(below, place{at, e.id})
				w.seen++
			}
			continue
		case e.isFile():
			if !w.want.File(at) {
				continue
			}
			w.out.add(at, &node{mode: 0o444 | fs.FileMode(e.mode&0o111), blob: e.id})
			w.todo = append(w.todo, place{at, e.id})
		case w.want.Folder(at):
			mode := fs.ModeSymlink
			if e.mode == 0o160000 {
				mode = fs.ModeIrregular
			}
			w.out.add(at, &node{mode: mode | 0o444})
		}
		w.seen++
	}
	if w.seen > maxEntries {
		return nil, trouble(ErrTooBig, "more than %d files and folders are wanted; have fewer under .kamal and config", maxEntries)
	}
	return below, nil
}

// contents reads all files noted.
func (w *walk) contents(ctx context.Context) error {
	ids := make([]string, 0, len(w.todo))
	for _, p := range w.todo {
		ids = append(ids, p.id)
	}
	if err := w.src.load(ctx, ids); err != nil {
		return fmt.Errorf("read files: %w", err)
	}
	total := 0
	for _, p := range w.todo {
		data, err := w.src.read(p.id, kindBlob, maxFile)
		if err != nil {
			return fmt.Errorf("read %s: %w", p.at, err)
		}
		if total += len(data); total > maxFiles {
			return trouble(ErrTooBig, "the wanted files are more than %d MiB; have fewer under .kamal and config", maxFiles>>20)
		}
		w.out.nodes[p.at].data = data
	}
	return nil
}
