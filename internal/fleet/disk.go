package fleet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// boundedDisk makes a disk of the size in Options.DiskMB, in memory. The
// folders that a deployment writes to are all on it: a full disk is full for
// the engine, for files over SFTP and for logs.
func (f *Fleet) boundedDisk(name string) ([]string, error) {
	at := f.path("disks", name)
	if err := os.MkdirAll(at, 0o755); err != nil {
		return nil, fmt.Errorf("make disk of %s: %w", name, err)
	}
	if err := unix.Mount("fairlead-fleet", at, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=755", f.opts.DiskMB)); err != nil {
		return nil, fmt.Errorf("make disk of %s: %w", name, err)
	}
	var args []string
	for _, dir := range []string{"/var/lib/docker", "/root", "/home/deploy", "/var/log"} {
		from := filepath.Join(at, dir)
		if err := os.MkdirAll(from, 0o755); err != nil {
			return nil, fmt.Errorf("make disk of %s: %w", name, err)
		}
		args = append(args, "-v", from+":"+dir)
	}
	return args, nil
}

// unmountDisks unmounts all bounded disks of the fleet in dir.
func unmountDisks(dir string) error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	var errs []error
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && strings.HasPrefix(fields[1], filepath.Join(dir, "disks")+"/") {
			if err := unix.Unmount(fields[1], unix.MNT_DETACH); err != nil {
				errs = append(errs, fmt.Errorf("unmount %s: %w", fields[1], err))
			}
		}
	}
	return errors.Join(errs...)
}
