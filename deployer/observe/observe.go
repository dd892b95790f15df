// Package observe reads what a lane's hosts run, all hosts at once: one list of
// containers and one of routes each. A host that cannot be read is part of the
// answer, not an error.
//
// Lives here: reading. May not live here: any effect, any decision.
package observe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
	"github.com/fairlead-deploy/fairlead/release"
)

// limit bounds the reading of one host, connecting included.
const limit = 30 * time.Second

// Lister lists containers, stopped ones included.
type Lister interface {
	Containers(ctx context.Context, labels map[string]string) ([]container.Observed, error)
	// Redial fails where the engine takes no new connection.
	Redial(ctx context.Context) error
}

// Router lists the routes of a host's proxy. ours says that the proxy is
// Fairlead's own.
type Router interface {
	List(ctx context.Context, ours bool) ([]plan.Live, error)
	// Early is List for a proxy that was found to be Fairlead's own before. It
	// returns false where none was, or where it does not answer: then List.
	Early(ctx context.Context) ([]plan.Live, bool)
}

// Host is where one host is read.
type Host struct {
	Lister Lister
	Router Router // may be nil where no proxy runs
	// Proxy is the name of the proxy's container; "" is kamal-proxy.
	Proxy string
	// Self is what the id of the container that this process runs in may be, or
	// the beginning of it; empty where it runs in none.
	Self []string
}

// Connect gives the host of a name, connecting where there is no connection.
type Connect func(ctx context.Context, name string) (Host, error)

// All reads hosts by name, side by side.
func All(ctx context.Context, lane release.Lane, names []string, connect Connect) plan.Observed {
	o := plan.Observed{Hosts: make(map[string]plan.Host, len(names))}
	var mu sync.Mutex
	var wg abreast.Group
	for _, name := range names {
		wg.Go(func() {
			h := one(ctx, lane, name, connect)
			mu.Lock()
			o.Hosts[name] = h
			mu.Unlock()
		})
	}
	wg.Wait()
	return o
}

func one(ctx context.Context, lane release.Lane, name string, connect Connect) plan.Host {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("the host did not answer within 30s"))
	defer cancel()
	h, err := connect(ctx, name)
	if err != nil {
		return plan.Host{Err: fmt.Errorf("connect to %s: %w", name, err)}
	}
	var early []plan.Live
	var known bool
	var wg abreast.Group
	if h.Router != nil {
		wg.Go(func() { early, known = h.Router.Early(ctx) })
	}
	proxy := cmp.Or(h.Proxy, route.Container)
	all, err := certain(ctx, lane, proxy, h.Lister)
	wg.Wait()
	if err != nil {
		return plan.Host{Err: fmt.Errorf("read %s: %w", name, err)}
	}
	seen := plan.Host{Proxy: proxyOf(all, proxy)}
	for _, c := range all {
		if slices.ContainsFunc(h.Self, func(id string) bool { return strings.HasPrefix(c.ID, id) }) {
			seen.Self = c.ID
		}
		if of(lane, c) {
			seen.Containers = append(seen.Containers, c)
		} else {
			seen.Others, seen.Beside = append(seen.Others, c.Spec.Image), append(seen.Beside, c)
		}
	}
	switch {
	case !seen.Proxy.Running:
	case seen.Proxy.Ours && known:
		seen.Routes = early
	default:
		if seen.Routes, err = h.Router.List(ctx, seen.Proxy.Ours); err != nil {
			return plan.Host{Err: fmt.Errorf("read the routes of %s: %w", name, err)}
		}
	}
	return seen
}

// certain lists what a host has. Where something that should run has ended, the
// engine may be about to stop: it ends its containers one by one then, and tells
// of it over the connections that it has. That is no reason to start anything,
// so it is asked over a new connection, and only what it says afterwards counts.
func certain(ctx context.Context, lane release.Lane, proxy string, l Lister) ([]container.Observed, error) {
	all, err := l.Containers(ctx, nil)
	if err != nil || !ended(all, lane, proxy) {
		return all, err
	}
	if err := l.Redial(ctx); err != nil {
		return nil, err
	}
	return l.Containers(ctx, nil)
}

// ended tells that of a role of the lane, or as the host's proxy, there is a
// container and none runs.
func ended(all []container.Observed, lane release.Lane, proxy string) bool {
	up := map[string]bool{}
	for _, c := range all {
		what := ""
		switch {
		case c.Name == proxy:
			what = "the proxy"
		case of(lane, c):
			what = "role " + c.Spec.Labels[plan.LabelRole]
		default:
			continue
		}
		up[what] = up[what] || c.State.IsUp()
	}
	return slices.Contains(slices.Collect(maps.Values(up)), false)
}

// of tells whether a container does the work of one of the lane's roles.
func of(lane release.Lane, c container.Observed) bool {
	l := c.Spec.Labels
	return l[plan.LabelService] == lane.Service && l[plan.LabelDestination] == lane.Destination && l[plan.LabelRole] != ""
}

func proxyOf(all []container.Observed, name string) (p plan.Proxy) {
	for _, c := range all {
		if c.Name == name {
			p = plan.Proxy{
				Present: true,
				Running: c.State.Status == container.Running,
				Ours:    c.Spec.Labels[route.LabelOurs] != "",
				Image:   c.Spec.Image,
				ID:      c.ID,
			}
		}
	}
	if p.Running {
		return p
	}
	for _, c := range all {
		if rival := c.Name == route.Container || traefik.Ours(c) && c.Name == traefik.Container; rival && c.Name != name && c.State.IsUp() {
			p.Rival = c.Name
		}
	}
	return p
}
