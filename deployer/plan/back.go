package plan

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan/option"
	"github.com/fairlead-deploy/fairlead/deployer/plan/seen"
	"github.com/fairlead-deploy/fairlead/release"
)

// Existing is a container that ran before a rollout, with its route.
type Existing struct {
	Ref
	Version string `json:"version"`
	Route   *Route `json:"route,omitempty"`
}

// Baseline is what a rollout goes back to: per unit the container that did its
// work before. A unit without one had nothing.
type Baseline map[Key]Existing

// In tells whether all of it is still there.
func (b Baseline) In(lane release.Lane, o Observed) bool {
	for k, e := range b {
		if !slices.ContainsFunc(o.Of(lane, k), func(c container.Observed) bool { return c.ID == e.ID }) {
			return false
		}
	}
	return true
}

// Versions are those that it has, each once; more than one where a host was
// left out of a release and could not take it later.
func (b Baseline) Versions() []string {
	var list []string
	for _, e := range b {
		list = append(list, e.Version)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Gone tells whether the container is not on its host any more, of a host that
// was read.
func (e Existing) Gone(lane release.Lane, o Observed, k Key) bool {
	host, read := o.Hosts[k.Host]
	return read && host.Err == nil &&
		!slices.ContainsFunc(o.Of(lane, k), func(c container.Observed) bool { return c.ID == e.ID })
}

// Rebase turns to containers that a release made in place of those that are
// gone, and tells whether any is missing still.
func (b Baseline) Rebase(lane release.Lane, o Observed, by release.ID) (missing bool) {
	for k, e := range b {
		if !e.Gone(lane, o, k) {
			continue
		}
		i := slices.IndexFunc(o.Of(lane, k), func(c container.Observed) bool {
			return by != "" && c.Spec.Labels[LabelRelease] == string(by)
		})
		if i < 0 {
			missing = true
			continue
		}
		c := o.Of(lane, k)[i]
		e.Ref = Ref{ID: c.ID, Name: c.Name}
		b[k] = e
	}
	return missing
}

// With adds what was found on some hosts, which were left out until now.
func (b Baseline) With(found Baseline, hosts []string) Baseline {
	all := maps.Clone(b)
	for k, e := range found {
		if _, known := b[k]; !known && slices.Contains(hosts, k.Host) {
			all[k] = e
		}
	}
	return all
}

// baselineEntry is the stored form: a list of them, since a Key cannot be a
// JSON key.
type baselineEntry struct {
	Key
	Existing Existing `json:"existing"`
}

// MarshalJSON writes the baseline as a list sorted by host and role.
func (b Baseline) MarshalJSON() ([]byte, error) {
	list := []baselineEntry{}
	for k, e := range b {
		list = append(list, baselineEntry{k, e})
	}
	slices.SortFunc(list, func(x, y baselineEntry) int {
		return cmp.Or(cmp.Compare(x.Host, y.Host), cmp.Compare(x.Role, y.Role), cmp.Compare(x.Replica, y.Replica))
	})
	return json.Marshal(list)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (b *Baseline) UnmarshalJSON(text []byte) error {
	var list []baselineEntry
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	*b = Baseline{}
	for _, e := range list {
		(*b)[e.Key] = e.Existing
	}
	return nil
}

// Left is what releases that succeeded left on a host.
type Left struct {
	Newest release.Release // of those that were put on it; zero when none is known
	Traces []string        // of them, the newest first (see Retained)
}

// BaselineOf finds what ran before release d. What the releases before it left
// on each host, by traces, or else what is of the newest one's version and
// image, goes before whatever a half-done rollout left.
func BaselineOf(d Desired, o Observed, left map[string]Left) Baseline {
	b := Baseline{}
	for _, u := range append(slices.Clone(d.Units), d.beyond(o)...) {
		var target seen.Targets
		var live *Live
		if u.Route != nil {
			target, live = o.Hosts[u.Host].Routed(u.Route.Service)
		}
		best, rank := container.Observed{}, 0
		for _, c := range o.Of(d.Lane, u.Key()) {
			r := baselineRank(d, c, left[u.Host].Newest, isTarget(c, target))
			if is := leftRank(c, left[u.Host].Traces); r > 0 && is > 0 {
				r += 10 * is // more than for its version
			}
			if r > rank {
				best, rank = c, r
			}
		}
		if rank == 0 {
			continue
		}
		b[u.Key()] = Existing{
			Ref:     Ref{ID: best.ID, Name: best.Name},
			Version: VersionOf(d.Lane, best),
			Route:   formerRoute(u, best, live),
		}
	}
	return b
}

// Over puts what is remembered over what was found later, but for what is gone
// while something else does its work. What is gone and has no successor stays:
// it can be made again.
func (b Baseline) Over(found Baseline, lane release.Lane, o Observed) Baseline {
	all := maps.Clone(found)
	for k, e := range b {
		if _, other := found[k]; !other || (Baseline{k: e}).In(lane, o) {
			all[k] = e
		}
	}
	return all
}

// baselineRank orders candidates: 0 is none at all.
func baselineRank(d Desired, c container.Observed, previous release.Release, routed bool) int {
	if c.Spec.Labels[LabelRelease] == string(d.Release) {
		return 0 // made by this very release, before a crash
	}
	rank := 0
	if routed {
		rank = 2
	} else if c.State.IsUp() {
		rank = 1
	}
	if previous.ID == "" {
		return rank
	}
	if VersionOf(d.Lane, c) == previous.Version && !moved(c, previous) {
		return rank + 10
	}
	return rank
}

// formerRoute returns the options that a container's route had: as the proxy
// tells, else as its label says, else those of today.
func formerRoute(u Unit, c container.Observed, live *Live) *Route {
	if u.Route == nil {
		return nil
	}
	r := *u.Route
	if label := (Route{}); json.Unmarshal([]byte(c.Spec.Labels[LabelRoute]), &label) == nil && label.Service != "" {
		r = label
	}
	if live != nil && isTarget(c, live.To()) {
		r = live.Overlay(r)
	}
	return &r
}

// Back plans the way from a rollout, wherever it stands, to what ran before:
// the same steps as forward, on each host as far as it can, without a gate.
// Containers of the release that ran are stopped, not removed: they tell why.
func Back(d Desired, o Observed, base Baseline) Plan {
	var p Plan
	st := Stage{Name: StageBack}
	for _, role := range grouped(append(slices.Clone(d.Units), d.beyond(o)...)) {
		p.Live = append(p.Live, backRole(&st, d, o, base, role)...)
	}
	if len(st.Steps) > 0 {
		p.Stages = []Stage{st}
	}
	return p
}

// backRole takes one role on one host back, all its replicas together, and
// returns what carries it then.
func backRole(st *Stage, d Desired, o Observed, base Baseline, units []Unit) (live []Watched) {
	var stops, starts []Step
	var never []Ref
	u, host := units[0], units[0].Host
	why := "nothing ran before"
	if slices.ContainsFunc(units, func(u Unit) bool { _, had := base[u.Key()]; return had }) {
		why = "rolled back"
	}
	for _, u := range units {
		e, had := base[u.Key()]
		for _, c := range occupiedExcept(o.Of(d.Lane, u.Key()), e.ID, o.Hosts[host].Self) {
			stops = append(stops, stop(u, c, why))
		}
		never = append(never, neverStarted(d, o, u, e.ID)...)
		if !had {
			continue
		}
		live = append(live, Watched{Unit: u, Ref: e.Ref})
		if !isUp(o, d, u, e) {
			starts = append(starts, Start{u, e.Ref}, Await{Unit: u, Ref: e.Ref})
		}
	}
	switch _, at := o.Hosts[host].Routed(RouteName(d.Lane, u.Role)); {
	case len(live) == 0 && u.Route != nil && at != nil:
		st.add(host, append([]Step{Unroute{u.Route.Service}}, stops...)...)
	case u.Kind == Proxied:
		st.add(host, append(append(starts, backRoute(o, base, live)...), stops...)...)
	default:
		st.add(host, append(append(stops, starts...), backRoute(o, base, live)...)...)
	}
	if len(never) > 0 {
		st.add(host, Prune{Remove: never})
	}
	return live
}

// neverStarted returns the unit's containers that this release made and that
// never ran: they tell nothing, and an engine that failed while it started one
// may never be able to start it again.
func neverStarted(d Desired, o Observed, u Unit, base string) []Ref {
	var refs []Ref
	for _, c := range o.Of(d.Lane, u.Key()) {
		if c.State.Status == container.Created && c.ID != base && c.Spec.Labels[LabelRelease] == string(d.Release) {
			refs = append(refs, Ref{ID: c.ID, Name: c.Name})
		}
	}
	return refs
}

// backRoute sends a role's traffic to what had it.
func backRoute(o Observed, base Baseline, to []Watched) []Step {
	if len(to) == 0 || to[0].Unit.Route == nil || base[to[0].Unit.Key()].Route == nil {
		return nil
	}
	h, s := o.Hosts[to[0].Unit.Host], Switch{Unit: to[0].Unit, Ref: to[0].Ref, Route: *base[to[0].Unit.Key()].Route}
	have, live := h.Routed(s.Unit.Route.Service)
	same := len(have) == len(to)
	for i, w := range to {
		same = same && isTarget(container.Observed{ID: w.Ref.ID, Name: w.Ref.Name}, have)
		if i > 0 {
			s.More = append(s.More, w.Ref)
		}
	}
	switch {
	case !same, len(h.Changed(live, s.Route)) > 0:
		return []Step{s}
	case live.Split != "":
		return []Step{Unsplit{s.Route}}
	}
	return nil
}

func isUp(o Observed, d Desired, u Unit, e Existing) bool {
	return slices.ContainsFunc(o.Of(d.Lane, u.Key()), func(c container.Observed) bool {
		return c.ID == e.ID && c.State.IsUp()
	})
}

func occupiedExcept(list []container.Observed, ids ...string) []container.Observed {
	return slices.DeleteFunc(list, func(c container.Observed) bool {
		return !occupies(c) || slices.Contains(ids, c.ID)
	})
}

// Retained pins every unit to the container that release r left on its host,
// where there still is one: rolling back restarts what ran, exactly. It is one
// that r made, else the first of traces, which are the ids of containers that r
// found as it wanted them, and of releases that it went back to; else one that
// is as r wanted it; else one of its version and image. d is what r was made of.
func Retained(d Desired, o Observed, r release.Release, traces ...string) Desired {
	d.Units = slices.Clone(d.Units)
	traces = append([]string{string(r.ID)}, traces...)
	for i, u := range d.Units {
		t := option.Nothing
		if u.Route != nil {
			_, live := o.Hosts[u.Host].Routed(u.Route.Service)
			t = o.Hosts[u.Host].Told(live)
		}
		best, rank := "", 0
		for _, c := range o.Of(d.Lane, u.Key()) {
			if d.leftover(c) {
				continue
			}
			is := leftRank(c, traces)
			if is == 0 && !moved(c, r) {
				is = likeRank(d, u, c, t)
			}
			if is > rank {
				best, rank = c.ID, is
			}
		}
		d.Units[i].Pin = best
	}
	return d
}

// moved tells that a container is of another image than release r, of whatever
// version: the tag has moved.
func moved(c container.Observed, r release.Release) bool {
	return r.Digest != "" && len(c.Image.RepoDigests) > 0 && !c.Image.HasDigest(r.Digest)
}

// leftRank orders containers by traces, the first best; 0 is none of them.
func leftRank(c container.Observed, traces []string) int {
	for i, id := range traces {
		if id != "" && (c.ID == id || c.Spec.Labels[LabelRelease] == id) {
			return 2 + len(traces) - i
		}
	}
	return 0
}

// likeRank orders those of which nothing is known: 0 is no candidate.
func likeRank(d Desired, u Unit, c container.Observed, t option.Told) int {
	switch {
	case VersionOf(d.Lane, c) != d.Version:
		return 0
	case len(differences(u, c, t)) == 0:
		return 2
	case !strings.Contains(c.Name, "_replaced_"):
		return 1
	}
	return 0
}
