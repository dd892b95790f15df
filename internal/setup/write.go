package setup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// writeFile replaces a file whole, so that whoever reads it sees the old or
// the new one. It keeps the owner of the file, or else takes that of its
// folder: root may work in the service user's folder.
func writeFile(file string, data []byte, mode os.FileMode) (err error) {
	dir := filepath.Dir(file)
	temp, err := os.CreateTemp(dir, "."+filepath.Base(file)+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", file, err), os.Remove(temp.Name()))
		}
	}()
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Chmod(mode), temp.Sync(), temp.Close())
	if err != nil {
		return err
	}
	if err := inherit(temp.Name(), file, dir); err != nil {
		return err
	}
	return os.Rename(temp.Name(), file)
}

// inherit gives a file the owner of the first of these that exists.
func inherit(file string, from ...string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, f := range from {
		info, err := os.Stat(f)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			return os.Lchown(file, int(s.Uid), int(s.Gid))
		}
	}
	return nil
}

// makeDir makes a private folder with the owner of the one it is in.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return inherit(dir, filepath.Dir(dir))
}
