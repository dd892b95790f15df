// Package place finds what a person means: the repository and destination that
// an order is about, by the name of either or of the service, all of which may
// be left out where there is no choice.
//
// It is pure: how everything stands, and what fairlead.yml says, come in.
package place

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server"
)

// Place is what an order is about.
type Place struct {
	Repo string
	Lane release.Lane // Service is "" before the first release
}

func (p Place) String() string { return cmp.Or(p.Lane.String(), p.Repo) }

// Find finds the one place that a name (of a service, a lane or a repository,
// or "") and a destination (or "") can mean. The error, a *server.Error, names
// those that there are.
func Find(places []Place, name, destination string) (Place, error) {
	var fit []Place
	for _, p := range places {
		named := name == "" || name == p.Repo || name == p.Lane.Service || name == p.Lane.String()
		if named && (destination == "" || destination == p.Lane.Destination) {
			fit = append(fit, p)
		}
	}
	exact := slices.IndexFunc(fit, func(p Place) bool { return name == p.Lane.String() })
	switch {
	case len(fit) == 1:
		return fit[0], nil
	case name != "" && exact >= 0:
		return fit[exact], nil
	case len(fit) > 1:
		return Place{}, &server.Error{Message: "there are several that this could mean", Hint: "name one of " + list(fit) + ", or its destination with -d"}
	case len(places) == 0:
		return Place{}, &server.Error{Message: "the daemon watches no repository", Hint: "add one under `repositories:` in fairlead.yml"}
	}
	what := strings.TrimSpace(cmp.Or(name, "service") + " " + destination)
	return Place{}, &server.Error{Message: "there is no " + what + " here", Hint: "there are " + list(places)}
}

// All are all places, one per repository and destination: those that
// fairlead.yml names (conf may be nil, where it cannot be read), as the newest
// release there calls them.
func All(st server.Status, conf *config.Config) []Place {
	var all []Place
	for _, r := range st.Repositories {
		newest := map[string]server.Service{}
		for _, s := range st.Services {
			old, known := newest[s.Lane.Destination]
			if s.Repo == r.Name && (!known || s.Latest.Queued.After(old.Latest.Queued)) {
				newest[s.Lane.Destination] = s
			}
		}
		for _, d := range destinations(conf, r.Name, newest) {
			lane := release.Lane{Destination: d}
			if s, ok := newest[d]; ok {
				lane = s.Lane
			}
			all = append(all, Place{r.Name, lane})
		}
	}
	return all
}

// destinations are fairlead.yml's, or, where it cannot be read, those that were
// deployed to.
func destinations(conf *config.Config, repo string, deployed map[string]server.Service) []string {
	if conf != nil {
		if r, ok := conf.Repositories[repo]; ok && len(r.Destinations) > 0 {
			return r.Destinations
		}
		return []string{""}
	}
	if len(deployed) == 0 {
		return []string{""}
	}
	return slices.Sorted(maps.Keys(deployed))
}

func list(places []Place) string {
	var names []string
	for _, p := range places {
		name := p.String()
		if p.Lane.Service == "" && p.Lane.Destination != "" {
			name = fmt.Sprintf("%s -d %s", p.Repo, p.Lane.Destination)
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}
