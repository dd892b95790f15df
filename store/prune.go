package store

import (
	"context"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// keepSucceeded is how many succeeded releases of a lane outlive every policy:
// the present one and those a rollback may want.
const keepSucceeded = 5

// Keep says what Prune leaves. Zero fields prune nothing of their kind.
type Keep struct {
	Releases int           // the newest this many ended releases of a lane are kept, and …
	Age      time.Duration // … everything younger than this
}

// Pruned counts what was deleted.
type Pruned struct{ Releases, Events, Pins int64 }

// Prune deletes old history: ended releases that are neither among the newest
// nor young, with their effects and configuration; old events that every
// channel has read and sent; old pins; references of messages about them.
// Never an unfinished release, nor a lane's last succeeded ones.
func (s *Store) Prune(ctx context.Context, keep Keep) (Pruned, error) {
	var p Pruned
	if keep.Age <= 0 {
		return p, nil
	}
	err := s.update(ctx, "prune history", func(ctx context.Context, t tx) error {
		p = Pruned{}
		before := t.now.Add(-keep.Age).UnixNano()
		steps := []struct {
			q     string
			args  []any
			count *int64
		}{
			{pruneReleases, []any{string(release.Succeeded), keepSucceeded, max(keep.Releases, 1), before}, &p.Releases},
			{"DELETE FROM effects WHERE release NOT IN (SELECT id FROM releases) AND intended < ?", []any{before}, nil},
			{"DELETE FROM configs WHERE release NOT IN (SELECT id FROM releases)", nil, nil},
			{pruneEvents, []any{before}, &p.Events},
			{"DELETE FROM message_refs WHERE at < ? AND key NOT IN (SELECT id FROM releases)", []any{before}, nil},
			{prunePins, []any{before}, &p.Pins},
		}
		for _, step := range steps {
			res, err := t.ExecContext(ctx, step.q, step.args...)
			if err != nil {
				return err
			}
			if step.count == nil {
				continue
			}
			if *step.count, err = res.RowsAffected(); err != nil {
				return err
			}
		}
		return nil
	})
	return p, err
}

// A release's age is that of its newest event; a release is never younger.
const (
	pruneReleases = `DELETE FROM releases WHERE id IN (
		SELECT id FROM (
			SELECT id, status,
				row_number() OVER (PARTITION BY service, destination ORDER BY n DESC) AS place,
				row_number() OVER (PARTITION BY service, destination, status = ?1 ORDER BY n DESC) AS place_of_kind,
				(SELECT max(at) FROM events WHERE release = id) AS at
			FROM releases)
		WHERE status IN ('succeeded', 'rolled_back', 'failed', 'superseded', 'needs_human', 'unchanged')
			AND NOT (status = ?1 AND place_of_kind <= ?2)
			AND place > ?3 AND coalesce(at, 0) < ?4)`

	pruneEvents = `DELETE FROM events WHERE at < ?
		AND release NOT IN (SELECT id FROM releases)
		AND seq NOT IN (SELECT seq FROM outbox)
		AND seq <= coalesce((SELECT min(read) FROM channels), 9223372036854775807)`

	prunePins = `DELETE FROM pins WHERE at < ?
		AND sha NOT IN (SELECT json_extract(body, '$.revision.sha') FROM releases)`
)
