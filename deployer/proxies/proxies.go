// Package proxies is what people do by hand to the reverse proxies of a
// service's hosts: boot, stop, replace, upgrade. Rollouts boot one where none
// runs, and do nothing else to it.
//
// Lives here: which hosts, in which order, under which lock, and what is told.
// May not live here: how a proxy is replaced (deployer/route), what travels
// (release/operation).
package proxies

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/operate"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/plan/boot"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// Box is the proxy of a host (route.Box).
type Box interface {
	Up(ctx context.Context, run plan.ProxyRun) (route.Change, error)
	Restart(ctx context.Context, run plan.ProxyRun) (route.Change, error)
	Replace(ctx context.Context, run plan.ProxyRun) (route.Change, error)
	Upgrade(ctx context.Context, run plan.ProxyRun) (route.Change, error)
}

// Ender takes a proxy away.
type Ender interface {
	Down(ctx context.Context) (route.Change, error)
	Gone(ctx context.Context) (route.Change, error)
	// List tells the routes.
	List(ctx context.Context, ours bool) ([]plan.Live, error)
}

// Host is one host's proxy.
type Host struct {
	Box   Box
	Ender Ender
	// Ready makes the network exist that proxies and apps share.
	Ready func(ctx context.Context) error
	// Discard removes an image; docker.ErrInUse while a container needs it.
	Discard func(ctx context.Context, ref string) error
}

// Proxies are those of a service's hosts.
type Proxies struct {
	Service *operate.Service
	Connect func(ctx context.Context, name string) (Host, error)
	// Secrets gives the values that the settings of Traefik name.
	Secrets func(ctx context.Context, names []string) (map[string]secret.Value, error)
	// Hooks runs those of Kamal's that come with a reboot; nil: there are none.
	Hooks operate.Hooks
}

// Do carries out an ask, under the service's lock on every host. Hosts go side
// by side; with Rolling, or where proxies are replaced unasked, one by one.
func (p Proxies) Do(ctx context.Context, ask operation.Ask, who operation.Caller) error {
	if why := ask.Check(); why != "" {
		return &operation.Refusal{Message: why, Hint: "`fairlead proxy --help` shows how"}
	}
	return p.Service.With(ctx, ask, who, func(ctx context.Context, hosts []string, may func(context.Context, string) error) error {
		hosts = slices.DeleteFunc(slices.Clone(hosts), func(name string) bool {
			_, ok, _ := boot.On(p.Service.Deploy, name, "", nil)
			return !ok
		})
		if len(hosts) == 0 {
			return &operation.Refusal{Message: "no role or accessory of these hosts gets requests from a proxy", Hint: "`proxy:` in deploy.yml makes one"}
		}
		if err := p.possible(ask); err != nil {
			return err
		}
		o := &one{Proxies: p, ask: ask, who: who, may: may}
		if names := p.named(); len(names) > 0 && !ends(ask.Verb) {
			var err error
			if o.secrets, err = p.Secrets(ctx, names); err != nil {
				return err
			}
		}
		groups := [][]string{hosts}
		if ask.Rolling {
			groups = slices.Collect(slices.Chunk(hosts, 1))
		}
		for _, group := range groups {
			if err := o.group(ctx, group); err != nil {
				if ask.Rolling {
					err = fmt.Errorf("%w; the hosts after it are as they were", err)
				}
				return err
			}
		}
		return nil
	})
}

// group works on hosts side by side, a reboot between its two hooks.
func (o *one) group(ctx context.Context, hosts []string) error {
	if err := o.hook(ctx, hooks.PreProxyReboot, hosts); err != nil {
		return err
	}
	errs := make([]error, len(hosts))
	var group abreast.Group
	for i, name := range hosts {
		group.Go(func() {
			if err := o.on(ctx, name); err != nil {
				errs[i] = fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return o.hook(ctx, hooks.PostProxyReboot, hosts)
}

func (o *one) hook(ctx context.Context, name string, hosts []string) error {
	if o.ask.Verb != operation.ProxyReboot || o.Hooks == nil {
		return nil
	}
	return o.Hooks(ctx, o.ask, name, hosts, func(t operation.Told) error {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.who.Tell(t)
	})
}

// ends tells of a verb that it needs to know nothing of how a proxy runs.
func ends(v operation.Verb) bool { return v == operation.ProxyStop || v == operation.ProxyRemove }

// possible refuses what the next look at deploy.yml would contradict: it says
// at which proxy a service's routes are looked for.
func (p Proxies) possible(ask operation.Ask) error {
	keeps := traefik.Keeps(p.Service.Deploy)
	switch {
	case ask.Verb != operation.ProxyUse || keeps == (ask.Kind == operation.KindTraefik):
		return nil
	case keeps:
		return &operation.Refusal{Message: "deploy.yml keeps Traefik", Hint: "write `x-fairlead: {proxy: " + ask.Kind + "}` there and push; that release waits for this command"}
	}
	return &operation.Refusal{Message: "deploy.yml does not keep Traefik", Hint: "write `x-fairlead: {proxy: traefik}` there and push; that release waits for this command"}
}

// named are the secrets that the settings of Traefik name.
func (p Proxies) named() (names []string) {
	if traefik.Keeps(p.Service.Deploy) {
		for _, ref := range p.Service.Deploy.Traefik.Env.Secrets {
			if ref.Source != "" {
				names = append(names, ref.Source)
			}
		}
	}
	return names
}

// one is one ask being carried out.
type one struct {
	Proxies
	ask operation.Ask
	who operation.Caller
	may func(context.Context, string) error
	// secrets are those that the proxy's own settings name.
	secrets map[string]secret.Value
	mu      sync.Mutex // of Tell
}

func (o *one) on(ctx context.Context, name string) error {
	h, err := o.Connect(ctx, name)
	if err != nil {
		return err
	}
	if err := o.may(ctx, name); err != nil {
		return err
	}
	run, _, err := boot.On(o.Service.Deploy, name, o.ask.Kind, o.secrets)
	if err != nil && !ends(o.ask.Verb) {
		return err
	}
	change, err := o.do(ctx, h, run)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.who.Tell(operation.Told{Source: operation.Source{Host: name, Role: "proxy", Name: route.Name(o.Service.Deploy)}, Done: sentence(change)})
}

// sentence is a change as people read it.
func sentence(c route.Change) string {
	text := c.Done
	if c.Was != c.Is {
		text += fmt.Sprintf(": %s, it was %s", cmp.Or(c.Is, "none"), cmp.Or(c.Was, "none"))
	}
	if c.Gap > 0 {
		text += fmt.Sprintf("; connections were refused for at most %s", c.Gap.Round(time.Millisecond))
	}
	return text
}

func (o *one) do(ctx context.Context, h Host, run plan.ProxyRun) (route.Change, error) {
	switch o.ask.Verb {
	case operation.ProxyStop:
		return h.Ender.Down(ctx)
	case operation.ProxyRemove:
		return o.remove(ctx, h)
	}
	if err := h.Ready(ctx); err != nil {
		return route.Change{}, err
	}
	switch o.ask.Verb {
	case operation.ProxyBoot, operation.ProxyStart:
		return h.Box.Up(ctx, run)
	case operation.ProxyRestart:
		return h.Box.Restart(ctx, run)
	case operation.ProxyUpgrade:
		return h.Box.Upgrade(ctx, run)
	case operation.ProxyReboot, operation.ProxyUse:
		return h.Box.Replace(ctx, run)
	}
	return route.Change{}, fmt.Errorf("%s is nothing that is done to a proxy", o.ask.Verb)
}

// remove removes a proxy that serves nobody, or, with Force, whom it serves, and
// its image, as Kamal does, which a container that is not its own may keep.
func (o *one) remove(ctx context.Context, h Host) (route.Change, error) {
	if !o.ask.Force {
		routes, err := h.Ender.List(ctx, false)
		var names []string
		for _, r := range routes {
			names = append(names, r.Service)
		}
		if err == nil && len(names) > 0 {
			return route.Change{}, &operation.Refusal{
				Message: fmt.Sprintf("the proxy serves %v", names), Hint: "`fairlead remove` or `fairlead app remove` ends a service; --force removes the proxy all the same",
			}
		}
	}
	c, err := h.Ender.Gone(ctx)
	if err == nil && c.Was != "" {
		if err = h.Discard(ctx, c.Was); errors.Is(err, docker.ErrInUse) {
			err = nil
		}
	}
	return c, err
}
