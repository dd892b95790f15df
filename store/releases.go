package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/fairlead-deploy/fairlead/release"
)

// Limits of one page of releases or events.
const (
	defaultLimit = 50
	maxLimit     = 1000
)

// Filter selects releases; zero fields select all.
type Filter struct {
	Lane     release.Lane // a lane without destination is only that one
	Repo     string
	Statuses []release.Status
	Before   release.ID // only those queued before this one
	Limit    int        // 0: 50; at most 1000
}

// Save writes the release and the event about it in one transaction and
// returns the event's seq. The event gets the release, its lane, and, where
// empty, the kind "status" and the present time. A release that has ended is
// never changed again: ErrEnded.
func (s *Store) Save(ctx context.Context, r release.Release, ev release.Event) (int64, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return 0, fmt.Errorf("save release: %w", err)
	}
	ev.Lane, ev.Release = r.Lane, &r
	if ev.Kind == "" {
		ev.Kind = release.EventStatus
	}
	var seq int64
	err = s.update(ctx, "save release", func(ctx context.Context, t tx) error {
		var was release.Status
		err := t.QueryRowContext(ctx, "SELECT status FROM releases WHERE id = ?", string(r.ID)).Scan(&was)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if was.Terminal() {
			return fmt.Errorf("%s is %s: %w", r.ID, was, ErrEnded)
		}
		_, err = releasesTable.put(ctx, t, string(r.ID), r.Lane.Service, r.Lane.Destination, r.Revision.Repo, string(r.Status), string(body))
		if err != nil {
			return err
		}
		seq, err = appendEvent(ctx, t, ev)
		return err
	})
	if err != nil {
		return 0, err
	}
	s.announce()
	return seq, nil
}

// Release returns one release; ErrNotFound when there is none.
func (s *Store) Release(ctx context.Context, id release.ID) (release.Release, error) {
	var body string
	if err := s.one(ctx, "read release", "SELECT body FROM releases WHERE id = ?", []any{string(id)}, &body); err != nil {
		return release.Release{}, err
	}
	return decode[release.Release]("read release", body)
}

// Releases returns the releases that f selects, newest first.
func (s *Store) Releases(ctx context.Context, f Filter) ([]release.Release, error) {
	q, args := "SELECT body FROM releases WHERE 1", []any{}
	if f.Lane != (release.Lane{}) {
		q, args = q+" AND service = ? AND destination = ?", append(args, f.Lane.Service, f.Lane.Destination)
	}
	if f.Repo != "" {
		q, args = q+" AND repo = ?", append(args, f.Repo)
	}
	if len(f.Statuses) > 0 {
		q += " AND status IN (?" + strings.Repeat(", ?", len(f.Statuses)-1) + ")"
		for _, status := range f.Statuses {
			args = append(args, string(status))
		}
	}
	if f.Before != "" {
		q, args = q+" AND n < (SELECT n FROM releases WHERE id = ?)", append(args, string(f.Before))
	}
	return s.releases(ctx, q+" ORDER BY n DESC LIMIT ?", append(args, limit(f.Limit))...)
}

// Unfinished returns the releases that have not ended, oldest first.
func (s *Store) Unfinished(ctx context.Context) ([]release.Release, error) {
	return s.releases(ctx, "SELECT body FROM releases WHERE status NOT IN (?, ?, ?, ?, ?, ?) ORDER BY n",
		string(release.Succeeded), string(release.RolledBack), string(release.Failed),
		string(release.Superseded), string(release.NeedsHuman), string(release.Unchanged))
}

// LastSucceeded returns the lane's newest release that succeeded, if any.
func (s *Store) LastSucceeded(ctx context.Context, lane release.Lane) (release.Release, bool, error) {
	all, err := s.Releases(ctx, Filter{Lane: lane, Statuses: []release.Status{release.Succeeded}, Limit: 1})
	if err != nil || len(all) == 0 {
		return release.Release{}, false, err
	}
	return all[0], true, nil
}

func (s *Store) releases(ctx context.Context, q string, args ...any) ([]release.Release, error) {
	return bodies[release.Release](ctx, s, "read releases", q, args...)
}

// bodies runs a query for one column of JSON and decodes each.
func bodies[T any](ctx context.Context, s *Store, verb, q string, args ...any) ([]T, error) {
	var all []T
	err := s.query(ctx, verb, q, args, func(rows *sql.Rows) error {
		var body string
		if err := rows.Scan(&body); err != nil {
			return err
		}
		v, err := decode[T](verb, body)
		all = append(all, v)
		return err
	})
	return all, err
}

func decode[T any](verb, body string) (T, error) {
	var v T
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		return v, fmt.Errorf("%s: decode: %w", verb, err)
	}
	return v, nil
}

func limit(n int) int {
	if n <= 0 {
		return defaultLimit
	}
	return min(n, maxLimit)
}
