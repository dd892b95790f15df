package plan

import (
	"cmp"
	"slices"
	"time"
)

// batch is what is replaced at the same time.
type batch struct {
	units []decision
	wait  time.Duration // before the next batch
	watch []Watched     // canaries, watched before the next batch
	// window is for how long they are.
	window time.Duration
}

// batches orders the units of one kind: canaries first, then the roles that go
// all at once, then the others, so many hosts at a time.
func batches(d Desired, todo []decision) []batch {
	canaries, rest := canaries(todo)
	var list []batch
	if len(canaries) > 0 {
		b := batch{units: canaries}
		for _, dec := range canaries {
			b.watch = append(b.watch, Watched{dec.unit, dec.ref(), dec.action == keep})
			b.window = max(b.window, cmp.Or(dec.unit.CanaryFor, d.Policy.Window))
		}
		list = append(list, b)
	}
	sizes := map[int][]decision{}
	for _, dec := range rest {
		n := groupOf(d, dec.unit)
		sizes[n] = append(sizes[n], dec)
	}
	for _, n := range sortedInts(sizes) {
		list = append(list, groups(sizes[n], n)...)
	}
	for i := range list[:max(len(list)-1, 0)] {
		for _, dec := range list[i].units {
			list[i].wait = max(list[i].wait, cmp.Or(dec.unit.Wait, d.Policy.Wait))
		}
	}
	return list
}

// groupOf is how many hosts of a unit's role go at a time; 0 is all. What has
// no proxy follows all at once, unless its role says else.
func groupOf(d Desired, u Unit) int {
	if u.Kind == Plain {
		return u.Group
	}
	return cmp.Or(u.Group, d.Policy.Group)
}

func sortedInts(m map[int][]decision) []int {
	var list []int
	for n := range m {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}

// canaries takes the units that go first: of each role that has canaries, those
// on its first hosts, where others follow them.
func canaries(todo []decision) (first, rest []decision) {
	of := map[string][]string{} // the hosts of each role
	for _, dec := range todo {
		if role := dec.unit.Role; !slices.Contains(of[role], dec.unit.Host) {
			of[role] = append(of[role], dec.unit.Host)
		}
	}
	for _, dec := range todo {
		hosts, n := of[dec.unit.Role], dec.unit.Canary
		if dec.action != keep && slices.Index(hosts, dec.unit.Host) < n && len(hosts) > n {
			first = append(first, dec)
		} else {
			rest = append(rest, dec)
		}
	}
	return first, rest
}

// groups splits units by host into groups of at most n hosts; 0 is all.
func groups(todo []decision, n int) []batch {
	if n <= 0 {
		return []batch{{units: todo}}
	}
	var list []batch
	var hosts []string
	for _, dec := range todo {
		if !slices.Contains(hosts, dec.unit.Host) {
			if len(hosts)%n == 0 {
				list = append(list, batch{})
			}
			hosts = append(hosts, dec.unit.Host)
		}
		at := slices.Index(hosts, dec.unit.Host) / n
		list[at].units = append(list[at].units, dec)
	}
	return list
}
