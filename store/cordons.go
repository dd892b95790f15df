package store

import (
	"context"
	"encoding/json"

	"github.com/fairlead-deploy/fairlead/release"
)

// Cordon keeps new releases off a host; a later cordon replaces an earlier.
func (s *Store) Cordon(ctx context.Context, c release.Cordon) error {
	return s.update(ctx, "cordon host", func(ctx context.Context, t tx) error {
		c.Since = moment(c.Since, t.now)
		body, err := json.Marshal(c)
		if err != nil {
			return err
		}
		_, err = cordonsTable.put(ctx, t, c.Host, string(body))
		return err
	})
}

// Uncordon ends a host's cordon, if there is one.
func (s *Store) Uncordon(ctx context.Context, host string) error {
	return s.update(ctx, "end cordon", func(ctx context.Context, t tx) error {
		_, err := t.ExecContext(ctx, "DELETE FROM cordons WHERE host = ?", host)
		return err
	})
}

// Cordons returns all cordons, ordered by host.
func (s *Store) Cordons(ctx context.Context) ([]release.Cordon, error) {
	return bodies[release.Cordon](ctx, s, "read cordons", "SELECT body FROM cordons ORDER BY host")
}
