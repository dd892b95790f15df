package byhand

import (
	"context"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/mirrored"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/proxies"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/deployer/route/traefik"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	text "github.com/fairlead-deploy/fairlead/deployer/traefik"
	"github.com/fairlead-deploy/fairlead/release"
)

// Proxies are those of the service's hosts; keeper takes the locks.
func (b Place) Proxies(keeper *lock.Keeper) proxies.Proxies {
	return proxies.Proxies{Service: b.Service(keeper), Connect: b.box, Hooks: b.hooks, Secrets: b.values}
}

// box reaches the proxy of a host.
func (b Place) box(ctx context.Context, name string) (proxies.Host, error) {
	a, err := b.Address(b.At(name))
	if err != nil {
		return proxies.Host{}, err
	}
	h, err := b.Pool.Get(ctx, a)
	if err != nil {
		return proxies.Host{}, err
	}
	home, err := h.Home(ctx)
	if err != nil {
		return proxies.Host{}, err
	}
	arch, err := h.Arch(ctx)
	if err != nil {
		return proxies.Host{}, err
	}
	e := h.Engine()
	box := &route.Box{
		Driver: b.kamalProxy(h), Machine: e, Home: home,
		Pull: func(ctx context.Context, ref string) error { return b.pull(ctx, e, ref) },
	}
	box.Booter = &route.Booter{Engine: e, Folders: h.Files(), Arch: arch, Binary: b.Binary}
	other, err := b.traefik(ctx, h)
	if err != nil {
		return proxies.Host{}, err
	}
	other.Other = box
	found := proxies.Host{Ready: func(ctx context.Context) error { return e.EnsureNetwork(ctx, plan.Network) }, Discard: mirrored.New(e, e, b.Mirrors).RemoveImage}
	if found.Box, found.Ender = other, other; !text.Keeps(b.Deploy) {
		found.Box, found.Ender = traefik.Away{Box: box, Traefik: other}, box
	}
	return found, nil
}

// kamalProxy steers the kamal-proxy of a host, or Fairlead's own. Without a home
// it asks by commands, which leaves nothing open.
func (b Place) kamalProxy(h *host.Host) *route.Driver {
	return route.NewDriver(h.Engine(), h, "", b.Log.With("host", h.Name()))
}

// traefik is a host's Traefik.
func (b Place) traefik(ctx context.Context, h *host.Host) (*traefik.Box, error) {
	home, err := h.Home(ctx)
	e := h.Engine()
	return &traefik.Box{
		Driver: &traefik.Driver{Engine: e, Files: h.Files(), Dialer: h, Home: home}, Machine: e,
		Pull:  func(ctx context.Context, ref string) error { return b.pull(ctx, e, ref) },
		Names: routes(b.Deploy),
	}, err
}

// routes are the names that a service's routes may have.
func routes(d *spec.Deploy) (names []string) {
	for _, role := range d.Roles {
		names = append(names, plan.RouteName(release.Lane{Service: d.Service, Destination: d.Destination}, role.Name))
	}
	for _, a := range d.Accessories {
		names = append(names, a.Service)
	}
	return names
}

// pull brings an image of kamal-proxy to a host, with the service's account
// where it is of the same registry.
func (b Place) pull(ctx context.Context, e *docker.Engine, ref string) error {
	var auth docker.Auth
	if server, _, _ := strings.Cut(ref, "/"); server == b.Deploy.Registry.Server && server != "" {
		var err error
		if auth, err = b.Account(ctx); err != nil {
			return err
		}
	}
	return mirrored.New(e, e, b.Mirrors).Pull(ctx, ref, auth, nil)
}

var (
	_ proxies.Box   = traefik.Away{}
	_ proxies.Box   = (*traefik.Box)(nil)
	_ proxies.Ender = (*route.Box)(nil)
	_ proxies.Ender = (*traefik.Box)(nil)
)
