// Package files reads and writes files in the home folder of a host's user.
//
// Lives here: the Door and its implementations, SFTP and a folder of this
// machine, which pass one suite (files/filestest). May not live here: what the
// files mean; the lock, the proxy's state and uploads are their owners'.
package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// MaxRead is the most bytes that Read returns.
const MaxRead = 4 << 20

// ErrTooLarge: the file has more than MaxRead bytes.
var ErrTooLarge = errors.New("the file is larger than 4 MiB")

// A Door is one way to a host's files. Paths are relative to the user's home,
// slash-separated, without "." and ".." (fs.ValidPath). Errors wrap
// fs.ErrNotExist, fs.ErrExist and fs.ErrPermission; every call ends with its
// context.
type Door struct {
	Reader
	Maker
	Mover
}

// A Reader looks.
type Reader interface {
	// Read returns a file's content. ErrTooLarge above MaxRead.
	Read(ctx context.Context, path string) ([]byte, error)
	// Stat describes a file, folder or symbolic link, not what a link leads to.
	Stat(ctx context.Context, path string) (fs.FileInfo, error)
	// ReadDir lists a folder by name.
	ReadDir(ctx context.Context, path string) ([]fs.FileInfo, error)
}

// A Maker makes.
type Maker interface {
	// Mkdir makes one folder. Where anything of that name is, it fails with
	// fs.ErrExist: of many callers at once exactly one succeeds. A mode of 0
	// leaves it to the host's umask, and is quicker.
	Mkdir(ctx context.Context, path string, mode fs.FileMode) error
	// MkdirAll makes a folder and those above it; one that is there is success.
	MkdirAll(ctx context.Context, path string, mode fs.FileMode) error
	// Create makes a new file with a few bytes, which a reader may for a moment
	// see empty; its mode is left to the host's umask. It takes half the round
	// trips of Write.
	Create(ctx context.Context, path string, content []byte) error
	// Write puts a whole file in place at once: a reader sees the old content
	// or the new. The folder must be there.
	Write(ctx context.Context, path string, content []byte, mode fs.FileMode) error
}

// A Mover moves and removes.
type Mover interface {
	// Rename moves a file, replacing one, or a folder to where nothing is. A
	// folder there is fs.ErrExist; an empty one that comes in the very moment
	// may be replaced, as rename(2) does. Of many callers that move the same
	// thing away exactly one succeeds; the others get fs.ErrNotExist.
	Rename(ctx context.Context, from, to string) error
	// RemoveAll removes a file, or a folder with all in it; nothing there is
	// success.
	RemoveAll(ctx context.Context, path string) error
}

func valid(op string, paths ...string) error {
	for _, p := range paths {
		if !fs.ValidPath(p) || p == "." && op != "list" && op != "stat" {
			return fmt.Errorf("%s %q: want a path inside the home folder: %w", op, p, fs.ErrInvalid)
		}
	}
	return nil
}
