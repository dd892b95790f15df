// Package backup takes dumps of accessories and puts them back: a command runs
// inside the running container, what it prints goes to a file on this machine,
// or comes from one.
//
// A dump is written beside the kept ones and takes its place among them only
// when the command has ended well and its last byte is on the disk, so a dump
// that failed never takes the place of a good one. What is kept is what is in
// the folder: nothing else remembers it.
//
// Lives here: dumps on this machine, when the next one is due. May not live
// here: where containers are and who asks (verbs).
package backup

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// Folder is where dumps are kept: one folder per service and accessory.
type Folder struct{ Path string }

const (
	stamp = "20060102T150405Z"
	kept  = ".dump" // a whole dump
	half  = ".part" // one that is being written, or was not finished
	// room is what a dump leaves of the disk: this many bytes.
	room = 256 << 20
)

// ErrNone: there is no such dump.
var ErrNone = errors.New("there is no such backup")

// ErrRoom: a dump would fill the disk.
var ErrRoom = errors.New("the disk is nearly full")

func (f Folder) of(lane release.Lane, name string) string {
	return filepath.Join(f.Path, lane.String(), name)
}

// List returns the kept dumps of an accessory, newest first.
func (f Folder) List(lane release.Lane, name string) ([]operation.Dump, error) {
	dir := f.of(lane, name)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list backups: %w", err)
	}
	var list []operation.Dump
	for _, e := range entries {
		taken, err := time.Parse(stamp+kept, e.Name())
		info, ierr := e.Info()
		if err != nil || ierr != nil || !info.Mode().IsRegular() {
			continue // it is not ours
		}
		list = append(list, operation.Dump{Accessory: name, Name: strings.TrimSuffix(e.Name(), kept), Path: filepath.Join(dir, e.Name()), Size: info.Size(), Taken: taken})
	}
	slices.SortFunc(list, func(a, b operation.Dump) int { return cmp.Or(b.Taken.Compare(a.Taken), cmp.Compare(a.Name, b.Name)) })
	return list, nil
}

// Find returns the dump of a name, or the newest where that is "".
func (f Folder) Find(lane release.Lane, accessory, name string) (operation.Dump, error) {
	list, err := f.List(lane, accessory)
	for _, d := range list {
		if name == "" || d.Name == strings.TrimSuffix(filepath.Base(name), kept) {
			return d, nil
		}
	}
	return operation.Dump{}, cmp.Or(err, ErrNone)
}

// Sweep removes the dumps that a daemon which died did not finish. One that goes
// on, by another's hand, stays.
func (f Folder) Sweep() error {
	left, err := filepath.Glob(filepath.Join(f.Path, "*", "*", "dump"+half))
	for _, name := range left {
		file, oerr := os.OpenFile(name, os.O_RDWR, 0)
		if oerr != nil {
			err = errors.Join(err, oerr)
			continue
		}
		if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			err = errors.Join(err, os.Remove(name))
		}
		err = errors.Join(err, file.Close())
	}
	return err
}

// draft is a dump that is being written.
type draft struct {
	file *os.File
	size int64
	// next is the size at which the room on the disk is looked at again.
	next int64
}

// begin makes a file beside the kept dumps; those that were never finished go.
// One accessory is dumped once at a time: the file of a dump that goes on is
// locked.
func (f Folder) begin(lane release.Lane, name string) (*draft, error) {
	dir := f.of(lane, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of backups: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "dump"+half), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write backup: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errors.New("another backup or restore of it goes on")
	}
	if err == nil {
		err = file.Truncate(0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write backup: %w", err), file.Close())
	}
	return &draft{file: file}, nil
}

// Write adds to the dump while there is room.
func (d *draft) Write(b []byte) (int, error) {
	if d.size >= d.next {
		var s syscall.Statfs_t
		if err := syscall.Fstatfs(int(d.file.Fd()), &s); err == nil && int64(s.Bavail)*int64(s.Bsize) < room {
			return 0, fmt.Errorf("write backup: %w: make room in %s", ErrRoom, filepath.Dir(d.file.Name()))
		}
		d.next = d.size + room/8
	}
	n, err := d.file.Write(b)
	d.size += int64(n)
	return n, err
}

// cut takes a text off the end, and tells whether it was there.
func (d *draft) cut(text string) (bool, error) {
	at := d.size - int64(len(text))
	if at < 0 {
		return false, nil
	}
	end := make([]byte, len(text))
	if _, err := d.file.ReadAt(end, at); err != nil || string(end) != text {
		return false, err
	}
	d.size = at
	if err := d.file.Truncate(at); err != nil {
		return true, err
	}
	_, err := d.file.Seek(at, io.SeekStart)
	return true, err
}

// drop forgets the dump.
func (d *draft) drop() error { return errors.Join(os.Remove(d.file.Name()), d.file.Close()) }

// keep puts the dump among the kept ones, and removes the oldest of more than n.
func (f Folder) keep(lane release.Lane, name string, d *draft, at time.Time, n int) (operation.Dump, error) {
	path := filepath.Join(f.of(lane, name), at.UTC().Format(stamp)+kept)
	if _, err := os.Lstat(path); err == nil {
		return operation.Dump{}, errors.Join(errors.New("write backup: there is one of this very second"), d.drop())
	}
	if err := d.file.Sync(); err != nil {
		return operation.Dump{}, errors.Join(fmt.Errorf("write backup: %w", err), d.drop())
	}
	if err := os.Rename(d.file.Name(), path); err != nil {
		return operation.Dump{}, errors.Join(fmt.Errorf("write backup: %w", err), d.drop())
	}
	if err := errors.Join(d.file.Close(), synced(filepath.Dir(path))); err != nil {
		return operation.Dump{}, fmt.Errorf("write backup: %w", err)
	}
	list, err := f.List(lane, name)
	for _, old := range list[min(n, len(list)):] {
		err = errors.Join(err, os.Remove(old.Path))
	}
	return operation.Dump{Accessory: name, Name: at.UTC().Format(stamp), Path: path, Size: d.size, Taken: at.UTC().Truncate(time.Second)}, err
}

// synced makes a rename in a folder last.
func synced(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
