package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

// upTo opens dir with the real schema and the given later steps.
func upTo(t *testing.T, dir string, later ...string) (*Store, error) {
	t.Helper()
	steps, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	return open(t.Context(), dir, Options{Version: "1.2.3"}, append(steps, later...))
}

func closed(t *testing.T, s *Store, err error) {
	t.Helper()
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// atFirst makes a store of the released schema with one release in it, and
// returns the folder and the schema's number.
func atFirst(t *testing.T) (dir string, schema int) {
	t.Helper()
	dir = t.TempDir()
	s, err := upTo(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(t.Context(), release.Release{ID: "kept", Status: release.Succeeded}, release.Event{}); err != nil {
		t.Fatal(err)
	}
	closed(t, s, nil)
	steps, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	return dir, len(steps)
}

func TestAnUpgradeKeepsWhatWasThereAndACopyOfIt(t *testing.T) {
	dir, schema := atFirst(t)
	s, err := upTo(t, dir, "ALTER TABLE looks ADD COLUMN extra TEXT", "CREATE TABLE more (x INTEGER) STRICT")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Release(t.Context(), "kept"); err != nil {
		t.Error(err)
	}
	closed(t, s, nil)
	for n := schema; n <= schema+1; n++ {
		if _, err := os.Stat(backupName(filepath.Join(dir, FileName), n)); err != nil {
			t.Errorf("copy of schema %d: %v", n, err)
		}
	}

	_, err = upTo(t, dir)
	newer, ok := errors.AsType[*NewerError](err)
	if !ok || newer.Schema != schema+2 || newer.Known != schema {
		t.Fatalf("an older binary: %v", err)
	}
	if !strings.Contains(err.Error(), newer.Backup) || newer.Backup != backupName(filepath.Join(dir, FileName), schema) {
		t.Errorf("the way back is missing: %v", err)
	}
	if err := os.Rename(newer.Backup, filepath.Join(dir, FileName)); err != nil {
		t.Fatal(err)
	}
	s, err = upTo(t, dir)
	if err != nil {
		t.Fatalf("the copy does not open: %v", err)
	}
	if _, err := s.Release(t.Context(), "kept"); err != nil {
		t.Error(err)
	}
	closed(t, s, nil)
}

func TestAFailedUpgradeStepLeavesTheSchemaBefore(t *testing.T) {
	dir, schema := atFirst(t)
	if _, err := upTo(t, dir, "CREATE TABLE half (x INTEGER) STRICT; SELECT no_such_function()"); err == nil {
		t.Fatal("a broken step passed")
	}
	s, err := upTo(t, dir)
	if err != nil {
		t.Fatalf("the schema before does not open: %v", err)
	}
	var n, version int
	if err := s.read.QueryRowContext(t.Context(), "SELECT count(*) FROM sqlite_schema WHERE name = 'half'").Scan(&n); err != nil || n != 0 {
		t.Errorf("half a step is left: %d %v", n, err)
	}
	if err := s.read.QueryRowContext(t.Context(), "PRAGMA user_version").Scan(&version); err != nil || version != schema {
		t.Errorf("schema %d, %v", version, err)
	}
	closed(t, s, nil)
	s, err = upTo(t, dir, "CREATE TABLE half (x INTEGER) STRICT") // mended
	closed(t, s, err)
}

func TestAnUnfinishedCopyIsMadeAgain(t *testing.T) {
	dir, schema := atFirst(t)
	part := backupName(filepath.Join(dir, FileName), schema) + ".part"
	if err := os.WriteFile(part, []byte("half a copy"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := upTo(t, dir, "CREATE TABLE more (x INTEGER) STRICT")
	closed(t, s, err)
	if _, err := os.Stat(part); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished copy is still there: %v", err)
	}
}

func TestCommitsAreOnDiskBeforeTheyAreAcked(t *testing.T) {
	s, err := upTo(t, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s, nil)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000", "application_id": "1181512292"} {
		var got string
		if err := s.write.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %q, %v, want %s", pragma, got, err, want)
		}
	}
}

func TestReadersCannotWriteAndGoOnBesideAWriter(t *testing.T) {
	s, err := upTo(t, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s, nil)
	if _, err := s.read.ExecContext(t.Context(), "DELETE FROM releases"); err == nil {
		t.Error("a reading connection wrote")
	}
	err = s.update(t.Context(), "test", func(ctx context.Context, w tx) error {
		if _, err := looksTable.put(ctx, w, "shop", "{}"); err != nil {
			return err
		}
		looks, err := s.Looks(ctx) // would deadlock on one connection
		if len(looks) != 0 {
			t.Error("an uncommitted write was read")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
