package operate

import (
	"path"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// target is one role on one host, or an accessory, whose container has a name.
type target struct{ host, role, name string }

func (t target) source(c container.Observed) operation.Source {
	return operation.Source{Host: t.host, Role: t.role, Name: c.Name}
}

// choose picks the roles and hosts that an ask is about, the primary role and
// its first host first.
func choose(d *spec.Deploy, ask operation.Ask) ([]target, error) {
	var all, fit []target
	for _, role := range d.Roles {
		for _, h := range role.Hosts {
			all = append(all, target{host: h.Address, role: role.Name})
		}
	}
	if err := known("role", ask.Roles, names(all, func(t target) string { return t.role })); err != nil {
		return nil, err
	}
	hosts := names(all, func(t target) string { return t.host })
	if ask.Accessory != "" {
		var err error
		if all, err = accessories(d, ask.Accessory); err != nil {
			return nil, err
		}
	}
	for _, a := range d.Accessories {
		for _, h := range a.Hosts {
			hosts = append(hosts, h.Address)
		}
	}
	if err := known("host", ask.Hosts, hosts); err != nil {
		return nil, err
	}
	for _, t := range all {
		if matches(ask.Roles, t.role) && matches(ask.Hosts, t.host) {
			fit = append(fit, t)
		}
	}
	if ask.Primary && len(fit) > 0 {
		first := fit[0].host
		fit = slices.DeleteFunc(fit, func(t target) bool { return t.host != first })
	}
	return fit, nil
}

// accessories are those of a name, or all.
func accessories(d *spec.Deploy, name string) (list []target, err error) {
	var there []string
	for _, a := range d.Accessories {
		there = append(there, a.Name)
		for _, h := range a.Hosts {
			if a.Name == name || name == "all" {
				list = append(list, target{host: h.Address, role: a.Name, name: a.Service})
			}
		}
	}
	if len(list) == 0 {
		hint := "deploy.yml has none"
		if len(there) > 0 {
			hint = "there are " + strings.Join(there, ", ")
		}
		return nil, &operation.Refusal{Message: "no accessory is called " + name, Hint: hint}
	}
	return list, nil
}

func names(list []target, of func(target) string) []string {
	var all []string
	for _, t := range list {
		if !slices.Contains(all, of(t)) {
			all = append(all, of(t))
		}
	}
	return all
}

// known refuses a pattern that fits nothing.
func known(what string, patterns, list []string) error {
	for _, p := range patterns {
		if !slices.ContainsFunc(list, func(name string) bool { return matches([]string{p}, name) }) {
			return &operation.Refusal{Message: "no " + what + " is called " + p, Hint: "there are " + strings.Join(list, ", ")}
		}
	}
	return nil
}

// matches tells whether one of the patterns fits; none at all fits everything.
func matches(patterns []string, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return p == name || ok && err == nil
	})
}

// hosts are those of the chosen targets, and, where the ask is about all that
// belongs to the service, those of its accessories.
func (w *work) hosts() []string {
	list := names(w.chosen, func(t target) string { return t.host })
	whole := []operation.Verb{
		operation.Details, operation.Remove, operation.ServerExec, operation.ServerBootstrap, operation.RegistryLogin, operation.RegistryLogout,
		operation.Eject,
	}
	if w.ask.Accessory != "" || !slices.Contains(whole, w.ask.Verb) && !w.ask.Verb.OfProxy() || w.ask.Primary || len(w.ask.Roles) > 0 {
		return list
	}
	for _, a := range w.Deploy.Accessories {
		for _, h := range a.Hosts {
			if matches(w.ask.Hosts, h.Address) && !slices.Contains(list, h.Address) {
				list = append(list, h.Address)
			}
		}
	}
	return list
}

// on are the chosen targets of a host.
func (w *work) on(host string) []target {
	return slices.DeleteFunc(slices.Clone(w.chosen), func(t target) bool { return t.host != host })
}

// of returns a target's containers, newest first.
func of(lane release.Lane, t target, all []container.Observed) []container.Observed {
	if t.name != "" {
		return slices.DeleteFunc(slices.Clone(all), func(c container.Observed) bool { return c.Name != t.name })
	}
	o := plan.Observed{Hosts: map[string]plan.Host{t.host: {Containers: all}}}
	return o.Of(lane, plan.Key{Host: t.host, Role: t.role})
}

// pick returns the container of a target that an ask means: of the version, or
// the newest that runs, else the newest. false where there is none.
func pick(lane release.Lane, list []container.Observed, version string) (container.Observed, bool) {
	best, rank := container.Observed{}, 0
	for _, c := range list {
		is := 1
		if c.State.IsUp() {
			is = 2
		}
		if version != "" && plan.VersionOf(lane, c) != version {
			is = 0
		}
		if is > rank {
			best, rank = c, is
		}
	}
	return best, rank > 0
}

// role returns what deploy.yml says of a role.
func (w *work) role(name string) spec.Role {
	i := slices.IndexFunc(w.Deploy.Roles, func(r spec.Role) bool { return r.Name == name })
	if i < 0 {
		return spec.Role{Name: name, StopTimeout: w.Deploy.DrainTimeout}
	}
	return w.Deploy.Roles[i]
}

// labels are those of the containers that an ask is about.
func (w *work) labels() map[string]string {
	if w.ask.Accessory != "" {
		return nil
	}
	return labels(w.Lane())
}

func labels(lane release.Lane) map[string]string {
	return map[string]string{plan.LabelService: lane.Service}
}
