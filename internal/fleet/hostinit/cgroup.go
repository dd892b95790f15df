package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const cgroupRoot = "/sys/fs/cgroup"

// openCgroups makes the machine's private cgroup tree writable, so that the
// engine inside can create groups below it. All its containers are then
// children of the machine: pausing or killing the machine takes them with it.
func openCgroups() error {
	mounts, err := mountsBelow(cgroupRoot)
	if err != nil {
		return err
	}
	for _, m := range mounts {
		// The bind flag matters: a plain remount would be of the whole
		// hierarchy, which is busy.
		flags := uintptr(unix.MS_REMOUNT | unix.MS_BIND | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
		if err := unix.Mount("", m, "", flags, ""); err != nil {
			return fmt.Errorf("make %s writable: %w", m, err)
		}
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(cgroupRoot, &fs); err != nil {
		return fmt.Errorf("look at %s: %w", cgroupRoot, err)
	}
	if fs.Type == unix.CGROUP2_SUPER_MAGIC {
		return delegateUnified(cgroupRoot)
	}
	return nil
}

func mountsBelow(root string) ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	defer f.Close()
	var found []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > 4 && (fields[4] == root || strings.HasPrefix(fields[4], root+"/")) {
			found = append(found, fields[4])
		}
	}
	return found, lines.Err()
}

// delegateUnified prepares a cgroup v2 tree. A v2 group that has processes of
// its own may not hand controllers to its children ("no internal processes",
// Linux: Documentation/admin-guide/cgroup-v2.rst), so those that are there
// move to a leaf first.
func delegateUnified(root string) error {
	leaf := filepath.Join(root, "init")
	if err := os.MkdirAll(leaf, 0o755); err != nil {
		return fmt.Errorf("make leaf cgroup: %w", err)
	}
	procs, err := os.ReadFile(filepath.Join(root, "cgroup.procs"))
	if err != nil {
		return fmt.Errorf("list processes of the cgroup: %w", err)
	}
	for pid := range strings.FieldsSeq(string(procs)) {
		err := os.WriteFile(filepath.Join(leaf, "cgroup.procs"), []byte(pid), 0)
		if err != nil && !os.IsNotExist(err) && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("move process %s to the leaf cgroup: %w", pid, err)
		}
	}
	controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("list cgroup controllers: %w", err)
	}
	for c := range strings.FieldsSeq(string(controllers)) {
		if err := os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+"+c), 0); err != nil {
			return fmt.Errorf("enable cgroup controller %s: %w", c, err)
		}
	}
	return nil
}
