package fleettest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/internal/schedule"
)

// engine is a host's container engine in a process's hands.
type engine struct {
	p *Process
	h *Host
}

// Containers lists all containers; labels are not looked at, since the
// deployer asks for all.
func (e engine) Containers(ctx context.Context, _ map[string]string) ([]container.Observed, error) {
	var all []container.Observed
	err := e.p.read(ctx, e.h, "list containers", func() error {
		for _, b := range e.h.containers {
			all = append(all, e.h.lagging(b, e.observe(b)))
		}
		slices.SortFunc(all, func(a, b container.Observed) int { return strings.Compare(a.Name, b.Name) })
		return nil
	})
	return all, err
}

func (e engine) Inspect(ctx context.Context, idOrName string) (container.Observed, error) {
	var o container.Observed
	err := e.p.read(ctx, e.h, "inspect "+e.label(idOrName), func() error {
		b := e.h.find(idOrName)
		if b == nil {
			return fmt.Errorf("inspect %s: %w", idOrName, docker.ErrNotFound)
		}
		o = e.observe(b)
		return nil
	})
	return o, err
}

func (e engine) Logs(ctx context.Context, id string, _ int) ([]string, error) {
	return []string{"the last line"}, e.p.read(ctx, e.h, "logs "+e.label(id), func() error {
		if e.h.find(id) == nil {
			return fmt.Errorf("logs of %s: %w", id, docker.ErrNotFound)
		}
		return nil
	})
}

func (e engine) Redial(ctx context.Context) error {
	return e.p.read(ctx, e.h, "redial", func() error {
		if e.h.closing {
			return fmt.Errorf("redial: %w", docker.ErrUnavailable)
		}
		return nil
	})
}

func (e engine) LastEnd(ctx context.Context, id string, _ time.Time) (end container.Ending, ok bool, err error) {
	err = e.p.read(ctx, e.h, "events "+e.label(id), func() error {
		if b := e.h.find(id); b != nil {
			app := e.h.app(b)
			end, ok = container.Ending{ExitCode: app.ExitCode, OOMKilled: app.OOM}, true
		}
		return nil
	})
	return end, ok, err
}

func (e engine) Create(ctx context.Context, name string, s container.Spec) (string, error) {
	var id string
	create := func() error {
		if e.h.find(name) != nil {
			return fmt.Errorf("create %s: %w", name, docker.ErrNameTaken)
		}
		digest, ok := e.h.images[s.Image]
		if !ok {
			return fmt.Errorf("create %s: %w", name, docker.ErrNoImage)
		}
		id = e.h.add(name, s, digest).id
		return nil
	}
	var part func() error
	if len(s.ExtraNetworks) > 0 { // which are joined one after another
		part = func() error {
			s.ExtraNetworks = nil
			return create()
		}
	}
	err := e.p.changeOr(ctx, e.h, "create "+name, create, part)
	return id, err
}

// errDead is the engine's word on a container that it could not remove whole.
var errDead = errors.New("container is marked for removal and cannot be started")

// Start starts a container. What breaks off the first start of one leaves its
// end of the network behind, and the engine never starts it again.
func (e engine) Start(ctx context.Context, id string) error {
	call := "start " + e.label(id)
	return e.p.changeOr(ctx, e.h, call, e.with(call, id, func(b *box) error {
		switch {
		case b.up && e.h.state(b).Status != container.Exited:
			return nil
		case b.status == container.Dead:
			return fmt.Errorf("%s: %w", call, errDead)
		case b.broken != "":
			return fmt.Errorf("%s: %s", call, b.broken)
		case !e.h.hasNetwork(b.spec.Network): // which is looked for only now
			b.exit = 128
			return fmt.Errorf("%s: network %s: %w", call, b.spec.Network, docker.ErrNotFound)
		}
		e.h.hookStarts(b)
		b.up, b.started, b.exit = true, time.Now(), 0
		return nil
	}), e.with(call, id, func(b *box) error {
		if b.status == container.Created && !b.up {
			b.exit, b.broken = 128, "endpoint with name "+b.name+" already exists in network "+b.spec.Network
		}
		return nil
	}))
}

// Stop ends a container. Where the call breaks off, the program has its signal
// already and ends a moment later.
func (e engine) Stop(ctx context.Context, id string, _ time.Duration) error {
	call := "stop " + e.label(id)
	return e.p.changeOr(ctx, e.h, call, e.with(call, id, func(b *box) error {
		s := e.h.state(b)
		if s.Status == container.Created {
			return nil
		}
		e.h.stopping(b)
		if b.status != container.Dead {
			b.status = container.Exited
		}
		b.up, b.exit, b.ended = false, 0, time.Now()
		if _, hook := e.h.hook(b); hook {
			b.exit = 137
		}
		if s.Status != container.Running { // it had ended by itself
			b.exit = s.ExitCode
		}
		return nil
	}), e.with(call, id, func(b *box) error {
		if !b.up {
			return nil
		}
		e.h.stopping(b)
		e.p.w.later(call, func() {
			if b.up {
				b.up, b.status, b.exit, b.ended = false, container.Exited, 0, time.Now()
			}
		})
		return nil
	}))
}

func (e engine) Rename(ctx context.Context, id, name string) error {
	return e.on(ctx, "rename", id, func(b *box) error {
		if other := e.h.find(name); other != nil && other != b {
			return fmt.Errorf("rename to %s: %w", name, docker.ErrNameTaken)
		}
		b.name = name
		return nil
	})
}

// Remove removes a container. One that was removed by half is dead: it cannot
// be started, and can be removed once more.
func (e engine) Remove(ctx context.Context, id string) error {
	remove := func(half bool) func() error {
		return func() error {
			b := e.h.find(id)
			if b == nil {
				return nil
			}
			e.h.stopping(b)
			if half {
				b.up, b.status = false, container.Dead
				return nil
			}
			delete(e.h.containers, b.id)
			return nil
		}
	}
	return e.p.changeOr(ctx, e.h, "remove "+e.label(id), remove(false), remove(true))
}

// on changes one container at once.
func (e engine) on(ctx context.Context, verb, id string, do func(*box) error) error {
	call := verb + " " + e.label(id)
	return e.p.change(ctx, e.h, call, e.with(call, id, do))
}

// with does something with a container that must be there.
func (e engine) with(call, id string, do func(*box) error) func() error {
	return func() error {
		b := e.h.find(id)
		if b == nil {
			return fmt.Errorf("%s: %w", call, docker.ErrNotFound)
		}
		return do(b)
	}
}

// label names a container in effects: ids tell nobody anything.
func (e engine) label(idOrName string) string {
	e.p.w.mu.Lock()
	defer e.p.w.mu.Unlock()
	if b := e.h.find(idOrName); b != nil {
		return b.name
	}
	return idOrName
}

func (e engine) EnsureNetwork(ctx context.Context, name string) error {
	return e.p.change(ctx, e.h, "network "+name, func() error {
		e.h.networks[name] = true
		return nil
	})
}

// HTTP, TCP and Cmd are the probes.
func (e engine) HTTP(ctx context.Context, id, _ string, _ int, path string) (int, error) {
	status := 0
	err := e.p.read(ctx, e.h, "get "+path+" of "+e.label(id), func() error {
		if b := e.h.find(id); b != nil {
			status = e.h.answers(b)
		}
		if status == 0 {
			return fmt.Errorf("get %s: connection refused", path)
		}
		return nil
	})
	return status, err
}

func (e engine) TCP(ctx context.Context, id, address string, port int) error {
	_, err := e.HTTP(ctx, id, address, port, fmt.Sprintf(":%d", port))
	return err
}

func (e engine) Cmd(ctx context.Context, id string, argv []string) (int, string, error) {
	status, err := e.HTTP(ctx, id, "", 0, argv[0])
	if err == nil && status == 200 {
		return 0, "", nil
	}
	return 1, "no", nil
}

// reverseProxy is a host's reverse proxy in a process's hands.
type reverseProxy struct {
	p *Process
	h *Host
}

// Early knows nothing before it was asked.
func (r reverseProxy) Early(context.Context) ([]plan.Live, bool) { return nil, false }

func (r reverseProxy) List(ctx context.Context, _ bool) ([]plan.Live, error) {
	var list []plan.Live
	err := r.p.read(ctx, r.h, "list routes", func() error {
		for service, to := range r.h.routes {
			list = append(list, to.live(service))
		}
		slices.SortFunc(list, func(a, b plan.Live) int { return strings.Compare(a.Service, b.Service) })
		return nil
	})
	return list, err
}

// Deploy waits for the targets' health as kamal-proxy does, then switches.
func (r reverseProxy) Deploy(ctx context.Context, route plan.Route, ids ...string) error {
	call := "switch " + route.Service + " to " + engine(r).label(ids[0])
	f, err := r.p.reach(ctx, r.h, r.h.Name, call)
	if err != nil {
		return err
	}
	for begin := time.Now(); !r.serve(ids); { // which the proxy itself waits for
		if time.Since(begin) > route.DeployTimeout {
			return fmt.Errorf("%w: target failed to become healthy", rollout.ErrProxyVerdict)
		}
		if err := schedule.Pause(ctx, route.HealthInterval); err != nil {
			return err
		}
	}
	to := func() error {
		to := routed{route: route}
		for i, id := range ids {
			b := r.h.find(id)
			if b == nil || !r.h.healthy(b) {
				return fmt.Errorf("%w: target failed to become healthy", rollout.ErrProxyVerdict)
			}
			if to.id = cmp.Or(to.id, b.id); i > 0 {
				to.more = append(to.more, b.id)
			}
		}
		if proxy := r.h.find("kamal-proxy"); proxy == nil || !proxy.up {
			return fmt.Errorf("%s: the proxy does not run: %w", call, docker.ErrNotFound)
		}
		r.h.routes[route.Service] = to
		return nil
	}
	// What was asked goes on in the proxy though nobody hears its answer.
	return r.p.land(ctx, r.h, f, call, to, func() error {
		r.p.w.later(call, func() { _ = to() })
		return nil
	})
}

// serve tells whether all containers answer the proxy.
func (r reverseProxy) serve(ids []string) bool {
	r.p.w.mu.Lock()
	defer r.p.w.mu.Unlock()
	return !slices.ContainsFunc(ids, func(id string) bool {
		b := r.h.find(id)
		return b == nil || !r.h.healthy(b)
	})
}

func (r reverseProxy) Remove(ctx context.Context, service string) error {
	return r.p.change(ctx, r.h, "remove route "+service, func() error {
		delete(r.h.routes, service)
		return nil
	})
}

// Boot makes the proxy run. It is made, then started.
func (r reverseProxy) Boot(ctx context.Context, _ plan.ProxyRun, _ bool) error {
	boot := func(start bool) func() error {
		return func() error {
			r.h.bootProxy(map[string]string{"fairlead.proxy": "test"}, start)
			return nil
		}
	}
	return r.p.changeOr(ctx, r.h, "boot proxy", boot(true), boot(false))
}
