package plan

import (
	"cmp"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/release"
)

// Orphan is a running container of the lane on a host where deploy.yml does
// not put its role any more.
type Orphan struct {
	Host, Role string
	Ref        Ref
}

// orphans returns them sorted by host and name.
func orphans(d Desired, o Observed) []Orphan {
	keys := d.Keys
	if keys == nil {
		for _, u := range d.Units {
			keys = append(keys, u.Key())
		}
	}
	var list []Orphan
	for host, h := range o.Hosts {
		for _, c := range h.Containers {
			role := c.Spec.Labels[LabelRole]
			if occupies(c) && !slices.Contains(keys, Key{Host: host, Role: role}) {
				list = append(list, Orphan{host, role, Ref{ID: c.ID, Name: c.Name}})
			}
		}
	}
	slices.SortFunc(list, func(a, b Orphan) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Ref.Name, b.Ref.Name))
	})
	return list
}

// bury ends the orphans, last of all, where deploy.yml says so; a file without
// any role ends none, for that is how a mistake looks.
func bury(st *Stage, p *Plan, d Desired, o Observed) {
	if !d.Policy.Orphans || len(d.Units) == 0 {
		return
	}
	for _, orphan := range p.Orphans {
		if target, live := o.Hosts[orphan.Host].Routed(unitName(d.Lane, orphan.Role)); live != nil && isTarget(container.Observed{ID: orphan.Ref.ID, Name: orphan.Ref.Name}, target) {
			st.add(orphan.Host, Unroute{live.Service})
		}
		st.add(orphan.Host, Stop{Ref: orphan.Ref, Timeout: d.Policy.OrphanStop, Why: "its role is not on this host any more"})
		p.Changes = append(p.Changes, release.Change{
			Host: orphan.Host, Role: orphan.Role, Step: "stop orphan", Field: "role", Was: orphan.Ref.Name, Want: "",
		})
	}
}
