package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// Effect is something a release does to the world: announced before, its
// result noted after. One that is not done may have happened, or half.
type Effect struct {
	Release  release.ID
	Step     string // unique within the release
	Payload  []byte // the doer's own notes
	Intended time.Time
	Result   string
	Done     time.Time // zero: intended only
}

// Intend announces an effect. Repeating it changes nothing: the first
// announcement, its payload and any result stay.
func (s *Store) Intend(ctx context.Context, id release.ID, step string, payload []byte) error {
	return s.update(ctx, "intend effect", func(ctx context.Context, t tx) error {
		var n int
		err := t.QueryRowContext(ctx, "SELECT count(*) FROM effects WHERE release = ? AND step = ?", string(id), step).Scan(&n)
		if err != nil || n > 0 {
			return err
		}
		if payload == nil {
			payload = []byte{}
		}
		_, err = effectsTable.put(ctx, t, string(id), step, payload, t.now.UnixNano(), "", int64(0))
		return err
	})
}

// Done notes the result of an announced effect; ErrNotIntended when it was not.
// A later result replaces an earlier one.
func (s *Store) Done(ctx context.Context, id release.ID, step, result string) error {
	return s.update(ctx, "finish effect", func(ctx context.Context, t tx) error {
		var payload []byte
		var intended int64
		err := t.QueryRowContext(ctx, "SELECT payload, intended FROM effects WHERE release = ? AND step = ?", string(id), step).
			Scan(&payload, &intended)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%s of %s: %w", step, id, ErrNotIntended)
		}
		if err != nil {
			return err
		}
		if payload == nil {
			payload = []byte{}
		}
		_, err = effectsTable.put(ctx, t, string(id), step, payload, intended, result, t.now.UnixNano())
		return err
	})
}

// Effects returns what the release announced, in that order.
func (s *Store) Effects(ctx context.Context, id release.ID) ([]Effect, error) {
	var all []Effect
	err := s.query(ctx, "read effects", "SELECT step, payload, intended, result, done FROM effects WHERE release = ? ORDER BY intended, rowid",
		[]any{string(id)}, func(r *sql.Rows) error {
			e := Effect{Release: id}
			var intended, done int64
			err := r.Scan(&e.Step, &e.Payload, &intended, &e.Result, &done)
			e.Intended, e.Done = fromNano(intended), fromNano(done)
			all = append(all, e)
			return err
		})
	return all, err
}

// SaveConfig keeps the resolved configuration of a release, for an exact
// rollback. It must not contain secrets.
func (s *Store) SaveConfig(ctx context.Context, id release.ID, body []byte) error {
	return s.update(ctx, "save configuration", func(ctx context.Context, t tx) error {
		_, err := configsTable.put(ctx, t, string(id), append([]byte{}, body...))
		return err
	})
}

// Config returns what SaveConfig kept; ErrNotFound when nothing.
func (s *Store) Config(ctx context.Context, id release.ID) ([]byte, error) {
	var body []byte
	err := s.one(ctx, "read configuration", "SELECT body FROM configs WHERE release = ?", []any{string(id)}, &body)
	return body, err
}

// Pin remembers which digest the reference ref (a tag) had for the commit sha
// of a lane. The first answer stays: a tag is resolved once per revision.
func (s *Store) Pin(ctx context.Context, lane release.Lane, sha, ref, digest string) error {
	return s.update(ctx, "pin image", func(ctx context.Context, t tx) error {
		var n int
		err := t.QueryRowContext(ctx, "SELECT count(*) FROM pins WHERE service = ? AND destination = ? AND sha = ? AND ref = ?",
			lane.Service, lane.Destination, sha, ref).Scan(&n)
		if err != nil || n > 0 {
			return err
		}
		_, err = pinsTable.put(ctx, t, lane.Service, lane.Destination, sha, ref, digest, t.now.UnixNano())
		return err
	})
}

// Repin is Pin for a tag that moved and is followed: the old digest is forgotten.
func (s *Store) Repin(ctx context.Context, lane release.Lane, sha, ref, digest string) error {
	return s.update(ctx, "pin image again", func(ctx context.Context, t tx) error {
		_, err := pinsTable.put(ctx, t, lane.Service, lane.Destination, sha, ref, digest, t.now.UnixNano())
		return err
	})
}

// Pinned returns the digest that Pin remembers.
func (s *Store) Pinned(ctx context.Context, lane release.Lane, sha, ref string) (string, bool, error) {
	var digest string
	err := s.one(ctx, "read pin", "SELECT digest FROM pins WHERE service = ? AND destination = ? AND sha = ? AND ref = ?",
		[]any{lane.Service, lane.Destination, sha, ref}, &digest)
	return digest, err == nil, unlessMissing(err)
}

// unlessMissing drops ErrNotFound, for those who answer with a bool.
func unlessMissing(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

func fromNano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
