package history

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

// What a release has of a host that it did not simply roll out to, in
// HostOutcome.State. Detail says why.
const (
	StateNew         = "new"         // it runs the release
	StateSkipped     = "skipped"     // left out, and caught up later
	StateUnreachable = "unreachable" // it ran what the release mends elsewhere, and could not be looked at
	StateUnwell      = "unwell"      // it ran what the release mends elsewhere, and is not mended
	StateOrphan      = "orphan"      // deploy.yml does not name it any more, and it may still run something
)

// AllMoved is the Detail of hosts that are kept though they may be ended.
const AllMoved = "deploy.yml named none of the hosts before it; `fairlead deploy` ends what runs here"

// RanOn tells whether a release that succeeded was put on a host.
func RanOn(r release.Release, host string) bool {
	return slices.ContainsFunc(r.Hosts, func(h release.HostOutcome) bool {
		return h.Host == host && h.State != StateSkipped && h.State != StateOrphan
	})
}

// EverRan tells whether one of the releases was put on a host.
func EverRan(good []release.Release, host string) bool {
	return slices.ContainsFunc(good, func(r release.Release) bool { return RanOn(r, host) })
}

// Former are the hosts that the last good release knew and that are not named
// any more.
func Former(good []release.Release, named []string) []string {
	if len(good) == 0 {
		return nil
	}
	var list []string
	for _, h := range good[0].Hosts {
		if h.State != StateSkipped && !slices.Contains(named, h.Host) {
			list = append(list, h.Host)
		}
	}
	return list
}

// Moved tells that none of the hosts is named that ran the last good release,
// or that it was so when that left them: a mistake may look like that.
func Moved(good []release.Release, named []string) bool {
	if len(good) == 0 {
		return false
	}
	former := Former(good, named)
	for _, h := range good[0].Hosts {
		if h.Detail == AllMoved && slices.Contains(former, h.Host) {
			return true
		}
	}
	return len(former) > 0 && !slices.ContainsFunc(named, func(host string) bool { return RanOn(good[0], host) })
}

// Hosts are those that a plan does anything on, sorted.
func Hosts(p plan.Plan) []string {
	set := map[string]bool{}
	for _, st := range p.Stages {
		for host := range st.Steps {
			set[host] = true
		}
	}
	for _, c := range p.Changes {
		set[c.Host] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// Outcome is how a release that succeeded stands on all of its hosts: it ran
// on hosts, the other ones were not rolled out to, with the reason.
type Outcome struct {
	Hosts   []string
	State   string            // of Hosts
	Skipped map[string]string // left out
	Mends   bool              // what is left out ran it before, unless it never did
	Unwell  map[string]string // not mended
	Orphans []string          // not named any more, and not ended
	Moved   bool              // all of those that ran it before are
}

// List returns it sorted by host.
func (o Outcome) List(good []release.Release) []release.HostOutcome {
	var list []release.HostOutcome
	for _, name := range o.Hosts {
		list = append(list, release.HostOutcome{Host: name, State: o.State})
	}
	for _, name := range slices.Sorted(maps.Keys(o.Unwell)) {
		list = append(list, release.HostOutcome{Host: name, State: StateUnwell, Detail: o.Unwell[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(o.Skipped)) {
		state := StateSkipped
		if o.Mends && len(good) > 0 && RanOn(good[0], name) {
			state = StateUnreachable
		}
		list = append(list, release.HostOutcome{Host: name, State: state, Detail: o.Skipped[name]})
	}
	for _, name := range o.Orphans {
		h := release.HostOutcome{Host: name, State: StateOrphan}
		if o.Moved {
			h.Detail = AllMoved
		}
		list = append(list, h)
	}
	slices.SortStableFunc(list, func(x, y release.HostOutcome) int { return strings.Compare(x.Host, y.Host) })
	return list
}

// Unwell are the hosts that a release could not mend.
func Unwell(r release.Release) []string {
	hosts := []string{cmp.Or(r.Failure.Host, "none")}
	for _, h := range r.Hosts {
		if h.State == StateUnwell && changed(r, h.Host) {
			hosts = append(hosts, h.Host)
		}
	}
	return hosts
}

// Standing tells how each host of d stands in the middle of a rollout: forward
// and back are what is left to do either way.
func Standing(d plan.Desired, o plan.Observed, forward, back plan.Plan) (hosts []release.HostOutcome) {
	for _, name := range d.Hosts() {
		h := release.HostOutcome{Host: name, State: "unknown"}
		switch {
		case o.Hosts[name].Err != nil:
			h.State, h.Detail = "unreachable", o.Hosts[name].Err.Error()
		case !back.Touches(name):
			h.State = "old"
		case !forward.Touches(name):
			h.State = "new"
		}
		hosts = append(hosts, h)
	}
	return hosts
}
