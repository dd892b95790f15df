package fleettest

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// files are a host's files in a process's hands.
type files struct {
	p *Process
	h *Host
}

func (f files) change(ctx context.Context, verb, name string, do func() error) error {
	return f.changeOr(ctx, verb, name, do, nil)
}

func (f files) changeOr(ctx context.Context, verb, name string, do, part func() error) error {
	return f.p.changeOr(ctx, f.h, verb+" "+name, func() error {
		if err := do(); err != nil {
			return fmt.Errorf("%s %s: %w", verb, name, err)
		}
		return nil
	}, part)
}

func (f files) Mkdir(ctx context.Context, dir string, _ fs.FileMode) error {
	return f.change(ctx, "mkdir", dir, func() error {
		if _, ok := f.h.files[dir]; ok {
			return fs.ErrExist
		}
		if !f.h.files[path.Dir(dir)].dir {
			return fs.ErrNotExist
		}
		f.h.files[dir] = file{dir: true}
		return nil
	})
}

// MkdirAll makes the upper folders first.
func (f files) MkdirAll(ctx context.Context, dir string, _ fs.FileMode) error {
	make := func(dir string) func() error {
		return func() error {
			for ; dir != "."; dir = path.Dir(dir) {
				f.h.files[dir] = file{dir: true}
			}
			return nil
		}
	}
	return f.changeOr(ctx, "mkdir -p", dir, make(dir), make(path.Dir(dir)))
}

func (f files) Rename(ctx context.Context, from, to string) error {
	return f.change(ctx, "mv", from+" "+to, func() error {
		if _, ok := f.h.files[to]; ok {
			return fs.ErrExist
		}
		if _, ok := f.h.files[from]; !ok {
			return fs.ErrNotExist
		}
		for name, content := range f.h.files {
			if rest, ok := strings.CutPrefix(name, from); ok && (rest == "" || rest[0] == '/') {
				delete(f.h.files, name)
				f.h.files[to+rest] = content
			}
		}
		return nil
	})
}

// RemoveAll removes a folder's files first, one after another.
func (f files) RemoveAll(ctx context.Context, name string) error {
	return f.changeOr(ctx, "rm -r", name, func() error {
		f.h.removeAll(name)
		return nil
	}, func() error {
		inside := slices.Sorted(maps.Keys(f.h.files))
		inside = slices.DeleteFunc(inside, func(other string) bool { return !strings.HasPrefix(other, name+"/") })
		for _, other := range inside[:(len(inside)+1)/2] {
			f.h.removeAll(other)
		}
		return nil
	})
}

// ReadDir lists a folder by name.
func (f files) ReadDir(ctx context.Context, dir string) ([]fs.FileInfo, error) {
	var list []fs.FileInfo
	err := f.p.read(ctx, f.h, "ls "+dir, func() error {
		if !f.h.files[dir].dir {
			return fmt.Errorf("ls %s: %w", dir, fs.ErrNotExist)
		}
		for _, name := range slices.Sorted(maps.Keys(f.h.files)) {
			if path.Dir(name) == dir && name != "." {
				list = append(list, entry{path.Base(name), f.h.files[name]})
			}
		}
		return nil
	})
	return list, err
}

// entry is a file in a listing.
type entry struct {
	name string
	file file
}

func (e entry) Name() string       { return e.name }
func (e entry) Size() int64        { return int64(len(e.file.content)) }
func (e entry) ModTime() time.Time { return time.Time{} }
func (e entry) IsDir() bool        { return e.file.dir }
func (e entry) Sys() any           { return nil }
func (e entry) Mode() fs.FileMode {
	if e.file.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

func (f files) Read(ctx context.Context, name string) ([]byte, error) {
	var content []byte
	err := f.p.read(ctx, f.h, "read "+name, func() error {
		got, ok := f.h.files[name]
		if !ok {
			return fmt.Errorf("read %s: %w", name, fs.ErrNotExist)
		}
		content = append(content, got.content...)
		return nil
	})
	return content, err
}

// Create writes into the place itself: half of it may be there.
func (f files) Create(ctx context.Context, name string, content []byte) error {
	return f.changeOr(ctx, "write", name, f.put(name, content), f.put(name, content[:len(content)/2]))
}

// Write puts a whole file into the place of the old: all of it, or nothing.
func (f files) Write(ctx context.Context, name string, content []byte, _ fs.FileMode) error {
	return f.change(ctx, "write", name, f.put(name, content))
}

func (f files) put(name string, content []byte) func() error {
	return func() error {
		if !f.h.files[path.Dir(name)].dir {
			return fs.ErrNotExist
		}
		f.h.files[name] = file{content: append([]byte(nil), content...)}
		return nil
	}
}
