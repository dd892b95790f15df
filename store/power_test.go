//go:build linux

package store_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fairlead-deploy/fairlead/internal/chaos/tapped"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

var cuts = flag.Int("store.cuts", 30, "how often the power is cut")

// poweredEnv makes the test binary the writer whose power is cut.
const poweredEnv = "FAIRLEAD_STORE_TEST_POWERED"

// tappedMain is what this process does where it is one whose calls are asked
// about, or becomes it.
func tappedMain() (done bool, err error) {
	if err := tapped.Launch(); err != nil {
		return false, err
	}
	dir := os.Getenv(poweredEnv)
	if dir == "" {
		return false, nil
	}
	return true, writeAndAck(dir)
}

// ackSize is how many bytes an ack takes in the file of acks.
const ackSize = 16

// writeAndAck saves releases and effects, four at a time, and writes each's id
// beside when it is acked.
func writeAndAck(dir string) error {
	s, err := store.Open(context.Background(), dir, store.Options{})
	if err != nil {
		return err
	}
	acks, err := os.Create(filepath.Join(dir, "acks"))
	if err != nil {
		return err
	}
	ended := make(chan error, writers)
	for w := range writers {
		go func() { ended <- saveSome(s, acks, w) }()
	}
	for range writers {
		if err := <-ended; err != nil {
			return err
		}
	}
	return nil // as by a power cut: nothing is closed
}

func saveSome(s *store.Store, acks *os.File, w int) error {
	for i := range 80 {
		r := release.Release{ID: release.ID(fmt.Sprintf("r%d-%d", i, w)), Lane: release.Lane{Service: "shop"}, Status: release.Succeeded,
			Reason: strings.Repeat("x", i*137%3000)}
		if _, err := s.Save(context.Background(), r, release.Event{}); err != nil {
			return err
		}
		if err := s.Intend(context.Background(), r.ID, "step", []byte("payload")); err != nil {
			return err
		}
		if _, err := acks.WriteAt(fmt.Appendf(nil, "%-*s", ackSize, r.ID), int64(i*writers+w)*ackSize); err != nil {
			return err
		}
	}
	return nil
}

// deed is what a writer did to a file.
type deed struct {
	file string
	nr   uint32
	at   int64
	data []byte
}

// TestAPowerCutLosesNothingThatWasAcked notes each write and sync of a writer,
// and cuts the power at random moments: of the writes that no sync of their
// file came after, any may be there, in part or not at all.
func TestAPowerCutLosesNothingThatWasAcked(t *testing.T) {
	dir := t.TempDir()
	if err := openAt(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	before := map[string][]byte{}
	for _, name := range []string{store.FileName, store.LockName} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		before[name] = text
	}
	deeds := watched(t, dir)
	acks, checkpoints := 0, 0
	for _, d := range deeds {
		if d.file == "acks" {
			acks++
		}
		if d.file == store.FileName && d.nr != unix.SYS_PWRITE64 {
			checkpoints++
		}
	}
	if acks != 80*writers || checkpoints == 0 {
		t.Fatalf("%d acks, %d checkpoints", acks, checkpoints)
	}
	lost := 0
	for n := range *cuts {
		at := rand.IntN(len(deeds))
		after, acked, dropped := cut(before, deeds[:at])
		lost += dropped
		folder := filepath.Join(t.TempDir(), fmt.Sprint(n))
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range after {
			if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		checkAcked(t, folder, acked)
		if t.Failed() {
			t.Fatalf("the power was cut after %d of %d deeds", at, len(deeds))
		}
	}
	if lost < *cuts {
		t.Errorf("only %d writes were lost in %d cuts, which proves nothing", lost, *cuts)
	}
	t.Logf("%d cuts among %d writes and syncs, %d of which lost: nothing acknowledged was", *cuts, len(deeds), lost)
}

// watched runs the writer and returns what it did.
func watched(t *testing.T, dir string) []deed {
	t.Helper()
	var mu sync.Mutex
	var deeds []deed
	var unseen error
	tap, err := tapped.Open(filepath.Join(t.TempDir(), "tap"), func(c tapped.Call) unix.Errno {
		name := c.File()
		if filepath.Dir(name) != dir || strings.HasSuffix(name, "-shm") {
			return 0
		}
		d := deed{file: filepath.Base(name), nr: c.Nr}
		var err error
		switch c.Nr {
		case unix.SYS_PWRITE64:
			d.at = int64(c.Args[3])
			d.data, err = c.Written()
		case unix.SYS_FTRUNCATE:
			d.at = int64(c.Args[1])
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			unseen = err
		}
		deeds = append(deeds, d)
		return 0
	}, unix.SYS_PWRITE64, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_FTRUNCATE)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), poweredEnv+"="+dir), tap.Environ(os.Args[0])...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := tap.Close(); err != nil || unseen != nil {
		t.Fatal(err, unseen)
	}
	return deeds
}

// cut is what is in the files after a power cut, and what was acked before.
func cut(before map[string][]byte, deeds []deed) (after map[string][]byte, acked map[release.ID]bool, lost int) {
	after, acked = map[string][]byte{}, map[release.ID]bool{}
	for name, content := range before {
		after[name] = slices.Clone(content)
	}
	synced := map[string]int{} // file: the last sync
	for i, d := range deeds {
		if d.nr == unix.SYS_FSYNC || d.nr == unix.SYS_FDATASYNC {
			synced[d.file] = i
		}
	}
	for i, d := range deeds {
		switch {
		case d.file == "acks":
			acked[release.ID(strings.TrimSpace(string(d.data)))] = true
			continue
		case i > synced[d.file]:
			if rand.IntN(2) == 0 {
				lost++
				continue
			}
			if len(d.data) > 512 && rand.IntN(4) == 0 {
				d.data = d.data[:512*rand.IntN(len(d.data)/512)]
			}
		}
		switch d.nr {
		case unix.SYS_PWRITE64:
			end := d.at + int64(len(d.data))
			if more := end - int64(len(after[d.file])); more > 0 {
				after[d.file] = append(after[d.file], make([]byte, more)...)
			}
			copy(after[d.file][d.at:end], d.data)
		case unix.SYS_FTRUNCATE:
			kept := after[d.file]
			after[d.file] = append(kept[:min(d.at, int64(len(kept)))], make([]byte, max(0, d.at-int64(len(kept))))...)
		}
	}
	return after, acked, lost
}
