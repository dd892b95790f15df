package store_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// TestAProgramThatLocksTheDatabaseIsWaitedForAndThenNamed has a backup tool
// that locks writers out: for a moment it is waited for; for longer, writes
// fail with its name for the trouble, reading goes on, and so does all when it
// lets go.
func TestAProgramThatLocksTheDatabaseIsWaitedForAndThenNamed(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	save := func(id release.ID) error {
		_, err := s.Save(t.Context(), release.Release{ID: id, Status: release.Queued}, release.Event{})
		return err
	}
	if err := save("before"); err != nil {
		t.Fatal(err)
	}
	other, err := sql.Open("sqlite", "file:"+filepath.Join(dir, store.FileName)+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	saved := make(chan error, 1)
	go func() { saved <- save("waits") }()
	select {
	case err := <-saved:
		t.Fatalf("it was not waited for: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-saved; err != nil {
		t.Fatalf("after a moment: %v", err)
	}

	if tx, err = other.BeginTx(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := save("never"); !errors.Is(err, store.ErrBusy) || !strings.Contains(err.Error(), "backup") {
		t.Errorf("locked out for long: %v", err)
	}
	if _, err := s.Release(t.Context(), "waits"); err != nil {
		t.Errorf("reading while it is locked: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := save("after"); err != nil {
		t.Errorf("after it let go: %v", err)
	}
}

// TestEventsKeepTheirOrderWhateverTheClockSays sets the clock back between two
// events: what came later has the higher seq and is the newer release.
func TestEventsKeepTheirOrderWhateverTheClockSays(t *testing.T) {
	s := openAt(t, t.TempDir())
	now := time.Now()
	for i, at := range []time.Time{now, now.AddDate(10, 0, 0), now.Add(-time.Hour), now.AddDate(-20, 0, 0)} {
		id := release.ID("r" + string(rune('0'+i)))
		r := release.Release{ID: id, Lane: release.Lane{Service: "shop"}, Status: release.Succeeded, Queued: at}
		if _, err := s.Save(t.Context(), r, release.Event{At: at}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.Releases(t.Context(), store.Filter{Limit: 1})
	if err != nil || len(all) != 1 || all[0].ID != "r3" {
		t.Errorf("the newest release is %v, %v", all, err)
	}
	events, err := s.Events(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	for i, ev := range events {
		if ev.Release.ID != release.ID("r"+string(rune('0'+i))) {
			t.Errorf("event %d is of %s", i, ev.Release.ID)
		}
	}
}
