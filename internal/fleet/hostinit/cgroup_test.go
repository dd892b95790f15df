package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAUnifiedCgroupIsEmptiedIntoALeaf works on a real cgroup v2 tree, which
// every kernel can mount; on a machine with v1 few controllers are left in it.
func TestAUnifiedCgroupIsEmptiedIntoALeaf(t *testing.T) {
	tree := t.TempDir()
	if err := unix.Mount("none", tree, "cgroup2", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(tree, 0); err != nil {
			t.Error(err)
		}
	})
	root := filepath.Join(tree, "fairlead-test-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, dir := range []string{filepath.Join(root, "init"), root} {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		}
	})
	process := exec.Command("cat") // ends with its input
	input, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		input.Close()
		if err := process.Wait(); err != nil {
			t.Error(err)
		}
	})
	pid := strconv.Itoa(process.Process.Pid)
	if err := os.WriteFile(filepath.Join(root, "cgroup.procs"), []byte(pid), 0); err != nil {
		t.Fatal(err)
	}
	if err := delegateUnified(root); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(data))
	}
	if got := read("init/cgroup.procs"); got != pid {
		t.Errorf("the leaf holds %q, want %s", got, pid)
	}
	if got := read("cgroup.procs"); got != "" {
		t.Errorf("still in the group itself: %q", got)
	}
	if got, want := read("cgroup.subtree_control"), read("cgroup.controllers"); got != want {
		t.Errorf("children get %q, want all of %q", got, want)
	}
}
