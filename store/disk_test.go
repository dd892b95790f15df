//go:build linux

package store_test

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fairlead-deploy/fairlead/internal/chaos/tapped"
	"github.com/fairlead-deploy/fairlead/store"
)

var diskStride = flag.Int("store.disk", 9, "of the calls that fail on a bad disk every so many; 1 is all")

// badDiskEnv makes this test the program whose disk is bad.
const badDiskEnv = "FAIRLEAD_STORE_TEST_BAD_DISK"

// TestACallThatTheDiskFailsLosesNothingWhicheverItIs plays a whole session of
// writes, opening and closing included, again and again; in each, another write
// or sync of the database's files is an I/O error. (One of reading SQLite tells
// as damage, and so does Open.)
func TestACallThatTheDiskFailsLosesNothingWhicheverItIs(t *testing.T) {
	if dir := os.Getenv(badDiskEnv); dir != "" {
		playOnBadDisks(t, dir)
		return
	}
	var mu sync.Mutex
	begun, seen, at, came := false, 0, 1-*diskStride, false
	tap, err := tapped.Open(filepath.Join(t.TempDir(), "tap"), func(c tapped.Call) unix.Errno {
		name := filepath.Base(c.File())
		mu.Lock()
		defer mu.Unlock()
		switch {
		case name == "next" && c.Nr == unix.SYS_FSYNC: // another session begins
			begun, seen, came = true, 0, false
			at += *diskStride
		case name == "came" && c.Nr == unix.SYS_FSYNC && !came: // did it come in this one?
			return unix.EIO
		case begun && strings.HasPrefix(name, store.FileName):
			if seen++; seen == at {
				came = true
				return unix.EIO
			}
		}
		return 0
	}, unix.SYS_PWRITE64, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_FTRUNCATE)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(append(os.Environ(), badDiskEnv+"="+t.TempDir()), tap.Environ(os.Args[0])...)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	if err := tap.Close(); err != nil {
		t.Error(err)
	}
	if at < 200 {
		t.Errorf("a session has only %d calls", at)
	}
	t.Logf("each %dth of %d calls failed once", *diskStride, at)
}

// playOnBadDisks plays sessions until one is over before its call comes.
func playOnBadDisks(t *testing.T, dir string) {
	asked := map[string]*os.File{}
	for _, name := range []string{"next", "came"} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		asked[name] = f
	}
	failed := map[string]int{}
	for {
		data, err := os.MkdirTemp(dir, "data")
		if err != nil {
			t.Fatal(err)
		}
		if err := asked["next"].Sync(); err != nil {
			t.Fatal(err)
		}
		where := playOnBadDisk(t, data)
		failed[where]++
		if asked["came"].Sync() != nil { // it never came: all calls had their turn
			break
		}
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
	}
	if failed["open"] == 0 || len(failed) < 8 {
		t.Errorf("only these failed: %v", failed)
	}
	t.Logf("what failed: %v", failed)
}

// playOnBadDisk plays one session and does again what failed.
func playOnBadDisk(t *testing.T, dir string) (where string) {
	t.Helper()
	clear := func(name string, err error) {
		if !errors.Is(err, store.ErrDisk) || !strings.Contains(err.Error(), "dmesg") || errors.Is(err, store.ErrCorrupt) || where != "" {
			t.Fatalf("%s, after %q failed: this error is not clear: %v", name, where, err)
		}
		where = name
	}
	open := func() *store.Store {
		s, err := store.Open(t.Context(), dir, store.Options{})
		if err != nil {
			clear("open", err)
			if s, err = store.Open(t.Context(), dir, store.Options{}); err != nil {
				t.Fatalf("opened again: %v", err)
			}
		}
		return s
	}
	s := open()
	steps := session()
	for i, st := range steps {
		if err := st.do(t.Context(), s); err != nil {
			clear(st.name, err)
			stands(t, s, steps[:i])
			if err := st.do(t.Context(), s); err != nil {
				t.Fatalf("%s: the disk works again: %v", st.name, err)
			}
		}
	}
	if err := s.Close(); err != nil {
		clear("close", err)
	}
	s = open()
	stands(t, s, steps)
	if err := s.Close(); err != nil {
		clear("close", err)
	}
	return where
}
