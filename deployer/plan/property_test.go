package plan_test

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

// fleet draws the roles of a service: which hosts, which kinds.
func fleet(t *rapid.T) []role {
	var roles []role
	kinds := map[string]plan.Kind{
		"web":    rapid.SampledFrom([]plan.Kind{plan.Proxied, plan.Proxied, plan.StopFirst}).Draw(t, "web"),
		"worker": plan.Plain,
		"beat":   rapid.SampledFrom([]plan.Kind{plan.Plain, plan.StopFirst}).Draw(t, "beat"),
	}
	for _, host := range []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "hosts")] {
		for _, name := range []string{"web", "worker", "beat"} {
			if name == "web" || rapid.Bool().Draw(t, host+" has "+name) {
				roles = append(roles, role{host, name, kinds[name], ""})
			}
		}
	}
	return roles
}

// next draws the n-th release of a fleet: another version, or the same with
// another configuration, in groups or not.
func next(t *rapid.T, n int, roles []role, m *model) plan.Desired {
	colour := rapid.SampledFrom([]string{"blue", "red"}).Draw(t, "colour")
	var mine []role
	for _, r := range roles {
		r.env = colour
		mine = append(mine, r)
	}
	d := desired(fmt.Sprintf("r%d", n), rapid.SampledFrom([]string{"v1", "v2", "v3"}).Draw(t, "version"), mine...)
	d.Policy.Group = rapid.IntRange(0, 2).Draw(t, "group")
	d.Policy.Retain = rapid.IntRange(1, 3).Draw(t, "retain")
	d.Policy.Orphans = rapid.Bool().Draw(t, "prune")
	for _, name := range []string{"web", "worker"} {
		d.Units = scaledTo(d.Units, name, rapid.SampledFrom([]int{1, 1, 2, 3}).Draw(t, name+"'s scale"))
	}
	timeout := time.Duration(rapid.IntRange(1, 2).Draw(t, "response timeout")) * time.Second
	host := rapid.SampledFrom([]string{"shop.example.com", "Shop.example.com", "other.example.com"}).Draw(t, "host")
	share := rapid.SampledFrom([]int{0, 10}).Draw(t, "share")
	for i := range d.Units {
		u := &d.Units[i]
		if u.Route == nil {
			continue
		}
		u.Route.ResponseTimeout, u.Route.Hosts = timeout, []string{host}
		u.Spec.Labels[plan.LabelRoute] = u.Route.Label()
		if u.Kind == plan.Proxied && m.tells { // else it is refused
			u.Share = share
		}
	}
	return d
}

// scaledTo has n containers of a role on each host.
func scaledTo(units []plan.Unit, role string, n int) (all []plan.Unit) {
	for _, u := range units {
		all = append(all, u)
		for i := 1; i < n && u.Role == role && u.Kind != plan.StopFirst; i++ { // else it is refused
			more := u
			more.Replica, more.Name, more.Spec.Labels = i, fmt.Sprintf("%s-%d", u.Name, i+1), maps.Clone(u.Spec.Labels)
			more.Spec.Labels[plan.LabelReplica] = strconv.Itoa(i + 1)
			if u.Route != nil {
				r := *u.Route
				more.Route = &r
			}
			all = append(all, more)
		}
	}
	return all
}

// anyModel draws which proxy the hosts have.
func anyModel(t *rapid.T) *model {
	m := newModel()
	proxy := rapid.SampledFrom([]string{"tells", "lists", "neither"}).Draw(t, "proxy")
	m.tells, m.lists = proxy == "tells", proxy == "lists"
	return m
}

// mess does what humans and crashes do: containers stop, proxies too.
func mess(t *rapid.T, m *model) {
	for _, host := range sortedKeys(m.hosts) {
		h := m.hosts[host]
		for i := range h.Containers {
			if rapid.IntRange(0, 7).Draw(t, "stops") == 0 {
				h.Containers[i].State.Status = container.Exited
			}
		}
		if rapid.IntRange(0, 7).Draw(t, "proxy ends") == 0 {
			h.Proxy.Running, h.Routes = false, nil
		}
	}
}

// TestAPlanThatIsDoneLeavesNothingToDo holds from every state that releases,
// half-done releases and humans lead to; and no step takes the traffic away.
func TestAPlanThatIsDoneLeavesNothingToDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, roles := anyModel(t), fleet(t)
		for n := range rapid.IntRange(1, 5).Draw(t, "releases") {
			d := next(t, n, roles, m)
			m.do(plan.Make(d, m.observed()), rapid.IntRange(-1, 20).Draw(t, "steps"))
			if rapid.IntRange(0, 3).Draw(t, "mess") == 0 {
				mess(t, m)
			}
		}
		d := next(t, 99, roles, m)
		p := plan.Make(d, m.observed())
		m.do(p, -1)
		if again := plan.Make(d, m.observed()); !again.Empty() {
			t.Fatalf("after\n%s\nit planned\n%s", text(p), text(again))
		}
		if len(m.broken) > 0 {
			t.Fatalf("after\n%s\n%v", text(p), m.broken)
		}
		if len(p.Live) != len(d.Units) {
			t.Fatalf("%d of %d units are watched", len(p.Live), len(d.Units))
		}
	})
}

// TestBackFromAnyPointIsAllOld holds after any number of steps of any release.
func TestBackFromAnyPointIsAllOld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, roles := anyModel(t), fleet(t)
		old := next(t, 1, roles, m)
		m.reach(old)
		was := working(m)
		d := next(t, 2, roles, m)
		p := plan.Make(d, m.observed())
		base := plan.BaselineOf(d, m.observed(), after(release.Release{ID: old.Release, Version: old.Version}, sortedKeys(m.hosts)...))
		m.do(p, rapid.IntRange(0, 40).Draw(t, "steps"))
		back := plan.Back(d, m.observed(), base)
		m.do(back, rapid.IntRange(-1, 10).Draw(t, "steps back before a crash"))
		m.do(plan.Back(d, m.observed(), base), -1)
		if again := plan.Back(d, m.observed(), base); !again.Empty() {
			t.Fatalf("after\n%s\nit planned\n%s", text(back), text(again))
		}
		if now := working(m); now != was {
			t.Fatalf("after\n%s\nand back\n%s\nthere runs\n%s\nnot\n%s", text(p), text(back), now, was)
		}
		if len(m.broken) > 0 {
			t.Fatal(m.broken)
		}
	})
}

// working writes down what runs and what has the traffic.
func working(m *model) string {
	s := ""
	for _, host := range sortedKeys(m.hosts) {
		h := m.hosts[host]
		for _, c := range h.Containers {
			if c.State.IsUp() {
				s += host + " " + c.ID[:12] + "\n"
			}
		}
		for _, l := range h.Routes {
			s += fmt.Sprint(host, " ", l.Service, " → ", l.Target, l.More, " ", l.Split)
			if l.Route != nil {
				s += fmt.Sprint(" ", strings.ToLower(l.Route.Hosts[0]), l.Route.ResponseTimeout)
			}
			s += "\n"
		}
	}
	return s
}
