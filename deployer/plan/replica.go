package plan

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/fairlead-deploy/fairlead/deployer/plan/seen"
)

// Several containers of a role on one host are units of their own, but for
// their route: that is one, and leads to all of them. The first is named as
// Kamal names it, the others with a number behind: -2, -3.

// beyond returns the replicas that a host has containers of and that are not
// wanted any more, of the roles that are. They are as the first is.
func (d Desired) beyond(o Observed) (list []Unit) {
	wanted := map[Key]bool{}
	for _, u := range d.Units {
		wanted[u.Key()] = true
	}
	for _, u := range d.Units {
		if u.Replica > 0 {
			continue
		}
		first := len(list)
		for _, c := range o.All(d.Lane, u.Key()) {
			more := u
			more.Replica, more.Name, more.Pin, more.Files = seen.ReplicaOf(c), u.Name+seen.Suffix(seen.ReplicaOf(c)), "", nil
			if !wanted[more.Key()] {
				wanted[more.Key()] = true
				list = append(list, more)
			}
		}
		slices.SortFunc(list[first:], func(a, b Unit) int { return cmp.Compare(a.Replica, b.Replica) })
	}
	return list
}

// grouped returns units by host and role, in the order of the first of each.
func grouped(units []Unit) (groups [][]Unit) {
	at := map[Key]int{}
	for _, u := range units {
		k := Key{Host: u.Host, Role: u.Role}
		i, ok := at[k]
		if !ok {
			i, at[k] = len(groups), len(groups)
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], u)
	}
	return groups
}

// balance tells each decision on a routed unit of the others of its role on the
// host, and finds the routes that lead to more, or to fewer, than all of them.
func balance(o Observed, all []decision) {
	for i, first := range all {
		u := first.unit
		if u.Route == nil || u.Replica > 0 {
			continue
		}
		var mates []int
		rests, tried := true, false
		for j, dec := range all {
			if dec.unit.Host == u.Host && dec.unit.Role == u.Role {
				mates = append(mates, j)
				rests, tried = rests && dec.action == keep, tried || dec.tried
			}
		}
		var refs []Ref
		for _, j := range mates {
			refs = append(refs, all[j].ref())
		}
		for _, j := range mates {
			all[j].refs, all[j].tried = refs, tried && all[j].action != keep
		}
		if to, _ := o.Hosts[u.Host].Routed(u.Route.Service); rests && len(to) != len(refs) {
			all[i].action = route
			all[i].changes = append(all[i].changes, change(u, "change route", "scale", strconv.Itoa(len(to)), strconv.Itoa(len(refs))))
		}
	}
}

// abandon decides about a replica that is not wanted any more: what runs of it
// stops when the others have its traffic.
func abandon(d Desired, o Observed, u Unit) decision {
	dec := decision{unit: u}
	for _, c := range o.Of(d.Lane, u.Key()) {
		if occupies(c) {
			dec.stale = append(dec.stale, c)
			dec.changes = append(dec.changes, change(u, "stop container", "scale", c.Name, ""))
		}
	}
	return dec
}

// several says, behind the name of the first, that a step is about more.
func several(more []Ref) string {
	if len(more) == 0 {
		return ""
	}
	return " and " + strconv.Itoa(len(more)) + " more"
}

// Routed are the containers of a route, as a rollout names them to its proxy.
func (s Switch) Routed() []Ref { return append([]Ref{s.Ref}, s.More...) }

// Routed are the containers that get the share.
func (s Split) Routed() []Ref { return append([]Ref{s.Ref}, s.More...) }
