package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// ErrCorrupt is what errors.Is finds in a *CorruptError.
var ErrCorrupt = errors.New("the database is damaged")

// CorruptError says that the file is damaged. Rebuild is the way on.
type CorruptError struct {
	Path   string
	Detail string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("open database: %s is damaged (%s): restore a copy, or start anew with `fairlead watch --rebuild`; "+
		"nothing is redeployed, but history, holds and quarantines are lost", e.Path, e.Detail)
}

// Is makes errors.Is(err, ErrCorrupt) true.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// Rebuild sets the damaged files of dir aside as fairlead.db.damaged-TIME* and
// opens a new, empty store. It returns the name the old file now has, "" if
// there was none.
func Rebuild(ctx context.Context, dir string, opts Options) (*Store, string, error) {
	aside, err := setAside(dir)
	if err != nil {
		return nil, "", err
	}
	s, err := Open(ctx, dir, opts)
	if err != nil {
		return nil, aside, err
	}
	return s, aside, nil
}

func setAside(dir string) (aside string, err error) {
	lock, err := lockFolder(dir)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	path := filepath.Join(dir, FileName)
	aside = path + ".damaged-" + time.Now().UTC().Format("20060102-150405")
	moved := ""
	// The log goes first: a main file alone is only older, a foreign log
	// beside a new main file would be poison.
	for _, suffix := range []string{"-wal", "-shm", ""} {
		switch err := os.Rename(path+suffix, aside+suffix); {
		case err == nil && suffix == "":
			moved = aside
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("set damaged database aside: %w", err)
		}
	}
	return moved, nil
}

// headerSize is how many bytes every database has at least
// (sqlite.org/fileformat.html).
const headerSize = 100

// refuseEmptied finds a file that was cut to nothing, or nearly, which SQLite
// would take for a new database.
func (s *Store) refuseEmptied() error {
	info, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	if info.Size() < headerSize && s.lock.made {
		return &CorruptError{Path: s.path, Detail: fmt.Sprintf("the file has %d bytes", info.Size())}
	}
	return nil
}

// check asks SQLite whether the file's structure is whole.
func (s *Store) check(ctx context.Context) error {
	rows, err := s.write.QueryContext(ctx, "PRAGMA quick_check(5)")
	if err != nil {
		return s.asCorrupt("check database", err)
	}
	var found []string
	err = each(rows, func(r *sql.Rows) error {
		var line string
		if err := r.Scan(&line); err != nil {
			return err
		}
		if line != "ok" {
			found = append(found, line)
		}
		return nil
	})
	if err != nil {
		return s.asCorrupt("check database", err)
	}
	if len(found) > 0 {
		return &CorruptError{Path: s.path, Detail: strings.Join(found, "; ")}
	}
	return nil
}

// verify reads every row and compares its sum.
func (s *Store) verify(ctx context.Context) error {
	for _, t := range slices.Sorted(maps.Keys(layouts())) {
		if err := t.verify(ctx, s.write); err != nil {
			if bad, ok := errors.AsType[*badRow](err); ok {
				return &CorruptError{Path: s.path, Detail: bad.Error()}
			}
			return s.asCorrupt("verify database", err)
		}
	}
	return nil
}

// asCorrupt turns SQLite's ways of saying "damaged" into a *CorruptError.
func (s *Store) asCorrupt(verb string, err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff { // the low byte is the primary code, sqlite.org/rescode.html
		case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_SCHEMA, lib.SQLITE_ERROR:
			return &CorruptError{Path: s.path, Detail: e.Error()}
		}
	}
	return fmt.Errorf("%s: %w", verb, err)
}
