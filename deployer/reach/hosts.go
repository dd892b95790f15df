package reach

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/observe"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// Terms are what an attempt reaches hosts for.
type Terms struct {
	Deploy *spec.Deploy
	Good   []release.Release // the lane's that succeeded, newest first
	Auth   docker.Auth       // what the hosts pull with
	// Cordoned hosts get no new release, with the reason; they may be any.
	Cordoned map[string]string
	// Back says that a release is on its way back: that goes on where a cordon
	// is, too, and the hosts that answer are enough.
	Back bool
	// Loose says that no host is waited for that does not answer.
	Loose bool
	// Beside says that the accessories' hosts are meant, too.
	Beside bool
	// Allow are the repository's words of allow: in fairlead.yml, and Secrets the
	// values of those that deploy.yml names.
	Allow   []string
	Secrets map[string]secret.Value
}

// Hosts are the servers of an attempt, after Connect.
type Hosts struct {
	Servers map[string]Server
	Absent  map[string]error  // could not be connected to
	Skipped map[string]string // left out for now, and why
	Away    bool              // of Skipped, some only do not answer: they are tried again

	t     Terms
	loose map[string]error // of Skipped, those that only Loose left out
}

// Connect reaches all hosts at once. The error has those that are waited for;
// Hosts is what there is all the same.
func Connect(ctx context.Context, fleet Fleet, t Terms) (Hosts, error) {
	h := Hosts{Servers: map[string]Server{}, Absent: map[string]error{}, Skipped: map[string]string{}, t: t, loose: map[string]error{}}
	addresses := h.addresses()
	if !t.Back {
		maps.Copy(h.Skipped, t.Cordoned)
		maps.DeleteFunc(h.Skipped, func(name, _ string) bool { _, ok := addresses[name]; return !ok })
	}
	var mu sync.Mutex
	var wg abreast.Group
	place := starts(t.Deploy, len(addresses))
	for name, at := range addresses {
		if h.Skipped[name] != "" {
			continue
		}
		wg.Go(func() {
			s, err := placed(ctx, place, fleet, at)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				h.Absent[name] = err
				return
			}
			s.Work.Auth, s.Work.Files = t.Auth, s.Files
			h.Servers[name] = s
		})
	}
	wg.Wait()
	if t.Back && len(h.Servers) > 0 {
		return h, nil
	}
	return h, h.PassOver(h.Absent)
}

// starts has room for so many hosts as are connected to at once: all, where
// deploy.yml does not bound it.
func starts(d *spec.Deploy, hosts int) chan struct{} {
	if k := d.SSHKit; k.Bounded {
		hosts = min(hosts, k.MaxConcurrentStarts)
	}
	return make(chan struct{}, hosts)
}

// placed reaches a server when there is room; a panic gives its room back, too.
func placed(ctx context.Context, room chan struct{}, fleet Fleet, at Address) (Server, error) {
	room <- struct{}{}
	defer func() { <-room }()
	return fleet.Server(ctx, at)
}

// Former are the hosts that the last good release knew and that deploy.yml does
// not name any more.
func (h *Hosts) Former() []string { return history.Former(h.t.Good, h.t.Deploy.Hosts()) }

func (h *Hosts) addresses() map[string]Address {
	list := map[string]Address{}
	for _, name := range append(h.Former(), h.names()...) {
		list[name] = At(h.t.Deploy, name).With(h.t.Allow, func(name string) secret.Value { return h.t.Secrets[name] })
	}
	return list
}

// beside are the accessories' hosts, where they are meant.
func (h *Hosts) beside() (list []spec.HostEntry) {
	for _, a := range h.t.Deploy.Accessories {
		if h.t.Beside {
			list = append(list, a.Hosts...)
		}
	}
	return list
}

// names are the hosts that are meant, sorted, each once.
func (h *Hosts) names() []string {
	names := h.t.Deploy.Hosts()
	for _, e := range h.beside() {
		names = append(names, e.Address)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Homes returns each host's home folder and, where deploy.yml refers to it, its
// login environment.
func (h *Hosts) Homes(ctx context.Context) (homes map[string]string, environments map[string]map[string]string, err error) {
	homes, environments = map[string]string{}, map[string]map[string]string{}
	for name, s := range h.Servers {
		homes[name] = s.Home
		if s.Environment == nil || !plan.NeedsEnvironment(h.t.Deploy, name) {
			continue
		}
		if environments[name], err = s.Environment(ctx); err != nil && !h.t.Back {
			if err = h.PassOver(map[string]error{name: fmt.Errorf("read the environment of %s: %w", name, err)}); err != nil {
				return nil, nil, err
			}
		}
	}
	return homes, environments, nil
}

// Look reads the wanted hosts and, of those that are not named any more, the
// ones that answer. What could not be read is part of the answer.
func (h *Hosts) Look(ctx context.Context, lane release.Lane, wanted []string) plan.Observed {
	former := h.Former()
	names := append([]string(nil), wanted...)
	for _, name := range former {
		if _, ok := h.Servers[name]; ok {
			names = append(names, name)
		}
	}
	o := observe.All(ctx, lane, names, func(_ context.Context, name string) (observe.Host, error) {
		return h.Servers[name].Read, h.Absent[name]
	})
	for _, name := range former { // what is not wanted may be away
		if o.Hosts[name].Err != nil {
			delete(o.Hosts, name)
		}
	}
	return o
}

// Read is Look where a host that cannot be read is a fault of the world, or is
// passed over: all tells that none was.
func (h *Hosts) Read(ctx context.Context, lane release.Lane, wanted []string) (o plan.Observed, all bool, err error) {
	o = h.Look(ctx, lane, wanted)
	bad := map[string]error{}
	for name, host := range o.Hosts {
		if host.Err != nil {
			bad[name] = host.Err
		}
	}
	if len(bad) == 0 {
		return o, true, nil
	}
	if err := h.PassOver(bad); err != nil {
		return o, false, err
	}
	maps.DeleteFunc(o.Hosts, func(_ string, host plan.Host) bool { return host.Err != nil })
	return o, false, nil
}

// Files gives the files of each host that was reached.
func (h *Hosts) Files() map[string]lock.Files {
	files := map[string]lock.Files{}
	for name, s := range h.Servers {
		files[name] = s.Files
	}
	return files
}

// Work gives what a rollout and the lock need of those of the named hosts that
// were reached.
func (h *Hosts) Work(names []string) (map[string]rollout.Host, map[string]lock.Files) {
	hosts, files := map[string]rollout.Host{}, map[string]lock.Files{}
	for _, name := range names {
		if s, ok := h.Servers[name]; ok {
			hosts[name], files[name] = s.Work, s.Files
		}
	}
	return hosts, files
}
