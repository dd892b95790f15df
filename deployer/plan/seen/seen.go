// Package seen is what a lane's hosts run, as they were read at about one
// moment: containers, the reverse proxy, its routes, and by which names and
// labels they are found.
//
// Lives here: those values and what can be read off them. Pure. May not live
// here: what should run (plan), the reading (observe).
package seen

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan/option"
	"github.com/fairlead-deploy/fairlead/release"
)

// The labels by which containers are found. The first three are Kamal's.
const (
	LabelService     = "service"
	LabelRole        = "role"
	LabelDestination = "destination"
	LabelRelease     = "fairlead.release"
	LabelReplica     = "fairlead.replica" // which of several of a role on a host, from 2
)

// Key identifies a unit across versions.
type Key struct {
	Host    string `json:"host"`
	Role    string `json:"role"`
	Replica int    `json:"replica,omitempty"` // 0 is the first
}

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
	Present bool   // its container exists: kamal-proxy, or traefik
	Running bool   //
	Ours    bool   // it is Fairlead's own
	Image   string // such as "basecamp/kamal-proxy:v0.9.2"
	ID      string
	// Rival is the container of another proxy, which runs in its place; "" is none.
	Rival string
}

// Contested says that another proxy has the host, which a rollout never
// replaces; "" where none does.
func (p Proxy) Contested() string {
	if p.Rival == "" {
		return ""
	}
	kind := "traefik"
	if p.Rival == kind {
		kind = "fairlead"
	}
	return fmt.Sprintf("its proxy is the container %s, which a rollout never replaces, and deploy.yml wants another: `fairlead proxy use %s` replaces it", p.Rival, kind)
}

// Live is a route as the proxy lists it.
type Live struct {
	Service string
	Target  string   // "3f2a9c1e0aa5:3000"
	More    []string // further targets, where there are several
	State   string   // "running", "paused", "stopped"
	// Route is what the proxy tells of it, without the timeouts of a deploy, which
	// none keeps; nil where it tells nothing.
	Route *option.Route
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
	return slices.DeleteFunc(o.All(lane, k), func(c container.Observed) bool { return ReplicaOf(c) != k.Replica })
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

// Targets are the id prefixes, or names, that a proxy sends a service to.
type Targets []string

// Routed returns where the host's proxy sends a service.
func (h Host) Routed(service string) (to Targets, live *Live) {
	for i, r := range h.Routes {
		if r.Service == service {
			return r.To(), &h.Routes[i]
		}
	}
	return nil, nil
}

// To is where the route leads.
func (l Live) To() (to Targets) {
	for _, target := range append([]string{l.Target}, l.More...) {
		host, _, _ := strings.Cut(target, ":")
		to = append(to, host)
	}
	return to
}

// IsTarget tells whether a container is one of them.
func IsTarget(c container.Observed, to Targets) bool {
	return slices.ContainsFunc(to, func(target string) bool {
		return target != "" && (strings.HasPrefix(c.ID, target) || c.Name == target)
	})
}

// VersionOf reads a container's version from its name, as Kamal does:
// SERVICE-ROLE[-DEST]-VERSION, perhaps with _replaced_… behind. Of further
// replicas the name has their number, too.
func VersionOf(lane release.Lane, c container.Observed) string {
	prefix := Name(lane, c.Spec.Labels[LabelRole]) + "-"
	v, ok := strings.CutPrefix(c.Name, prefix)
	if !ok {
		return ""
	}
	v, _, _ = strings.Cut(v, "_replaced_")
	if n := ReplicaOf(c); n > 0 {
		v = strings.TrimSuffix(v, Suffix(n))
	}
	return v
}

// Name returns SERVICE-ROLE[-DEST], the name of a unit's route and the
// beginning of its containers' names.
func Name(lane release.Lane, role string) string {
	name := lane.Service + "-" + role
	if lane.Destination != "" {
		name += "-" + lane.Destination
	}
	return name
}

// Told says how much the host's proxy tells of a route; live is the route, nil
// where there is none.
func (h Host) Told(live *Live) option.Told {
	switch {
	case live != nil && live.Route == nil:
		return option.Nothing
	case live != nil && live.Part:
		return option.Table
	case live != nil || h.Proxy.Ours || !h.Proxy.Present: // Fairlead's own is about to be booted
		return option.Everything
	}
	return option.Nothing
}

// Changed names what the proxy tells of a live route and is not as wanted.
func (h Host) Changed(live *Live, want option.Route) []container.Change {
	if live == nil || live.Route == nil {
		return nil
	}
	list := want.Differences(*live.Route, option.Table, h.Told(live))
	// What has a meaning with another option only follows that one.
	return slices.DeleteFunc(list, func(c container.Change) bool {
		return (c.Was == "" || c.Want == "") && (c.Field == option.StripPrefix || c.Field == option.Redirect)
	})
}

// Overlay puts what the proxy tells of a route over what else is known of it.
func (l Live) Overlay(known option.Route) option.Route {
	if l.Route == nil {
		return known
	}
	r := *l.Route
	if l.Part {
		r = known
		r.Hosts, r.PathPrefixes, r.TLS, r.Port = l.Route.Hosts, l.Route.PathPrefixes, l.Route.TLS, l.Route.Port
	}
	r.Service, r.DeployTimeout, r.DrainTimeout = known.Service, known.DeployTimeout, known.DrainTimeout
	return r
}

// ReplicaOf tells which of its role's containers on the host one is, 0 for the
// first.
func ReplicaOf(c container.Observed) int {
	n, err := strconv.Atoi(c.Spec.Labels[LabelReplica])
	if err != nil || n < 2 {
		return 0
	}
	return n - 1
}

// Suffix is what the name of a replica has behind.
func Suffix(replica int) string {
	if replica == 0 {
		return ""
	}
	return "-" + strconv.Itoa(replica+1)
}

// Replicas returns the containers of the same version as one, and of its role,
// that are its fellows on a host: one per replica, the newest; itself included.
func Replicas(lane release.Lane, c container.Observed, list []container.Observed) (all []container.Observed) {
	for _, other := range list {
		same := func(have container.Observed) bool { return ReplicaOf(have) == ReplicaOf(other) }
		if VersionOf(lane, other) == VersionOf(lane, c) && ReplicaOf(other) != ReplicaOf(c) && !slices.ContainsFunc(all, same) {
			all = append(all, other)
		}
	}
	all = append(all, c)
	slices.SortFunc(all, func(a, b container.Observed) int { return cmp.Compare(ReplicaOf(a), ReplicaOf(b)) })
	return all
}

// Whole is a route as far as it is known: what the proxy tells of it, over what
// the label of its container says, over Kamal's defaults.
func (l Live) Whole(label string) option.Route {
	known := option.Route{
		Service: l.Service, StripPrefix: true, TLSRedirect: true, ForwardHeaders: true, BufferRequests: true, BufferResponses: true,
		HealthPath: "/up", HealthInterval: time.Second, HealthTimeout: 5 * time.Second,
		DeployTimeout: kamalTimeout, DrainTimeout: kamalTimeout, ResponseTimeout: kamalTimeout,
	}
	if l.Route != nil {
		known.ForwardHeaders = !l.Route.TLS
	}
	if said, ok := RouteIn(label); ok {
		known = said
	}
	r := l.Overlay(known)
	r.Service = l.Service
	return r
}

// RouteIn reads a label; false where it is none.
func RouteIn(label string) (r option.Route, ok bool) {
	err := json.Unmarshal([]byte(label), &r)
	return r, err == nil && r.Service != ""
}

// kamalTimeout is Kamal's default of a deploy, a drain, a response.
const kamalTimeout = 30 * time.Second

// Serves tells whether the host's proxy sends a route's requests to a
// container, as far as it tells with the options that are wanted.
func (h Host) Serves(want option.Route, c container.Observed) bool {
	to, live := h.Routed(want.Service)
	return IsTarget(c, to) && len(h.Changed(live, want)) == 0
}
