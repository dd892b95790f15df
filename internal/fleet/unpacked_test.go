package fleet

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// moved are the programs that the "machine" of the test lacks.
func moved() []string { return []string{"sbin/sshd", "bin/docker-registry"} }

// machineWithout is this machine's /usr without some programs, laid out by an
// overlay so that nothing real is touched.
func machineWithout(t *testing.T, programs []string) string {
	t.Helper()
	base := t.TempDir()
	// tmpfs, because an overlay cannot have its upper layer on an overlay,
	// which is what a folder in a container is.
	if err := unix.Mount("fairlead-fleet-test", base, "tmpfs", 0, "mode=755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmount(t, base) })
	upper, work, usr := filepath.Join(base, "upper"), filepath.Join(base, "work"), filepath.Join(base, "usr")
	for _, dir := range []string{upper, work, usr} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("overlay", usr, "overlay", 0, "lowerdir=/usr,upperdir="+upper+",workdir="+work); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmount(t, usr) })
	for _, p := range programs {
		if err := os.Remove(filepath.Join(usr, p)); err != nil {
			t.Fatal(err)
		}
	}
	return usr
}

func unmount(t *testing.T, at string) {
	t.Helper()
	if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
		t.Error(err)
	}
}

func TestMachinesRunFromUnpackedPackages(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	for _, p := range moved() { // as packages that know no merged /usr ship them
		to := filepath.Join(dir, p)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(ctx, "cp", "/usr/"+p, to).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if err := mergeTree(ctx, dir); err != nil {
		t.Fatal(err)
	}
	f, err := Start(ctx, Options{Hosts: 1, Unpacked: dir, usr: machineWithout(t, moved())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := f.Hosts[0].SSH(ctx, "docker info"); err != nil {
		t.Error(err)
	}
	if err := f.Hosts[0].Reboot(ctx); err != nil {
		t.Error(err)
	}
}
