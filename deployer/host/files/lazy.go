package files

import (
	"context"
	"io/fs"
	"sync/atomic"
)

// Lazy returns a door that is chosen at its first use, since only the host can
// tell which fits. A choice that failed is made anew at the next use.
func Lazy(choose func(ctx context.Context) (Door, error)) Door {
	l := &lazy{choose: choose, turn: make(chan struct{}, 1)}
	return Door{l, l, l}
}

type lazy struct {
	choose func(ctx context.Context) (Door, error)
	turn   chan struct{} // of capacity 1: who holds the place may choose
	door   atomic.Pointer[Door]
}

// with runs do with the door.
func (l *lazy) with(ctx context.Context, do func(Door) error) error {
	d, err := l.chosen(ctx)
	if err != nil {
		return err
	}
	return do(*d)
}

func (l *lazy) chosen(ctx context.Context) (*Door, error) {
	if d := l.door.Load(); d != nil {
		return d, nil
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if d := l.door.Load(); d != nil {
		return d, nil
	}
	d, err := l.choose(ctx)
	if err != nil {
		return nil, err
	}
	l.door.Store(&d)
	return &d, nil
}

// Read implements Reader.
func (l *lazy) Read(ctx context.Context, path string) (content []byte, err error) {
	err = l.with(ctx, func(d Door) (err error) { content, err = d.Read(ctx, path); return err })
	return content, err
}

// Stat implements Reader.
func (l *lazy) Stat(ctx context.Context, path string) (info fs.FileInfo, err error) {
	err = l.with(ctx, func(d Door) (err error) { info, err = d.Stat(ctx, path); return err })
	return info, err
}

// ReadDir implements Reader.
func (l *lazy) ReadDir(ctx context.Context, path string) (all []fs.FileInfo, err error) {
	err = l.with(ctx, func(d Door) (err error) { all, err = d.ReadDir(ctx, path); return err })
	return all, err
}

// Mkdir implements Maker.
func (l *lazy) Mkdir(ctx context.Context, path string, mode fs.FileMode) error {
	return l.with(ctx, func(d Door) error { return d.Mkdir(ctx, path, mode) })
}

// MkdirAll implements Maker.
func (l *lazy) MkdirAll(ctx context.Context, path string, mode fs.FileMode) error {
	return l.with(ctx, func(d Door) error { return d.MkdirAll(ctx, path, mode) })
}

// Create implements Maker.
func (l *lazy) Create(ctx context.Context, path string, content []byte) error {
	return l.with(ctx, func(d Door) error { return d.Create(ctx, path, content) })
}

// Write implements Maker.
func (l *lazy) Write(ctx context.Context, path string, content []byte, mode fs.FileMode) error {
	return l.with(ctx, func(d Door) error { return d.Write(ctx, path, content, mode) })
}

// Rename implements Mover.
func (l *lazy) Rename(ctx context.Context, from, to string) error {
	return l.with(ctx, func(d Door) error { return d.Rename(ctx, from, to) })
}

// RemoveAll implements Mover.
func (l *lazy) RemoveAll(ctx context.Context, path string) error {
	return l.with(ctx, func(d Door) error { return d.RemoveAll(ctx, path) })
}
