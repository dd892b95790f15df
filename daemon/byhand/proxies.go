package byhand

import (
	"context"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/mirrored"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/proxies"
	"github.com/fairlead-deploy/fairlead/deployer/route"
)

// Proxies are those of the service's hosts; keeper takes the locks.
func (b Place) Proxies(keeper *lock.Keeper) proxies.Proxies {
	return proxies.Proxies{Service: b.Service(keeper), Connect: b.box}
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
		// Without a home it asks the proxy by its commands, which leaves nothing open.
		Driver: route.NewDriver(e, h, "", b.Log.With("host", name)), Machine: e, Home: home,
		Pull: func(ctx context.Context, ref string) error { return b.pull(ctx, e, ref) },
	}
	box.Booter = &route.Booter{Engine: e, Folders: h.Files(), Arch: arch, Binary: b.Binary}
	return proxies.Host{Box: box, Ender: box, Ready: func(ctx context.Context) error { return e.EnsureNetwork(ctx, plan.Network) }}, nil
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
	_ proxies.Box   = (*route.Box)(nil)
	_ proxies.Ender = (*route.Box)(nil)
)
