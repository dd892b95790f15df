package fleettest

import (
	"context"
	"fmt"
	"io/fs"
	"path"
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
	return f.change(ctx, "mkdir", dir, func() error { return f.h.files.Mkdir(dir) })
}

// MkdirAll makes the upper folders first.
func (f files) MkdirAll(ctx context.Context, dir string, _ fs.FileMode) error {
	make := func(dir string) func() error {
		return func() error {
			f.h.files.MkdirAll(dir)
			return nil
		}
	}
	return f.changeOr(ctx, "mkdir -p", dir, make(dir), make(path.Dir(dir)))
}

func (f files) Rename(ctx context.Context, from, to string) error {
	return f.change(ctx, "mv", from+" "+to, func() error { return f.h.files.Rename(from, to) })
}

// RemoveAll removes a folder's files first, one after another.
func (f files) RemoveAll(ctx context.Context, name string) error {
	return f.changeOr(ctx, "rm -r", name, func() error {
		f.h.files.RemoveAll(name)
		return nil
	}, func() error {
		inside := f.h.files.Inside(name)
		for _, other := range inside[:(len(inside)+1)/2] {
			f.h.files.RemoveAll(other)
		}
		return nil
	})
}

// ReadDir lists a folder by name.
func (f files) ReadDir(ctx context.Context, dir string) (list []fs.FileInfo, err error) {
	err = f.p.read(ctx, f.h, "ls "+dir, func() (err error) {
		if list, err = f.h.files.List(dir); err != nil {
			return fmt.Errorf("ls %s: %w", dir, err)
		}
		return nil
	})
	return list, err
}

func (f files) Read(ctx context.Context, name string) ([]byte, error) {
	var content []byte
	err := f.p.read(ctx, f.h, "read "+name, func() error {
		got, ok := f.h.files[name]
		if !ok {
			return fmt.Errorf("read %s: %w", name, fs.ErrNotExist)
		}
		content = append(content, got.Content...)
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
	return func() error { return f.h.files.Put(name, content) }
}
