package plan

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan/option"
	"github.com/fairlead-deploy/fairlead/deployer/plan/seen"
	"github.com/fairlead-deploy/fairlead/release"
)

// Plan is how to get from what runs to what should run.
type Plan struct {
	Stages []Stage
	// Changes say, per unit, what is different and why anything is done.
	Changes []release.Change
	// Live holds the containers that carry the release once all stages before
	// StageFinish are done; they are watched.
	Live []Watched
	// Looping are containers that do their unit's work as wanted, and keep
	// ending: they are left to their engine, and to a person.
	Looping []Watched
	// Orphans run without being wanted; they are ended only where deploy.yml
	// says so.
	Orphans []Orphan
	// Refused says why what is desired cannot be planned; then there are no
	// stages. "" where it can.
	Refused string
}

// Watched is a container that must keep working. Kept says that it was seen to
// run when the plan was made, and is not started by it.
type Watched struct {
	Unit Unit
	Ref  Ref
	Kept bool
}

// Empty tells that nothing has to be done.
func (p Plan) Empty() bool { return len(p.Stages) == 0 && p.Refused == "" }

// Touches tells whether the plan does anything on a host but clean up.
func (p Plan) Touches(host string) bool {
	return slices.ContainsFunc(p.Stages, func(st Stage) bool {
		return st.Name != StageFinish && len(st.Steps[host]) > 0
	})
}

// Make plans the way from observed to desired. Hosts that could not be read
// are an error of the caller's: every host of desired must be in observed.
func Make(d Desired, o Observed) Plan {
	var p Plan
	var todo []decision
	var all []decision
	for _, u := range d.Units {
		all = append(all, decide(d, o, u))
	}
	balance(o, all)
	for _, dec := range all {
		if dec.looping {
			p.Looping = append(p.Looping, Watched{Unit: dec.unit, Ref: dec.ref()})
		} else {
			p.Live = append(p.Live, Watched{dec.unit, dec.ref(), dec.action == keep})
		}
		if dec.action != keep || len(dec.stale) > 0 {
			todo = append(todo, dec)
			p.Changes = append(p.Changes, dec.changes...)
		}
	}
	for _, u := range d.beyond(o) {
		dec := abandon(d, o, u)
		if same := func(other decision) bool { return other.unit.Host == u.Host && other.unit.Role == u.Role }; len(dec.stale) > 0 || slices.ContainsFunc(todo, same) {
			todo = append(todo, dec)
			p.Changes = append(p.Changes, dec.changes...)
		}
	}
	p.Orphans = orphans(d, o)
	buries := d.Policy.Orphans && len(p.Orphans) > 0 && len(d.Units) > 0
	if p.Refused = refusal(o, todo); len(todo) == 0 && !buries || p.Refused != "" {
		return p
	}
	prepare(&p, d, o, todo)
	forward(&p, d, todo)
	finish(&p, d, o, todo)
	return p
}

type action int

const (
	keep    action = iota
	unsplit        // has its traffic, but for a share that goes elsewhere
	route          // runs as wanted, has not got its traffic
	restart        // exists as wanted, is stopped
	create
)

// decision is what is done about one unit, and why.
type decision struct {
	unit    Unit
	action  action
	match   *container.Observed  // as wanted; nil when it must be created
	stale   []container.Observed // of the unit, up, and not wanted
	now     *container.Observed  // does the unit's work at present
	holder  *container.Observed  // has the name that a new container needs
	changes []release.Change
	looping bool // match keeps ending, and its engine starting it
	tried   bool // a share of the clients comes first
	split   bool // a share of the clients goes somewhere already
	cannot  string
	refs    []Ref // of all replicas of a routed unit on its host, its own included
}

// occupies tells whether a container runs or will run again by itself.
func occupies(c container.Observed) bool {
	return c.State.IsUp() || c.State.Status == container.Restarting
}

// ref points at the container that will do the unit's work.
func (d decision) ref() Ref {
	if d.match != nil {
		return Ref{ID: d.match.ID, Name: d.match.Name}
	}
	return Ref{Name: d.unit.Name}
}

func decide(d Desired, o Observed, u Unit) decision {
	host := o.Hosts[u.Host]
	mine := o.Of(d.Lane, u.Key())
	dec := decision{unit: u}
	var target seen.Targets
	var live *Live
	if u.Route != nil {
		target, live = host.Routed(u.Route.Service)
	}
	t := host.Told(live)
	dec.match, dec.now = pick(u, d.candidates(mine), t, target), current(mine, target)
	for i, c := range mine {
		if occupies(c) && (dec.match == nil || c.ID != dec.match.ID) {
			dec.stale = append(dec.stale, mine[i])
		}
		if c.Name == u.Name {
			dec.holder = &mine[i]
		}
	}
	switch {
	case dec.match == nil:
		dec.action = create
		dec.changes = reasons(u, dec.now, t)
	case dec.match.State.Status == container.Restarting && d.proven(*dec.match):
		dec.looping = true
	case !dec.match.State.IsUp():
		dec.action = restart
		dec.changes = startReasons(u, *dec.match, dec.now, t)
	case u.Route != nil:
		dec.action, dec.changes = routeReasons(u, *dec.match, host)
	}
	dec.split = live != nil && live.Split != ""
	dec.tryOut(host, mine)
	if dec.action == keep {
		for _, c := range dec.stale {
			dec.changes = append(dec.changes, change(u, "stop stale container", "", c.Name, ""))
		}
	}
	return dec
}

// candidates are the containers that may do a unit's work. Where a roll-out is
// forced they are only those that it has made itself.
func (d Desired) candidates(mine []container.Observed) []container.Observed {
	return slices.DeleteFunc(slices.Clone(mine), func(c container.Observed) bool {
		return d.leftover(c) || d.Force && c.Spec.Labels[LabelRelease] != string(d.Release)
	})
}

// leftover tells of a container that never ran and that another release made,
// or somebody: an engine that failed while it started one may never be able to
// start it again.
func (d Desired) leftover(c container.Observed) bool {
	return c.State.Status == container.Created && c.Spec.Labels[LabelRelease] != string(d.Release)
}

// pick returns the container that is as wanted: the one with the traffic, else
// one that is up, else the newest.
func pick(u Unit, mine []container.Observed, t option.Told, target seen.Targets) *container.Observed {
	best, rank := -1, -1
	for i, c := range mine {
		if u.Pin != "" && c.ID != u.Pin || u.Pin == "" && len(differences(u, c, t)) > 0 {
			continue
		}
		r := 0
		if c.State.IsUp() {
			r = 1
		}
		if r == 1 && isTarget(c, target) {
			r = 2
		}
		if r > rank {
			best, rank = i, r
		}
	}
	if best < 0 {
		return nil
	}
	return &mine[best]
}

// current returns the container that does the unit's work now.
func current(mine []container.Observed, target seen.Targets) *container.Observed {
	for i, c := range mine {
		if isTarget(c, target) {
			return &mine[i]
		}
	}
	for i, c := range mine {
		if c.State.IsUp() {
			return &mine[i]
		}
	}
	return nil
}

// differences compares a unit with a container of its role, field by field.
// Our own labels say where a container came from and do not count, but for what
// the proxy does not tell of the route.
func differences(u Unit, c container.Observed, t option.Told) []container.Change {
	want, have := u.Spec, c
	want.Labels = withoutOwn(want.Labels)
	have.Spec.Labels = withoutOwn(have.Spec.Labels)
	changes := have.Diff(want, func(name string) bool { return u.Clear[name] })
	if u.Route != nil {
		changes = append(changes, option.Asserted(*u.Route, c.Spec.Labels[LabelRoute], t)...)
	}
	return changes
}

func withoutOwn(labels map[string]string) map[string]string {
	rest := maps.Clone(labels)
	maps.DeleteFunc(rest, func(k, _ string) bool { return strings.HasPrefix(k, ownLabels) })
	return rest
}

func reasons(u Unit, now *container.Observed, t option.Told) []release.Change {
	if now == nil {
		return []release.Change{change(u, "create container", "", "nothing runs", u.Name)}
	}
	var list []release.Change
	for _, c := range differences(u, *now, t) {
		list = append(list, change(u, "replace container", c.Field, c.Was, c.Want))
	}
	if !now.State.IsUp() {
		list = append(list, change(u, "replace container", "state", string(now.State.Status), "running"))
	}
	if len(list) == 0 { // alike, and still another is asked for: a rollback to a retained one
		list = append(list, change(u, "replace container", "container", now.Name, u.Name))
	}
	return list
}

// startReasons says why an existing container is started: it stopped, or it is
// gone back to.
func startReasons(u Unit, c container.Observed, now *container.Observed, t option.Told) (list []release.Change) {
	if now == nil || now.ID == c.ID {
		return []release.Change{change(u, "start container", "state", string(c.State.Status), "running")}
	}
	if u.Pin == "" {
		for _, ch := range differences(u, *now, t) {
			list = append(list, change(u, "restart retained container", ch.Field, ch.Was, ch.Want))
		}
	}
	if !now.State.IsUp() {
		list = append(list, change(u, "restart retained container", "state", string(now.State.Status), "running"))
	}
	if len(list) == 0 {
		list = append(list, change(u, "restart retained container", "container", now.Name, c.Name))
	}
	return list
}

func change(u Unit, step, field, was, want string) release.Change {
	return release.Change{Host: u.Host, Role: u.Role, Replica: u.Replica, Step: step, Field: field, Was: was, Want: want}
}

// prepare makes everything that does not touch traffic: network, proxy, image,
// created containers.
func prepare(p *Plan, d Desired, o Observed, todo []decision) {
	st := Stage{Name: StagePrepare}
	networked, booted, pulled := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, dec := range todo {
		h := dec.unit.Host
		proxy := o.Hosts[h].Proxy
		boots := dec.unit.Route != nil && !proxy.Running && !booted[h]
		if (dec.action == create || boots) && !networked[h] {
			networked[h] = true
			st.add(h, MakeNetwork{})
		}
		if boots {
			booted[h] = true
			st.add(h, BootProxy{Run: d.ProxyRun[h], Present: proxy.Present})
			p.Changes = append(p.Changes, release.Change{Host: h, Step: "boot proxy", Field: "proxy", Was: "not running", Want: "running"})
		}
		if len(dec.unit.Files) > 0 && dec.action != keep {
			st.add(h, PutFiles{Files: dec.unit.Files, Strict: proxy.Ours || !proxy.Present})
		}
		if dec.action == create && !pulled[h] {
			pulled[h] = true
			st.add(h, Pull{Image: d.Image})
		}
		if s, any := dec.bridges(d); any {
			st.add(h, s)
		}
		if dec.action != create {
			continue
		}
		c := Create{Unit: dec.unit}
		if dec.holder != nil {
			c.Replaces = &Ref{ID: dec.holder.ID, Name: dec.holder.Name}
		}
		st.add(h, c)
	}
	p.stage(st)
}

// forward starts what was prepared and moves the traffic: proxied units, then
// stop-first ones host by host, then those without a proxy.
func forward(p *Plan, d Desired, todo []decision) {
	tryOut(p, d, todo)
	for _, b := range batches(d, of(todo, Proxied)) {
		routed := map[string]bool{}
		start, sw := Stage{Name: StageStart}, Stage{Name: StageSwitch, Wait: b.wait, Watch: b.watch, Window: b.window}
		for _, dec := range b.units {
			u := dec.unit
			switch {
			case dec.action == keep:
				continue
			case dec.action == unsplit, dec.tried: // it was started for that
			default:
				start.add(u.Host, dec.starts()...)
			}
			if once := u.Host + " " + u.Route.Service; !routed[once] {
				routed[once] = true
				sw.add(u.Host, dec.moves())
			}
		}
		p.stage(start.abreast(d))
		p.stage(sw)
	}
	for _, b := range batches(d, of(todo, StopFirst)) {
		for i, dec := range b.units {
			st := stopFirst(dec)
			if i == len(b.units)-1 {
				st.Wait, st.Watch, st.Window = b.wait, b.watch, b.window
			}
			p.stage(st)
		}
	}
	for _, b := range batches(d, of(todo, Plain)) {
		st := Stage{Name: StageFollow, Wait: b.wait, Watch: b.watch, Window: b.window}
		for _, dec := range b.units {
			u, ref := dec.unit, dec.ref()
			if dec.action != keep {
				st.add(u.Host, Start{u, ref}, Await{Unit: u, Ref: ref})
			}
			for _, old := range dec.stale {
				st.add(u.Host, stop(u, old, "replaced"))
			}
		}
		p.stage(st.abreast(d))
	}
}

// moves is the step that sends the traffic where it belongs.
func (d decision) moves() Step {
	if d.action == unsplit {
		return Unsplit{*d.unit.Route}
	}
	return Switch{Unit: d.unit, Ref: d.refs[0], More: d.refs[1:], Route: *d.unit.Route}
}

// starts are the steps after which the unit's container works.
func (d decision) starts() []Step {
	u, ref := d.unit, d.ref()
	if d.action == route {
		return []Step{Await{Unit: u, Ref: ref, Up: true}}
	}
	return []Step{Start{u, ref}, Await{Unit: u, Ref: ref}}
}

func stopFirst(dec decision) Stage {
	u := dec.unit
	st := Stage{Name: StageFollow}
	if dec.split {
		st.add(u.Host, Unsplit{*u.Route})
	}
	for _, old := range dec.stale {
		st.add(u.Host, stop(u, old, "the new one needs its place"))
	}
	if dec.action == keep || dec.action == unsplit {
		return st
	}
	st.add(u.Host, dec.starts()...)
	if u.Route != nil {
		st.add(u.Host, dec.moves())
	}
	return st
}

// finish stops the proxied containers that were replaced, after the window.
func finish(p *Plan, d Desired, o Observed, todo []decision) {
	st := Stage{Name: StageFinish}
	tagged := map[string]bool{}
	for _, dec := range todo {
		u := dec.unit
		if u.Kind == Proxied {
			for _, old := range dec.stale {
				st.add(u.Host, stop(u, old, "replaced"))
			}
		}
	}
	for _, dec := range todo {
		if h := dec.unit.Host; dec.action != keep && !tagged[h] {
			tagged[h] = true
			st.add(h, Tag{d.Image})
			st.add(h, left(d, o, h, todo)...)
		}
	}
	gone := map[string][]Ref{}
	for _, dec := range todo {
		if p, any := surplus(d, o, dec); any {
			st.add(dec.unit.Host, p)
			gone[dec.unit.Host] = append(gone[dec.unit.Host], p.Remove...)
		}
	}
	for h := range tagged {
		if s, any := dropAssets(d, o, h, gone[h]); any {
			st.add(h, s)
		}
	}
	bury(&st, p, d, o)
	p.stage(st)
}

func stop(u Unit, c container.Observed, why string) Stop {
	return Stop{Ref: Ref{ID: c.ID, Name: c.Name}, Timeout: u.StopTimeout, Why: why}
}

func (p *Plan) stage(st Stage) {
	if len(st.Steps) > 0 {
		p.Stages = append(p.Stages, st)
	}
}

func of(todo []decision, k Kind) []decision {
	return slices.DeleteFunc(slices.Clone(todo), func(d decision) bool { return d.unit.Kind != k })
}

// Summary says in a few words what the plan does, as in "would …": "replace 2
// containers on 2 hosts".
func (p Plan) Summary() string {
	if p.Empty() {
		return "nothing to do"
	}
	type unit struct {
		host, role, step string
		replica          int
	}
	seen, hosts, counts := map[unit]bool{}, map[string]bool{}, map[string]int{}
	for _, c := range p.Changes {
		hosts[c.Host] = true
		if k := (unit{c.Host, c.Role, c.Step, c.Replica}); !seen[k] {
			seen[k] = true
			counts[c.Step]++
		}
	}
	var parts []string
	for _, step := range slices.SortedFunc(maps.Keys(counts), cmp.Compare) {
		verb, what, _ := strings.Cut(step, " ")
		parts = append(parts, verb+" "+release.Count(counts[step], what))
	}
	return strings.Join(parts, ", ") + " on " + release.Count(len(hosts), "host")
}

// Finishing are the stages that come after the watch.
func (p Plan) Finishing() []Stage {
	return slices.DeleteFunc(slices.Clone(p.Stages), func(st Stage) bool { return st.Name != StageFinish })
}
