//go:build linux

package store_test

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/disktest"
	"github.com/fairlead-deploy/fairlead/store"
)

const page = 4096 // of the machine's memory, and so of a tmpfs

// disk is a small file system of its own whose size changes.
type disk struct {
	t  *testing.T
	at string
}

func newDisk(t *testing.T, pages int) *disk {
	t.Helper()
	d := &disk{t, t.TempDir()}
	disktest.Mount(t, d.at, d.size(pages))
	return d
}

func (d *disk) size(pages int) string { return strconv.Itoa(pages * page) }

func (d *disk) resize(pages int) {
	d.t.Helper()
	if err := syscall.Mount("tmpfs", d.at, "tmpfs", syscall.MS_REMOUNT, "mode=0700,size="+d.size(pages)); err != nil {
		d.t.Fatalf("resize the disk: %v", err)
	}
}

// used is how many pages are taken.
func (d *disk) used() int {
	d.t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(d.at, &fs); err != nil {
		d.t.Fatal(err)
	}
	return int(fs.Blocks-fs.Bfree) * int(fs.Bsize) / page
}

// TestAWriteThatFindsNoRoomLosesNothingWhicheverItIs gives a whole session of
// writes, opening and closing included, one page less than it needs, and two
// less, and so on: each write that needs a page fails once for lack of it. A
// write that replaces a page in place needs none.
func TestAWriteThatFindsNoRoomLosesNothingWhicheverItIs(t *testing.T) {
	if disktest.Within(t) {
		return
	}
	const plenty = 4096
	steps := session()
	d := newDisk(t, plenty)
	s := openAt(t, filepath.Join(d.at, "whole"))
	for _, st := range steps {
		if err := st.do(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", st.name, err)
		}
	}
	stands(t, s, steps)
	need := d.used()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	failed := map[string]int{}
	for pages := 1; pages < need; pages++ {
		where := tight(t, steps, pages, plenty)
		if where == "" {
			t.Errorf("with %d pages of %d nothing failed", pages, need)
		}
		failed[where]++
	}
	if failed["open"] == 0 || len(failed) < 8 {
		t.Errorf("only these writes failed: %v", failed)
	}
	t.Logf("the session needs %d pages; the writes that found no room: %v", need, failed)
}

// tight plays the session on a disk of so many pages, makes room where a write
// fails, and goes on. It returns which write failed.
func tight(t *testing.T, steps []step, pages, plenty int) (where string) {
	t.Helper()
	d := newDisk(t, pages)
	dir := filepath.Join(d.at, "data")
	clear := func(name string, err error) {
		if !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "make room on the disk of "+dir) {
			t.Fatalf("with %d pages, %s: this error is not clear: %v", pages, name, err)
		}
		where = name
	}
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		clear("open", err)
		d.resize(plenty)
		if s, err = store.Open(t.Context(), dir, store.Options{}); err != nil {
			t.Fatalf("with %d pages, then room: %v", pages, err)
		}
	}
	for i, st := range steps {
		err := st.do(t.Context(), s)
		if err == nil {
			continue
		}
		clear(st.name, err)
		stands(t, s, steps[:i])
		if again := st.do(t.Context(), s); again == nil { // needs less room than before, which is fine
			continue
		}
		d.resize(plenty)
		if err := st.do(t.Context(), s); err != nil {
			t.Fatalf("with %d pages, %s: there is room again: %v", pages, st.name, err)
		}
	}
	if err := s.Close(); err != nil {
		clear("close", err)
	}
	d.resize(plenty)
	s, err = store.Open(t.Context(), dir, store.Options{}) // checks the whole file
	if err != nil {
		t.Fatalf("with %d pages, opened again: %v", pages, err)
	}
	stands(t, s, steps)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return where
}
