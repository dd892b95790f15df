// Package claim keeps whose a service is: two repositories that deploy one
// would undo each other for ever.
//
// Lives here: that table, in memory. May not live here: what is deployed.
package claim

import (
	"fmt"
	"maps"
	"sync"

	"github.com/fairlead-deploy/fairlead/release"
)

// Place is where a service comes from: known before its deploy.yml is read.
type Place struct{ Repo, Destination string }

// Table has one owner per service. Its zero value is empty; it is safe for
// concurrent use.
type Table struct {
	mu     sync.Mutex
	owners map[release.Lane]Place
}

// Of returns the service that a place had last.
func (t *Table) Of(p Place) (release.Lane, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, owner := range t.owners {
		if owner == p {
			return name, true
		}
	}
	return release.Lane{}, false
}

// Own makes a service the place's, or says whose it is.
func (t *Table) Own(name release.Lane, p Place) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if other, ok := t.owners[name]; ok && other != p {
		return fmt.Errorf("service %s is already deployed by repository %s; give one of them another `service:` or `destination:`", name, other.Repo)
	}
	if t.owners == nil {
		t.owners = map[release.Lane]Place{}
	}
	maps.DeleteFunc(t.owners, func(_ release.Lane, owner Place) bool { return owner == p })
	t.owners[name] = p
	return nil
}
