package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
)

// tryOut decides whether a share of the clients meets the unit's new container
// before all do: where another has the traffic, and works. Going back to a
// retained container is for all at once.
func (d *decision) tryOut(h Host, mine []container.Observed) {
	u := d.unit
	if u.Share == 0 || u.Kind != Proxied || u.Pin != "" || d.action == keep || d.action == unsplit {
		return
	}
	if h.Proxy.Present && !h.Proxy.Ours {
		d.cannot = fmt.Sprintf("x-fairlead.roles.%s.canary.percent needs Fairlead's own proxy, and on %s runs kamal-proxy: "+
			"say how many hosts go first (canary: 1), or strategy: all", u.Role, u.Host)
		return
	}
	target, live := h.Routed(u.Route.Service)
	for _, c := range mine {
		if isTarget(c, target) && c.State.IsUp() && c.ID != d.ref().ID {
			d.tried = true
		}
	}
	if d.tried && !live.Splits {
		d.cannot = fmt.Sprintf("x-fairlead.roles.%s.canary.percent needs a newer proxy than the one on %s: remove its container "+
			"(`docker rm -f kamal-proxy`) when a gap does no harm, and Fairlead starts its own; or say how many hosts go first (canary: 1)", u.Role, u.Host)
	}
}

// tryOut starts what is tried out, on all hosts, and sends it its share.
func tryOut(p *Plan, d Desired, todo []decision) {
	start, split := Stage{Name: StageStart}, Stage{Name: StageSplit}
	for _, dec := range todo {
		if !dec.tried {
			continue
		}
		u, ref := dec.unit, dec.ref()
		start.add(u.Host, dec.starts()...)
		if dec.refs[0] == ref || !slices.ContainsFunc(split.Watch, func(w Watched) bool { return w.Unit.Host == u.Host && w.Unit.Role == u.Role }) {
			split.add(u.Host, Split{Unit: u, Ref: dec.refs[0], More: dec.refs[1:], Route: *u.Route})
		}
		split.Watch = append(split.Watch, Watched{Unit: u, Ref: ref})
		split.Window = max(split.Window, cmp.Or(u.CanaryFor, d.Policy.Window))
	}
	p.stage(start)
	p.stage(split)
}

// Trial says what the stage tries out, where and for how long.
func (s Stage) Trial() string {
	var hosts, shares []string
	for _, l := range s.Watch {
		if !slices.Contains(hosts, l.Unit.Host) {
			hosts = append(hosts, l.Unit.Host)
		}
		if share := fmt.Sprintf("%d%%", l.Unit.Share); !slices.Contains(shares, share) {
			shares = append(shares, share)
		}
	}
	if s.Name == StageSplit {
		return fmt.Sprintf("canary for %s of the clients on %s, watched for %s", strings.Join(shares, " and "), strings.Join(hosts, ", "), s.Window)
	}
	return fmt.Sprintf("canary on %s, watched for %s", strings.Join(hosts, ", "), s.Window)
}
