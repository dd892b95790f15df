package plan

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/release"
)

// Several containers of a role on one host are units of their own, but for
// their route: that is one, and leads to all of them. The first is named as
// Kamal names it, the others with a number behind: -2, -3.

// replicaOf tells which of its role's containers on the host one is, 0 for the
// first.
func replicaOf(c container.Observed) int {
	n, err := strconv.Atoi(c.Spec.Labels[LabelReplica])
	if err != nil || n < 2 {
		return 0
	}
	return n - 1
}

// suffix is what the name of a replica has behind.
func suffix(replica int) string {
	if replica == 0 {
		return ""
	}
	return "-" + strconv.Itoa(replica+1)
}

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
			more.Replica, more.Name, more.Pin, more.Files = replicaOf(c), u.Name+suffix(replicaOf(c)), "", nil
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
		if to, _ := o.Hosts[u.Host].routed(u.Route.Service); rests && len(to) != len(refs) {
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

// Replicas returns the containers of the same version as one, and of its role,
// that are its fellows on a host: one per replica, the newest; itself included.
func Replicas(lane release.Lane, c container.Observed, list []container.Observed) (all []container.Observed) {
	for _, other := range list {
		same := func(have container.Observed) bool { return replicaOf(have) == replicaOf(other) }
		if VersionOf(lane, other) == VersionOf(lane, c) && replicaOf(other) != replicaOf(c) && !slices.ContainsFunc(all, same) {
			all = append(all, other)
		}
	}
	all = append(all, c)
	slices.SortFunc(all, func(a, b container.Observed) int { return cmp.Compare(replicaOf(a), replicaOf(b)) })
	return all
}
