package daemon

import (
	"context"
	"sync"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// glances are the last looks at repositories, of which the store keeps only one
// a minute while nothing changes.
type glances struct {
	mu   sync.Mutex
	last map[string]release.Look
}

func (g *glances) note(l release.Look) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.last == nil {
		g.last = map[string]release.Look{}
	}
	g.last[l.Repo] = l
}

// fresher returns the look that is newer: the stored one, or the last.
func (g *glances) fresher(stored release.Look) release.Look {
	g.mu.Lock()
	defer g.mu.Unlock()
	last, ok := g.last[stored.Repo]
	if !ok || !last.At.After(stored.At) {
		return stored
	}
	if last.OKFrom.IsZero() {
		last.OKFrom = stored.OKFrom
	}
	return last
}

// freshMemory is the store with the looks as they are now.
type freshMemory struct {
	*store.Store
	glances *glances
}

// Looks returns the last look at each repository, ordered by name.
func (m freshMemory) Looks(ctx context.Context) ([]release.Look, error) {
	list, err := m.Store.Looks(ctx)
	for i, l := range list {
		list[i] = m.glances.fresher(l)
	}
	return list, err
}
