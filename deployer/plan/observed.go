package plan

import (
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/release"
)

// Observed is what a lane's hosts run, read at about one moment.
type Observed struct{ Hosts map[string]Host }

// Host is what one host runs of a lane.
type Host struct {
	Err        error // why the host could not be read; then nothing else counts
	Containers []container.Observed
	// Others are the images that containers of other services and destinations
	// were made of: their rollbacks need them.
	Others []string
	// Beside are the containers that are none of the lane's roles: accessories
	// are among them.
	Beside []container.Observed
	Proxy  Proxy
	Routes []Live
	Self   string // id of the container that Fairlead runs in; "" for none
}

// Proxy is the reverse proxy of a host.
type Proxy struct {
	Present bool   // a container of the name kamal-proxy exists
	Running bool   //
	Ours    bool   // it is Fairlead's own
	Image   string // such as "basecamp/kamal-proxy:v0.9.2"
	ID      string
}

// Live is a route as the proxy lists it.
type Live struct {
	Service string
	Target  string   // "3f2a9c1e0aa5:3000"
	More    []string // further targets, where there are several
	State   string   // "running", "paused", "stopped"
	// Route is what the proxy tells of it, without the timeouts of a deploy, which
	// none keeps; nil where it tells nothing.
	Route *Route
	Part  bool // Route has only what kamal-proxy lists: Hosts, PathPrefixes, TLS and Port
	// Split is the target that gets a share of the clients, by the proxy's own
	// cookie; "" for none. Splits tells that the proxy can do that.
	Split  string
	Splits bool
}

// Unreachable returns the hosts that could not be read, sorted, with the first
// of their errors.
func (o Observed) Unreachable() ([]string, error) {
	var names []string
	for name, h := range o.Hosts {
		if h.Err != nil {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	slices.Sort(names)
	return names, o.Hosts[names[0]].Err
}

// Of returns a unit's containers on its host, newest first.
func (o Observed) Of(lane release.Lane, k Key) []container.Observed {
	return slices.DeleteFunc(o.All(lane, k), func(c container.Observed) bool { return replicaOf(c) != k.Replica })
}

// All returns the containers of all replicas of a unit's role on its host,
// newest first.
func (o Observed) All(lane release.Lane, k Key) []container.Observed {
	var mine []container.Observed
	for _, c := range o.Hosts[k.Host].Containers {
		l := c.Spec.Labels
		if l[LabelService] == lane.Service && l[LabelRole] == k.Role && l[LabelDestination] == lane.Destination {
			mine = append(mine, c)
		}
	}
	slices.SortFunc(mine, func(a, b container.Observed) int {
		if c := b.Created.Compare(a.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return mine
}

// Foreign tells whether any of the lane's containers was started by somebody
// else than Fairlead, and names one of them as HOST: CONTAINER.
func (o Observed) Foreign() (string, bool) {
	var found []string
	for host, h := range o.Hosts {
		for _, c := range h.Containers {
			if c.State.IsUp() && c.Spec.Labels[LabelRelease] == "" {
				found = append(found, host+": "+c.Name)
			}
		}
	}
	if len(found) == 0 {
		return "", false
	}
	return slices.Min(found), true
}

// targets are the id prefixes, or names, that a proxy sends a service to.
type targets []string

// routed returns where the host's proxy sends a service.
func (h Host) routed(service string) (to targets, live *Live) {
	for i, r := range h.Routes {
		if r.Service == service {
			return r.hosts(), &h.Routes[i]
		}
	}
	return nil, nil
}

func (l Live) hosts() (to targets) {
	for _, target := range append([]string{l.Target}, l.More...) {
		host, _, _ := strings.Cut(target, ":")
		to = append(to, host)
	}
	return to
}

func isTarget(c container.Observed, to targets) bool {
	return slices.ContainsFunc(to, func(target string) bool {
		return target != "" && (strings.HasPrefix(c.ID, target) || c.Name == target)
	})
}

// VersionOf reads a container's version from its name, as Kamal does:
// SERVICE-ROLE[-DEST]-VERSION, perhaps with _replaced_… behind. Of further
// replicas the name has their number, too.
func VersionOf(lane release.Lane, c container.Observed) string {
	prefix := unitName(lane, c.Spec.Labels[LabelRole]) + "-"
	v, ok := strings.CutPrefix(c.Name, prefix)
	if !ok {
		return ""
	}
	v, _, _ = strings.Cut(v, "_replaced_")
	if n := replicaOf(c); n > 0 {
		v = strings.TrimSuffix(v, suffix(n))
	}
	return v
}

// unitName returns SERVICE-ROLE[-DEST], the name of a unit's route and the
// beginning of its containers' names.
func unitName(lane release.Lane, role string) string {
	name := lane.Service + "-" + role
	if lane.Destination != "" {
		name += "-" + lane.Destination
	}
	return name
}
