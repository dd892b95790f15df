package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// LockName is the file in the data folder that the running daemon holds
// locked (flock). It says the holder's pid, and whether a database was made.
const LockName = "fairlead.lock"

// LockedError says that another process has the data folder.
type LockedError struct {
	Dir string
	PID int // 0: unknown
}

func (e *LockedError) Error() string {
	who := "another process"
	if e.PID > 0 {
		who = "process " + strconv.Itoa(e.PID)
	}
	return fmt.Sprintf("open data folder: %s is in use by %s: stop it, or give this one another data folder", e.Dir, who)
}

// folderLock is a held flock. The kernel frees it when the process dies, so a
// stale one cannot exist.
type folderLock struct {
	file *os.File
	made bool // a database was made here before
}

func lockFolder(dir string) (*folderLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, LockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock of data folder: %w", err)
	}
	text, readErr := io.ReadAll(io.LimitReader(f, 256))
	if readErr != nil {
		return nil, errors.Join(fmt.Errorf("read lock of data folder: %w", readErr), f.Close())
	}
	pid, made := parseLock(string(text))
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(&LockedError{Dir: dir, PID: pid}, f.Close())
		}
		return nil, errors.Join(fmt.Errorf("lock data folder: %w", err), f.Close())
	}
	l := &folderLock{file: f, made: made}
	if err := l.write(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

// parseLock reads "PID" or "PID made".
func parseLock(text string) (pid int, made bool) {
	first, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	pid, err := strconv.Atoi(first)
	if err != nil {
		pid = 0
	}
	return pid, rest == "made"
}

func (l *folderLock) write() error {
	text := strconv.Itoa(os.Getpid())
	if l.made {
		text += " made"
	}
	// Longer first, cut after: a full disk cannot leave the file empty.
	if _, err := l.file.WriteAt([]byte(text+"\n"), 0); err != nil {
		return fmt.Errorf("write lock of data folder: %w", err)
	}
	if err := l.file.Truncate(int64(len(text) + 1)); err != nil {
		return fmt.Errorf("write lock of data folder: %w", err)
	}
	return nil
}

// remember notes that the folder now has a database, so that an emptied file
// is not taken for a new one.
func (l *folderLock) remember() error {
	if l.made {
		return nil
	}
	l.made = true
	return l.write()
}

func (l *folderLock) release() error { return l.file.Close() }
