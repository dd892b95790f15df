package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// Append adds an event that changes no release and returns its seq.
func (s *Store) Append(ctx context.Context, ev release.Event) (int64, error) {
	var seq int64
	err := s.update(ctx, "append event", func(ctx context.Context, t tx) (err error) {
		seq, err = appendEvent(ctx, t, ev)
		return err
	})
	if err != nil {
		return 0, err
	}
	s.announce()
	return seq, nil
}

// Raise appends an alert unless one with the same key is already open, and
// tells whether it did: one trouble is one alert, also across restarts.
func (s *Store) Raise(ctx context.Context, ev release.Event) (bool, error) {
	ev.Kind = release.EventAlert
	raised := false
	err := s.update(ctx, "raise alert", func(ctx context.Context, t tx) error {
		var n int
		if err := t.QueryRowContext(ctx, "SELECT count(*) FROM alerts WHERE key = ?", ev.Key).Scan(&n); err != nil || n > 0 {
			return err
		}
		ev.At = moment(ev.At, t.now)
		seq, err := appendEvent(ctx, t, ev)
		if err != nil {
			return err
		}
		ev.Seq, raised = seq, true
		body, err := json.Marshal(ev)
		if err != nil {
			return err
		}
		_, err = alertsTable.put(ctx, t, ev.Key, string(body))
		return err
	})
	if err != nil {
		return false, err
	}
	if raised {
		s.announce()
	}
	return raised, nil
}

// Clear closes the open alert with ev's key and appends ev as its recovery.
// It tells whether there was one; if not, nothing is appended.
func (s *Store) Clear(ctx context.Context, ev release.Event) (bool, error) {
	ev.Kind = release.EventRecovered
	cleared := false
	err := s.update(ctx, "clear alert", func(ctx context.Context, t tx) error {
		res, err := t.ExecContext(ctx, "DELETE FROM alerts WHERE key = ?", ev.Key)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		cleared = true
		_, err = appendEvent(ctx, t, ev)
		return err
	})
	if err != nil {
		return false, err
	}
	if cleared {
		s.announce()
	}
	return cleared, nil
}

// Alerts returns the open alerts, ordered by key.
func (s *Store) Alerts(ctx context.Context) ([]release.Event, error) {
	return bodies[release.Event](ctx, s, "read alerts", "SELECT body FROM alerts ORDER BY key")
}

// Events returns up to limit events (0: 50; at most 1000) after seq, in order.
func (s *Store) Events(ctx context.Context, after int64, n int) ([]release.Event, error) {
	return s.events(ctx, "SELECT seq, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?", after, limit(n))
}

// ReleaseEvents returns the newest 1000 events of one release, in order.
func (s *Store) ReleaseEvents(ctx context.Context, id release.ID) ([]release.Event, error) {
	return s.events(ctx, `SELECT seq, body FROM (SELECT seq, body FROM events WHERE release = ? ORDER BY seq DESC LIMIT ?)
		ORDER BY seq`, string(id), maxLimit)
}

// LastSeq returns the seq of the newest event ever written, 0 before the first.
func (s *Store) LastSeq(ctx context.Context) (int64, error) {
	var seq int64
	err := s.one(ctx, "read last seq", "SELECT seq FROM sqlite_sequence WHERE name = 'events'", nil, &seq)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	return seq, err
}

func (s *Store) events(ctx context.Context, q string, args ...any) ([]release.Event, error) {
	var all []release.Event
	err := s.query(ctx, "read events", q, args, func(r *sql.Rows) error {
		ev, err := scanEvent(r)
		all = append(all, ev)
		return err
	})
	return all, err
}

// scanEvent reads a row of seq, body.
func scanEvent(r *sql.Rows) (release.Event, error) {
	var seq int64
	var body string
	if err := r.Scan(&seq, &body); err != nil {
		return release.Event{}, err
	}
	ev, err := decode[release.Event]("read event", body)
	ev.Seq = seq
	return ev, err
}

func appendEvent(ctx context.Context, t tx, ev release.Event) (int64, error) {
	ev.Seq, ev.At = 0, moment(ev.At, t.now)
	body, err := json.Marshal(ev)
	if err != nil {
		return 0, fmt.Errorf("encode event: %w", err)
	}
	id := ""
	if ev.Release != nil {
		id = string(ev.Release.ID)
	}
	res, err := eventsTable.put(ctx, t, ev.At.UnixNano(), id, string(body))
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// moment returns at, or now where at is zero.
func moment(at, now time.Time) time.Time {
	if at.IsZero() {
		return now
	}
	return at
}

// Changed returns a channel that is closed at the next event (or at Close).
// Take it before reading, so that nothing falls between.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Wait returns when there is an event after seq: nil; when the store is
// closed: ErrClosed; when ctx ends: its cause.
func (s *Store) Wait(ctx context.Context, after int64) error {
	for {
		changed := s.Changed()
		if s.isClosed() {
			return ErrClosed
		}
		last, err := s.LastSeq(ctx)
		switch {
		case err != nil && s.isClosed():
			return ErrClosed
		case err != nil:
			return err
		case last > after:
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// announce wakes everyone in Wait.
func (s *Store) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	close(s.changed)
	s.changed = make(chan struct{})
}
