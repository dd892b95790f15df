package daemon

import (
	"context"
	"errors"

	"github.com/fairlead-deploy/fairlead/deployer"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// memory ties the store to what the deployer asks of it.
type memory struct {
	*store.Store
	confidant *confidant
}

// Save keeps a release without the secrets that its app has told of.
func (m memory) Save(ctx context.Context, r release.Release, ev release.Event) (int64, error) {
	if r.Failure != nil {
		r.Failure = m.confidant.failure(*r.Failure)
		r.Reason, ev.Message = m.confidant.scrubber.Scrub(r.Reason), m.confidant.scrubber.Scrub(ev.Message)
	}
	return m.Store.Save(ctx, r, ev)
}

func (m memory) Recent(ctx context.Context, lane release.Lane, n int) ([]release.Release, error) {
	return m.Releases(ctx, store.Filter{Lane: lane, Limit: n})
}

func (m memory) Succeeded(ctx context.Context, lane release.Lane, n int) ([]release.Release, error) {
	return m.Releases(ctx, store.Filter{Lane: lane, Statuses: []release.Status{release.Succeeded}, Limit: n})
}

// Config returns nil where the store says that there is none.
func (m memory) Config(ctx context.Context, id release.ID) ([]byte, error) {
	body, err := m.Store.Config(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return body, err
}

func newMemory(s *store.Store, c *confidant) deployer.Memory {
	m := memory{s, c}
	return deployer.Memory{
		Releases: m, Effects: m, Pins: m, Quarantines: m, Wishes: m, Adoptions: m, Alerts: m,
	}
}
