package plan

import (
	"maps"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/release"
)

// Shown is the plan's part of what people and programs see of it. d is what was
// planned for.
func (p Plan) Shown(d Desired) release.Plan {
	s := release.Plan{Changes: p.Changes}
	for _, u := range d.Units {
		s.Units = append(s.Units, release.PlannedUnit{Host: u.Host, Role: u.Role, Kind: string(u.Kind), Why: u.Why})
	}
	for _, orphan := range p.Orphans {
		s.Orphans = append(s.Orphans, orphan.Host+": "+orphan.Ref.Name)
	}
	for _, st := range p.Stages {
		for _, host := range slices.Sorted(maps.Keys(st.Steps)) {
			for _, step := range st.Steps[host] {
				s.Steps = append(s.Steps, host+": "+step.String())
			}
		}
	}
	return s
}

// On returns the plan's stages on one host: those after the watch, or those
// before it. Nothing is waited for between them that other hosts do.
func (p Plan) On(host string, last bool) (stages []Stage) {
	for _, st := range p.Stages {
		if steps := st.Steps[host]; len(steps) > 0 && last == (st.Name == StageFinish) {
			stages = append(stages, Stage{Name: st.Name, Steps: map[string][]Step{host: steps}})
		}
	}
	return stages
}

// Found are the ids of the containers that are there already and will carry the
// release.
func (p Plan) Found() (ids []string) {
	for _, w := range append(slices.Clone(p.Live), p.Looping...) {
		if w.Ref.ID != "" {
			ids = append(ids, w.Ref.ID)
		}
	}
	return ids
}

// Watches returns the containers of one host that are watched.
func (p Plan) Watches(host string) []Watched {
	return slices.DeleteFunc(slices.Clone(p.Live), func(l Watched) bool { return l.Unit.Host != host })
}

// Again returns the steps that create a unit's container once more, of what d
// says; one that has its name is renamed first.
func Again(d Desired, o Observed, u Unit) []Step {
	steps := []Step{Pull{Image: d.Image}}
	if len(u.Files) > 0 {
		steps = append(steps, PutFiles{Files: u.Files, Strict: o.Hosts[u.Host].Proxy.Ours})
	}
	if u.Assets.Path != "" {
		steps = append(steps, bridge(d, u, d.Image.Ref(), d.Version))
	}
	create := Create{Unit: u}
	if i := slices.IndexFunc(o.Of(d.Lane, u.Key()), func(c container.Observed) bool { return c.Name == u.Name }); i >= 0 {
		c := o.Of(d.Lane, u.Key())[i]
		create.Replaces = &Ref{ID: c.ID, Name: c.Name}
	}
	return append(steps, create)
}
