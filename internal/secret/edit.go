package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Editor changes the operator's dotenv file. Each change replaces the file
// whole, with mode 0600, and leaves all other lines as they were. Two editors
// at once: the second gets an error.
type Editor struct {
	Path string
}

var settable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// List returns the names in the file, sorted; none when it does not exist.
func (ed Editor) List() ([]string, error) {
	_, entries, err := ed.read()
	var names []string
	for _, e := range entries {
		names = append(names, e.name)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// Set gives a secret its value, in the line where it stands, or in a new one.
// It creates the file, not its folder.
func (ed Editor) Set(name string, v Value) error {
	if !settable.MatchString(name) {
		return fmt.Errorf("set secret: %q is no name: use letters, digits and _", name)
	}
	text, err := quote(v.Reveal())
	if err != nil {
		return fmt.Errorf("set secret %s: %w", name, err)
	}
	return ed.change(func(data string, entries []entry) string {
		for _, e := range slices.Backward(entries) { // the last one counts
			if e.name == name {
				return data[:e.valueStart] + text + data[e.valueEnd:]
			}
		}
		if data != "" && !strings.HasSuffix(data, "\n") {
			data += "\n"
		}
		return data + name + "=" + text + "\n"
	})
}

// Unset removes a secret's lines and tells whether there were any.
func (ed Editor) Unset(name string) (removed bool, err error) {
	err = ed.change(func(data string, entries []entry) string {
		for _, e := range slices.Backward(entries) {
			if e.name == name {
				data, removed = data[:e.start]+data[e.end:], true
			}
		}
		return data
	})
	return removed && err == nil, err
}

func (ed Editor) read() (string, []entry, error) {
	data, err := readPrivate(ed.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	entries, err := parse(ed.Path, data)
	return data, entries, err
}

func (ed Editor) change(edit func(data string, entries []entry) string) error {
	unlock, err := lockFolder(filepath.Dir(ed.Path))
	if err != nil {
		return fmt.Errorf("change secrets: %w", err)
	}
	defer unlock()
	data, entries, err := ed.read()
	if err != nil {
		return err
	}
	changed := edit(data, entries)
	if changed == data {
		return nil
	}
	if len(changed) > maxFile {
		return fmt.Errorf("change secrets: %s would be longer than %d bytes", ed.Path, maxFile)
	}
	if err := replace(ed.Path, changed); err != nil {
		return fmt.Errorf("change secrets: %w", err)
	}
	return nil
}

// lockFolder holds flock(2) on the folder itself: it leaves no file behind.
func lockFolder(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("someone else is changing files in %s: try again", dir)
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { _ = f.Close() }, nil
}

// replace writes beside the file and renames, so that a reader or a crash sees
// the old or the new file. The owner stays, and a new file gets that of its
// folder, or a root's edit would lock the daemon's user out.
func replace(file, data string) (err error) {
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	dir := filepath.Dir(file)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(file)+".*") // made with 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
		}
	}()
	if err := inherit(tmp, file, dir); err != nil {
		return fmt.Errorf("keep the owner: %w", err)
	}
	if _, err := tmp.WriteString(data); err != nil {
		return err
	}
	if err := errors.Join(tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), file); err != nil {
		return err
	}
	return syncFolder(dir)
}

// inherit gives tmp the owner of the file or, where there is none yet, of its
// folder, which only root can do.
func inherit(tmp *os.File, file, dir string) error {
	var old unix.Stat_t
	if unix.Stat(file, &old) != nil && (os.Geteuid() != 0 || unix.Stat(dir, &old) != nil) {
		return nil
	}
	return tmp.Chown(int(old.Uid), int(old.Gid))
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
