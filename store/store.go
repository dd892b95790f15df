// Package store is Fairlead's memory: one SQLite file in the data folder.
//
// Lives here: queries, transactions, migrations, the lock on the data folder
// and the detection of a damaged file. May not live here: decisions. What can
// be observed on the servers is not stored at all; losing the file costs
// history, holds and quarantines, but never a needless deploy.
//
// Durability: WAL with synchronous=FULL, so that a write that returned nil
// survives SIGKILL and power loss. A write that returned an error had no
// effect, or (when only the reply was lost) its whole effect, never a part.
//
// One connection writes, so writers queue instead of meeting SQLITE_BUSY, and
// those who wait share one transaction; up to four read beside it.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// FileName is the name of the database inside the data folder.
const FileName = "fairlead.db"

// patience bounds every transaction, waiting for the writer included.
const patience = 30 * time.Second

var errPatience = errors.New("the database did not answer for 30 s: is its disk stuck?")

// Errors that callers branch on.
var (
	// ErrNotFound: there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrEnded: the release has a terminal status and never changes again.
	ErrEnded = errors.New("the release has ended")
	// ErrNotIntended: a result came for an effect that nobody announced.
	ErrNotIntended = errors.New("the effect was not intended")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the store is closed")
)

// Options adjust Open. The zero value works.
type Options struct {
	Log     *slog.Logger // nil: discard
	Version string       // of this binary, for messages
}

// Store is an open data folder. Its methods may be called concurrently.
type Store struct {
	path  string
	log   *slog.Logger
	lock  *folderLock
	write *sql.DB
	read  *sql.DB
	queue *queue

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when an event was added
	closed  bool
}

// Open opens the store in the folder dir, which it makes (0700) if needed.
// It takes the folder's lock (*LockedError when another process has it),
// checks the file (*CorruptError, see Rebuild) and brings its schema up to
// date, each step in a transaction and with a copy of the file made before.
// A file of a newer Fairlead is refused with *NewerError.
func Open(ctx context.Context, dir string, opts Options) (*Store, error) {
	steps, err := migrations()
	if err != nil {
		return nil, err
	}
	return open(ctx, dir, opts, steps)
}

func open(ctx context.Context, dir string, opts Options, steps []string) (_ *Store, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("find data folder: %w", err)
	}
	path := filepath.Join(dir, FileName)
	defer func() { err = explained(path, err) }()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, log: opts.Log, lock: lock, queue: newQueue(), changed: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := s.refuseEmptied(); err != nil {
		return nil, err
	}
	if s.write, err = sql.Open("sqlite", dsn(s.path, "rwc", "&_txlock=immediate&_pragma=journal_mode(WAL)")); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s.write.SetMaxOpenConns(1)
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	if err := s.migrate(ctx, steps, opts.Version); err != nil {
		return nil, err
	}
	if err := s.verify(ctx); err != nil {
		return nil, err
	}
	if s.read, err = sql.Open("sqlite", dsn(s.path, "rw", "&_pragma=query_only(1)")); err != nil {
		return nil, fmt.Errorf("open database for reading: %w", err)
	}
	s.read.SetMaxOpenConns(4)
	if err := lock.remember(); err != nil {
		return nil, err
	}
	return s, nil
}

// dsn spells the absolute path as modernc.org/sqlite reads it.
func dsn(path, mode, more string) string {
	u := url.URL{Scheme: "file", Path: path, OmitHost: true}
	return u.String() + "?mode=" + mode + "&_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)" + more
}

// Close closes the file and frees the folder. Followers in Wait get ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.changed)
	s.mu.Unlock()

	var errs []error
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, s.lock.release())...)
}

// query runs a reading query and calls scan for each row.
func (s *Store) query(ctx context.Context, verb, q string, args []any, scan func(*sql.Rows) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errPatience)
	defer cancel()
	rows, err := s.read.QueryContext(ctx, q, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", verb, explained(s.path, err))
	}
	if err := each(rows, scan); err != nil {
		return fmt.Errorf("%s: %w", verb, explained(s.path, err))
	}
	return nil
}

// each calls scan for each row and closes rows.
func each(rows *sql.Rows, scan func(*sql.Rows) error) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// one reads the first row of a query into dest; ErrNotFound when there is none.
func (s *Store) one(ctx context.Context, verb, q string, args []any, dest ...any) error {
	found := false
	err := s.query(ctx, verb, q, args, func(r *sql.Rows) error {
		if found {
			return nil
		}
		found = true
		return r.Scan(dest...)
	})
	if err == nil && !found {
		return fmt.Errorf("%s: %w", verb, ErrNotFound)
	}
	return err
}
