//go:build linux

package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/disktest"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

func TestAFullDiskRefusesWritesAndRecoversByItself(t *testing.T) {
	if disktest.Within(t) {
		return
	}
	dir := t.TempDir()
	disktest.Mount(t, dir, "4m")
	s := openAt(t, dir)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var acked []release.ID
	save := func(i int) error {
		r := release.Release{ID: release.ID(fmt.Sprintf("r%d", i)), Status: release.Queued, Reason: strings.Repeat("x", 20_000)}
		_, err := s.Save(t.Context(), r, release.Event{})
		if err == nil {
			acked = append(acked, r.ID)
		}
		return err
	}
	i := 0
	refused := 0
	for ; refused < 5; i++ {
		if i > 1000 {
			t.Fatal("the disk never got full")
		}
		if err := save(i); err != nil {
			refused++
		}
	}
	if err := fillUp(filepath.Join(dir, "rest")); err != nil {
		t.Fatal(err)
	}
	if err := save(i); err == nil {
		t.Error("a write was acked with no byte left")
	}
	if _, err := s.Events(t.Context(), 0, 10); err != nil {
		t.Errorf("reading on a full disk: %v", err)
	}
	for _, name := range []string{ballast, filepath.Join(dir, "rest")} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := save(i + 1); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir) // checks the file
	stored, err := s.Releases(t.Context(), store.Filter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if len(acked) < 5 || len(stored) != len(acked) {
		t.Errorf("%d releases, %d were acked", len(stored), len(acked))
	}
	for _, id := range acked {
		if _, err := s.Release(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
}

// fillUp writes until the disk is full.
func fillUp(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	for _, size := range []int{4096, 1} {
		for {
			if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
				break
			} else if err != nil {
				return errors.Join(err, f.Close())
			}
		}
	}
	return f.Close()
}
