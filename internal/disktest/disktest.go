//go:build linux

// Package disktest gives a test small disks of its own, to fill: a tmpfs in a
// mount namespace that nobody else sees.
//
// Lives here: the namespace and the mounts. May not live here: what is written
// on them.
package disktest

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// Within runs the calling test again as root of a user namespace of its own,
// where mounting is allowed to everybody, and returns true; in that run it
// returns false. A test begins with
//
//	if disktest.Within(t) {
//		return
//	}
func Within(t *testing.T) (done bool) {
	t.Helper()
	const mark = "FAIRLEAD_TEST_OWN_MOUNTS"
	if os.Getenv(mark) != "" {
		return false
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"=yes")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as root of a user namespace: %v\n%s", err, out)
	}
	return true
}

// Mount puts an empty disk over the folder dir until the test ends. size is as
// in mount(8)'s tmpfs: "8m", "12k".
func Mount(t *testing.T, dir, size string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+",mode=0700"); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount a small disk: %v", err)
		}
	})
}
