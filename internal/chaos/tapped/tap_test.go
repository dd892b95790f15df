package tapped_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fairlead-deploy/fairlead/internal/chaos/tapped"
)

func TestMain(m *testing.M) {
	if err := tapped.Launch(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if len(os.Args) > 2 && os.Args[1] == "write" {
		os.Exit(write(os.Args[2]))
	}
	os.Exit(m.Run())
}

// write is the program that is tapped.
func write(name string) int {
	f, err := os.Create(name)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("now", time.Now().Unix())
	for i := range 3 {
		begin := time.Now()
		err := f.Sync()
		fmt.Println("sync", i, err, "slow", time.Since(begin) > 200*time.Millisecond)
	}
	return 0
}

func TestAProgramsCallsFailLastAndTellAnotherTimeAsAsked(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	var n atomic.Int64
	tap, err := tapped.Open(filepath.Join(t.TempDir(), "tap"), func(c tapped.Call) unix.Errno {
		if c.Nr != unix.SYS_FSYNC || c.File() != name {
			return 0
		}
		switch n.Add(1) {
		case 1:
			return unix.EIO
		case 2:
			time.Sleep(300 * time.Millisecond)
		}
		return 0
	}, unix.SYS_FSYNC, unix.SYS_CLOCK_GETTIME)
	if err != nil {
		t.Fatal(err)
	}
	tap.Skew.Store(int64(240 * time.Hour))
	cmd := exec.CommandContext(t.Context(), os.Args[0], "write", name)
	cmd.Env = append(os.Environ(), tap.Environ(os.Args[0])...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := tap.Close(); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var said int64
	if _, err := fmt.Sscanf(lines[0], "now %d", &said); err != nil || time.Until(time.Unix(said, 0)) < 239*time.Hour {
		t.Errorf("in ten days it is %s (%v)", lines[0], err)
	}
	if got := strings.Join(lines[1:], "; "); !strings.Contains(got, "sync 0 sync "+name+": input/output error slow false; sync 1 <nil> slow true; sync 2 <nil> slow false") {
		t.Errorf("it says %s", got)
	}
}
