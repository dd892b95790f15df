package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// applicationID marks the file as Fairlead's for file(1): "Flrd".
const applicationID = 0x466c7264

// NewerError says that the file was written by a newer Fairlead.
type NewerError struct {
	Path           string
	Schema, Known  int
	Backup, Binary string // Backup: "" when no copy of a known schema is there
}

func (e *NewerError) Error() string {
	s := fmt.Sprintf("open database: %s has schema %d, and this fairlead %s knows up to %d: run the newer fairlead", e.Path, e.Schema, e.Binary, e.Known)
	if e.Backup != "" {
		s += fmt.Sprintf(", or go back to the copy made before the upgrade: mv %s %s", e.Backup, e.Path)
	}
	return s
}

// migrations returns the SQL of each schema step in order: the first makes
// schema 1, the n-th turns schema n-1 into n.
func migrations() ([]string, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql") // sorted
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	var steps []string
	for _, name := range names {
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		steps = append(steps, string(text))
	}
	return steps, nil
}

// migrate brings the schema to len(steps). A crash in the middle leaves the
// last whole step; the next Open goes on from there.
func (s *Store) migrate(ctx context.Context, steps []string, binary string) error {
	var have int
	if err := s.write.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if have > len(steps) {
		return &NewerError{Path: s.path, Schema: have, Known: len(steps), Backup: s.newestBackup(len(steps)), Binary: binary}
	}
	for n := have + 1; n <= len(steps); n++ {
		if n > 1 {
			if err := s.backup(ctx, n-1); err != nil {
				return err
			}
		}
		err := s.transact(ctx, func(ctx context.Context, t tx) error {
			// Pragmas take no parameters; n is ours.
			q := fmt.Sprintf("%s; PRAGMA application_id = %d; PRAGMA user_version = %d", steps[n-1], applicationID, n)
			_, err := t.ExecContext(ctx, q)
			return err
		})
		if err != nil {
			return fmt.Errorf("migrate database to schema %d: %w", n, err)
		}
		s.log.Info("database migrated", "schema", n)
	}
	return nil
}

func backupName(path string, schema int) string { return fmt.Sprintf("%s.v%d.backup", path, schema) }

// newestBackup names the copy with the highest schema up to known, or "".
func (s *Store) newestBackup(known int) string {
	for n := known; n > 0; n-- {
		if _, err := os.Stat(backupName(s.path, n)); err == nil {
			return backupName(s.path, n)
		}
	}
	return ""
}

// backup writes a whole, compact copy of the database beside it; under its
// final name it is complete.
func (s *Store) backup(ctx context.Context, schema int) error {
	name := backupName(s.path, schema)
	part := name + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove unfinished backup: %w", err)
	}
	if _, err := s.write.ExecContext(ctx, "VACUUM INTO ?", part); err != nil {
		return fmt.Errorf("back up database before upgrade: %w", err)
	}
	if err := syncFile(part); err != nil {
		return fmt.Errorf("back up database before upgrade: %w", err)
	}
	if err := os.Rename(part, name); err != nil {
		return fmt.Errorf("back up database before upgrade: %w", err)
	}
	if err := syncFile(filepath.Dir(name)); err != nil {
		return fmt.Errorf("back up database before upgrade: %w", err)
	}
	return nil
}

func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
