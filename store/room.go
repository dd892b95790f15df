package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// Errors of the machine, which pass by themselves once a person helps.
var (
	// ErrFull: the disk of the data folder has no room.
	ErrFull = errors.New("the disk is full")
	// ErrDisk: the disk of the data folder fails, or takes no writes.
	ErrDisk = errors.New("the disk fails or is read-only")
	// ErrBusy: another program holds the database locked.
	ErrBusy = errors.New("another program has the database locked")
)

// tight is how many bytes must be free for an error without a reason of its own
// not to be put down to the lack of them: SQLite reports some as I/O errors.
const tight = 128 << 10

// explained says of an error that a person can help with where and how.
func explained(path string, err error) error {
	switch {
	case err == nil || errors.Is(err, ErrFull) || errors.Is(err, ErrBusy) || errors.Is(err, ErrDisk) || errors.Is(err, ErrCorrupt):
		return err
	case full(path, err):
		return fmt.Errorf("%w: make room on the disk of %s, and it goes on by itself (%w)", ErrFull, filepath.Dir(path), err)
	case code(err) == lib.SQLITE_BUSY || code(err) == lib.SQLITE_LOCKED:
		return fmt.Errorf("%w: end whatever else has %s open, such as a backup; copy it with sqlite3's .backup, which locks nobody out (%w)", ErrBusy, path, err)
	case failing(err):
		return fmt.Errorf("%w: see `dmesg` about the disk of %s; it goes on by itself when that can be written again (%w)", ErrDisk, filepath.Dir(path), err)
	}
	return err
}

// failing tells whether an error is that the disk does not read or write, or
// that the kernel lets nobody write to it any more, as it does after errors.
func failing(err error) bool {
	if errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EROFS) {
		return true
	}
	c := code(err)
	return c == lib.SQLITE_IOERR || c == lib.SQLITE_READONLY
}

// full tells whether an error is that the disk is full.
func full(path string, err error) bool {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return true
	}
	switch code(err) {
	case lib.SQLITE_FULL:
		return true
	case lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN:
		return noRoom(filepath.Dir(path))
	}
	return false
}

// code is SQLite's primary result code of an error, 0 for none
// (sqlite.org/rescode.html: the low byte).
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// noRoom tells whether a folder's disk has next to nothing left, of bytes or of
// names.
func noRoom(dir string) bool {
	var fs syscall.Statfs_t
	if syscall.Statfs(dir, &fs) != nil {
		return false
	}
	return uint64(fs.Bavail)*uint64(fs.Bsize) < tight || fs.Files > 0 && fs.Ffree == 0
}
