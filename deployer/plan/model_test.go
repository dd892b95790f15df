package plan_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

// model is hosts as a plan sees them, on which its steps can be done.
type model struct {
	hosts map[string]*plan.Host
	tells bool           // the proxy is Fairlead's own, and lists whole routes
	lists bool           // it lists what kamal-proxy does
	made  int            // containers, for their age
	ids   map[string]int // containers made, by host
	// broken collects steps that took the traffic from a container or stopped
	// the one that had it.
	broken []string
}

func newModel() *model {
	return &model{hosts: map[string]*plan.Host{"a": {}, "b": {}, "c": {}}, ids: map[string]int{}}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (m *model) observed() plan.Observed {
	o := plan.Observed{Hosts: map[string]plan.Host{}}
	for name, h := range m.hosts {
		c := *h
		c.Containers = slices.Clone(h.Containers)
		for i := range c.Containers {
			c.Containers[i].Spec.Labels = maps.Clone(c.Containers[i].Spec.Labels)
		}
		c.Routes = slices.Clone(h.Routes)
		o.Hosts[name] = c
	}
	return o
}

func (m *model) container(host, name string) *container.Observed {
	for i, c := range m.hosts[host].Containers {
		if c.Name == name {
			return &m.hosts[host].Containers[i]
		}
	}
	panic("no container " + name + " on " + host)
}

// target is how the proxy of a host names the n-th container made on it.
func target(host string, n int) string { return id(host, n)[:12] + ":3000" }

func id(host string, n int) string { return fmt.Sprintf("%s%011d%s", host, n, strings.Repeat("0", 52)) }

// reach brings the hosts to a desired state.
func (m *model) reach(d plan.Desired) {
	m.do(plan.Make(d, m.observed()), -1)
}

// do does the first n steps of a plan, all with a negative n, and returns how
// many it did.
func (m *model) do(p plan.Plan, n int) int {
	done := 0
	for _, st := range p.Stages {
		for _, host := range sortedKeys(st.Steps) {
			for _, s := range st.Steps[host] {
				if done == n {
					return done
				}
				m.step(host, m.hosts[host], s)
				done++
			}
		}
	}
	return done
}

func (m *model) step(name string, h *plan.Host, s plan.Step) {
	switch s := s.(type) {
	case plan.BootProxy:
		h.Proxy.Present, h.Proxy.Running, h.Proxy.Ours = true, true, m.tells
	case plan.Create:
		if s.Replaces != nil {
			h.Containers[m.index(h, *s.Replaces)].Name += "_replaced_" + s.Replaces.ID[:16]
		}
		m.made++
		m.ids[name]++
		spec := s.Unit.Spec
		spec.Labels = maps.Clone(spec.Labels)
		h.Containers = append(h.Containers, container.Observed{
			ID: id(name, m.ids[name]), Name: s.Unit.Name, Spec: spec, Created: time.Unix(int64(m.made), 0),
			State: container.State{Status: container.Created},
		})
	case plan.Start:
		h.Containers[m.index(h, s.Ref)].State.Status = container.Running
	case plan.Stop:
		m.stop(name, h, m.index(h, s.Ref))
	case plan.Switch:
		m.route(name, h, s)
	case plan.Split:
		m.split(name, h, s)
	case plan.Unsplit:
		for i := range h.Routes {
			if h.Routes[i].Service == s.Route.Service {
				h.Routes[i].Split = ""
			}
		}
	case plan.Unroute:
		h.Routes = slices.DeleteFunc(h.Routes, func(l plan.Live) bool { return l.Service == s.Service })
	case plan.Prune:
		for _, ref := range s.Remove {
			i := m.index(h, ref)
			m.stop(name, h, i)
			h.Containers = slices.Delete(h.Containers, i, i+1)
		}
	}
}

func (m *model) index(h *plan.Host, ref plan.Ref) int {
	i := slices.IndexFunc(h.Containers, func(c container.Observed) bool {
		return ref.ID != "" && c.ID == ref.ID || ref.ID == "" && c.Name == ref.Name
	})
	if i < 0 {
		panic("no container " + ref.Name)
	}
	return i
}

func (m *model) stop(name string, h *plan.Host, i int) {
	c := &h.Containers[i]
	for _, l := range h.Routes {
		if leads(append([]string{l.Target}, l.More...), c.ID) && c.State.IsUp() && c.Spec.Labels["test.stop-first"] == "" {
			m.broken = append(m.broken, fmt.Sprintf("%s: %s was stopped with the traffic of %s", name, c.Name, l.Service))
		}
		if l.Split != "" && strings.HasPrefix(l.Split, c.ID[:12]) && c.State.IsUp() {
			m.broken = append(m.broken, fmt.Sprintf("%s: %s was stopped with a share of %s", name, c.Name, l.Service))
		}
	}
	c.State.Status = container.Exited
}

// leads tells whether one of a route's targets is the container of an id.
func leads(targets []string, id string) bool {
	return slices.ContainsFunc(targets, func(to string) bool { return strings.HasPrefix(to, id[:12]) })
}

func (m *model) route(name string, h *plan.Host, s plan.Switch) {
	c := h.Containers[m.index(h, s.Ref)]
	if !h.Proxy.Running || !c.State.IsUp() {
		m.broken = append(m.broken, fmt.Sprintf("%s: %s got the traffic and does not run, or the proxy does not", name, c.Name))
	}
	l := plan.Live{Service: s.Route.Service, Target: fmt.Sprintf("%s:%d", c.ID[:12], s.Route.Port), State: "running"}
	for _, ref := range s.More {
		further := h.Containers[m.index(h, ref)]
		if !further.State.IsUp() {
			m.broken = append(m.broken, fmt.Sprintf("%s: %s got its share of the traffic and does not run", name, further.Name))
		}
		l.More = append(l.More, fmt.Sprintf("%s:%d", further.ID[:12], s.Route.Port))
	}
	switch r := s.Route; {
	case m.tells:
		r.DeployTimeout, r.DrainTimeout = 0, 0
		l.Route, l.Splits = &r, true
	case m.lists:
		l.Route, l.Part = &plan.Route{Hosts: r.Hosts, PathPrefixes: r.PathPrefixes, TLS: r.TLS, Port: r.Port}, true
	}
	h.Routes = slices.DeleteFunc(h.Routes, func(l plan.Live) bool { return l.Service == s.Route.Service })
	h.Routes = append(h.Routes, l)
}

func (m *model) split(name string, h *plan.Host, s plan.Split) {
	c := h.Containers[m.index(h, s.Ref)]
	if !h.Proxy.Running || !h.Proxy.Ours || !c.State.IsUp() {
		m.broken = append(m.broken, fmt.Sprintf("%s: %s got a share and does not run, or the proxy cannot", name, c.Name))
	}
	for i := range h.Routes {
		if h.Routes[i].Service == s.Route.Service {
			h.Routes[i].Split = fmt.Sprintf("%s:%d", c.ID[:12], s.Route.Port)
		}
	}
}
