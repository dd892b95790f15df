package daemon

import "github.com/fairlead-deploy/fairlead/server"

// refused is what the webhooks refused of the repositories that are watched
// now, and of names that nobody has.
func (d *Daemon) refused() []server.Refused {
	watched := projects(d.current().conf)
	var list []server.Refused
	for _, r := range d.refusals.List() {
		if _, ok := watched[r.Source]; !ok && r.Source != "" {
			continue
		}
		one := server.Refused{Repo: r.Source, LastHour: r.LastHour, Last: r.Last, Reason: string(r.Reason), Total: map[string]int64{}}
		for why, n := range r.Total {
			one.Total[string(why)] = n
		}
		list = append(list, one)
	}
	return list
}
