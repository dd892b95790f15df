// Package clash finds, before anything is touched, services that want the same
// requests of one server's proxy: the same host name and path.
//
// It is pure: what is wanted and what was observed in, a plan out. It changes
// no step of a plan; it only refuses one.
package clash

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

// place is what a proxy decides by: a host name and the beginning of a path.
type place struct{ host, path string }

func (p place) String() string {
	return cmp.Or(p.host, "every host name") + p.path
}

// places are those of a route; no host names mean every one, no paths all.
func places(hosts, paths []string) (list []place) {
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	if len(paths) == 0 {
		paths = []string{"/"}
	}
	for _, host := range hosts {
		for _, path := range paths {
			list = append(list, place{host, path})
		}
	}
	return list
}

// Refuse refuses a plan that would give a route to a service where the proxy
// has the same place for another one, or two services of d want it: the proxy
// would say so only at the switch.
func Refuse(p plan.Plan, d plan.Desired, o plan.Observed) plan.Plan {
	if p.Refused != "" {
		return p
	}
	for _, u := range d.Units {
		if u.Route == nil || !switches(p, u) {
			continue
		}
		if other, at, found := holder(d, o, u); found {
			return plan.Plan{Changes: p.Changes, Orphans: p.Orphans, Refused: fmt.Sprintf(
				"%s and %s both want %s on %s, and the proxy there can give it to one of them: "+
					"give one another proxy.host or proxy.path_prefix, or take the other away (on %[4]s: docker exec kamal-proxy kamal-proxy remove %[2]s)",
				u.Route.Service, other, at, u.Host)}
		}
	}
	return p
}

// switches tells whether the plan sets the unit's route.
func switches(p plan.Plan, u plan.Unit) bool {
	for _, st := range p.Stages {
		for _, step := range st.Steps[u.Host] {
			if s, ok := step.(plan.Switch); ok && s.Route.Service == u.Route.Service {
				return true
			}
		}
	}
	return false
}

// holder is the other service that has, or wants, a place of the unit's route.
func holder(d plan.Desired, o plan.Observed, u plan.Unit) (service string, at place, found bool) {
	mine := places(u.Route.Hosts, u.Route.PathPrefixes)
	shared := func(service string, theirs []place) bool {
		if service == u.Route.Service {
			return false
		}
		i := slices.IndexFunc(mine, func(p place) bool { return slices.Contains(theirs, p) })
		if i >= 0 {
			at = mine[i]
		}
		return i >= 0
	}
	wanted := map[string]bool{} // their routes will be as d says, not as they are
	for _, other := range d.Units {
		if other.Host != u.Host || other.Route == nil {
			continue
		}
		wanted[other.Route.Service] = true
		if shared(other.Route.Service, places(other.Route.Hosts, other.Route.PathPrefixes)) {
			return other.Route.Service, at, true
		}
	}
	for _, live := range o.Hosts[u.Host].Routes {
		if r := live.Route; r != nil && !wanted[live.Service] && shared(live.Service, places(r.Hosts, r.PathPrefixes)) {
			return live.Service, at, true
		}
	}
	return "", at, false
}
