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

	"github.com/fairlead-deploy/fairlead/deployer/operate"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/route"
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
}

// Proxies are those of a service's hosts.
type Proxies struct {
	Service *operate.Service
	Connect func(ctx context.Context, name string) (Host, error)
}

// Do carries out an ask, under the service's lock on every host. Hosts go side
// by side; with Rolling, or where proxies are replaced unasked, one by one.
func (p Proxies) Do(ctx context.Context, ask operation.Ask, who operation.Caller) error {
	if why := ask.Check(); why != "" {
		return &operation.Refusal{Message: why, Hint: "`fairlead proxy --help` shows how"}
	}
	return p.Service.With(ctx, ask, who, func(ctx context.Context, hosts []string, may func(context.Context, string) error) error {
		hosts = slices.DeleteFunc(slices.Clone(hosts), func(name string) bool {
			_, ok := plan.ProxyOn(p.Service.Deploy, name, "")
			return !ok
		})
		if len(hosts) == 0 {
			return &operation.Refusal{Message: "no role or accessory of these hosts gets requests from a proxy", Hint: "`proxy:` in deploy.yml makes one"}
		}
		o := &one{Proxies: p, ask: ask, who: who, may: may}
		if ask.Rolling {
			for _, name := range hosts {
				if err := o.on(ctx, name); err != nil {
					return fmt.Errorf("%s: %w; the hosts after it are as they were", name, err)
				}
			}
			return nil
		}
		errs := make([]error, len(hosts))
		var group sync.WaitGroup
		for i, name := range hosts {
			group.Go(func() {
				if err := o.on(ctx, name); err != nil {
					errs[i] = fmt.Errorf("%s: %w", name, err)
				}
			})
		}
		group.Wait()
		return errors.Join(errs...)
	})
}

// one is one ask being carried out.
type one struct {
	Proxies
	ask operation.Ask
	who operation.Caller
	may func(context.Context, string) error
	mu  sync.Mutex // of Tell
}

func (o *one) on(ctx context.Context, name string) error {
	h, err := o.Connect(ctx, name)
	if err != nil {
		return err
	}
	if err := o.may(ctx, name); err != nil {
		return err
	}
	run, _ := plan.ProxyOn(o.Service.Deploy, name, o.ask.Kind)
	change, err := o.do(ctx, h, run)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.who.Tell(operation.Told{Source: operation.Source{Host: name, Role: "proxy", Name: route.Container}, Done: sentence(change)})
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

// remove removes a proxy that serves nobody, or, with Force, whom it serves.
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
	return h.Ender.Gone(ctx)
}
