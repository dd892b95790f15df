package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// Hold keeps a lane where a person put it; a later hold replaces an earlier.
func (s *Store) Hold(ctx context.Context, h release.Hold) error {
	return s.update(ctx, "hold lane", func(ctx context.Context, t tx) error {
		h.Since = moment(h.Since, t.now)
		body, err := json.Marshal(h)
		if err != nil {
			return err
		}
		_, err = holdsTable.put(ctx, t, h.Lane.Service, h.Lane.Destination, string(body))
		return err
	})
}

// Unhold ends a lane's hold, if there is one.
func (s *Store) Unhold(ctx context.Context, lane release.Lane) error {
	return s.forget(ctx, "end hold", "DELETE FROM holds WHERE service = ? AND destination = ?", lane)
}

// Held returns the lane's hold, nil when it has none.
func (s *Store) Held(ctx context.Context, lane release.Lane) (*release.Hold, error) {
	all, err := bodies[release.Hold](ctx, s, "read hold", "SELECT body FROM holds WHERE service = ? AND destination = ?",
		lane.Service, lane.Destination)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

// Holds returns all holds, ordered by lane.
func (s *Store) Holds(ctx context.Context) ([]release.Hold, error) {
	return bodies[release.Hold](ctx, s, "read holds", "SELECT body FROM holds ORDER BY service, destination")
}

// Quarantine remembers that the release id with this identity got a verdict
// on a lane. The first one stays.
func (s *Store) Quarantine(ctx context.Context, lane release.Lane, identity string, id release.ID) error {
	return s.update(ctx, "quarantine", func(ctx context.Context, t tx) error {
		var n int
		err := t.QueryRowContext(ctx, "SELECT count(*) FROM quarantines WHERE service = ? AND destination = ? AND identity = ?",
			lane.Service, lane.Destination, identity).Scan(&n)
		if err != nil || n > 0 {
			return err
		}
		_, err = quarantinesTable.put(ctx, t, lane.Service, lane.Destination, identity, string(id), t.now.UnixNano())
		return err
	})
}

// Quarantined returns the release that put the identity into quarantine.
func (s *Store) Quarantined(ctx context.Context, lane release.Lane, identity string) (release.ID, bool, error) {
	var id string
	err := s.one(ctx, "read quarantine", "SELECT release FROM quarantines WHERE service = ? AND destination = ? AND identity = ?",
		[]any{lane.Service, lane.Destination, identity}, &id)
	return release.ID(id), err == nil, unlessMissing(err)
}

// LiftQuarantine ends every quarantine of a lane.
func (s *Store) LiftQuarantine(ctx context.Context, lane release.Lane) error {
	return s.forget(ctx, "lift quarantine", "DELETE FROM quarantines WHERE service = ? AND destination = ?", lane)
}

// Adoption says who let Fairlead take over a lane.
type Adoption struct {
	By string
	At time.Time
}

// Adopt remembers that Fairlead has taken over a lane. The first one stays.
func (s *Store) Adopt(ctx context.Context, lane release.Lane, by string) error {
	return s.update(ctx, "adopt lane", func(ctx context.Context, t tx) error {
		var n int
		err := t.QueryRowContext(ctx, "SELECT count(*) FROM adoptions WHERE service = ? AND destination = ?",
			lane.Service, lane.Destination).Scan(&n)
		if err != nil || n > 0 {
			return err
		}
		_, err = adoptionsTable.put(ctx, t, lane.Service, lane.Destination, by, t.now.UnixNano())
		return err
	})
}

// Adopted tells whether Fairlead has taken over a lane.
func (s *Store) Adopted(ctx context.Context, lane release.Lane) (bool, error) {
	_, err := s.Adoption(ctx, lane)
	return err == nil, unlessMissing(err)
}

// Adoption returns who adopted a lane; ErrNotFound when nobody did.
func (s *Store) Adoption(ctx context.Context, lane release.Lane) (Adoption, error) {
	var a Adoption
	var at int64
	err := s.one(ctx, "read adoption", "SELECT by, at FROM adoptions WHERE service = ? AND destination = ?",
		[]any{lane.Service, lane.Destination}, &a.By, &at)
	a.At = fromNano(at)
	return a, err
}

// SaveLook remembers the last look at a repository. A look without OKFrom
// keeps the one known before.
func (s *Store) SaveLook(ctx context.Context, look release.Look) error {
	return s.update(ctx, "save look", func(ctx context.Context, t tx) error {
		if look.OKFrom.IsZero() {
			var body string
			err := t.QueryRowContext(ctx, "SELECT body FROM looks WHERE repo = ?", look.Repo).Scan(&body)
			if err := unlessNoRows(err); err != nil {
				return err
			}
			if body != "" {
				was, err := decode[release.Look]("read look", body)
				if err != nil {
					return err
				}
				look.OKFrom = was.OKFrom
			}
		}
		body, err := json.Marshal(look)
		if err != nil {
			return err
		}
		_, err = looksTable.put(ctx, t, look.Repo, string(body))
		return err
	})
}

// Looks returns the last look at each repository, ordered by name.
func (s *Store) Looks(ctx context.Context) ([]release.Look, error) {
	return bodies[release.Look](ctx, s, "read looks", "SELECT body FROM looks ORDER BY repo")
}

func (s *Store) forget(ctx context.Context, verb, q string, lane release.Lane) error {
	return s.update(ctx, verb, func(ctx context.Context, t tx) error {
		_, err := t.ExecContext(ctx, q, lane.Service, lane.Destination)
		return err
	})
}

func unlessNoRows(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}
