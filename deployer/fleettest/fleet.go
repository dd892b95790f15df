package fleettest

import (
	"context"
	"fmt"

	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/observe"
	"github.com/fairlead-deploy/fairlead/deployer/reach"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/internal/registry"
)

// Server connects to a host.
func (p *Process) Server(ctx context.Context, at reach.Address) (reach.Server, error) {
	h := p.w.hosts[at.Name]
	if h == nil {
		return reach.Server{}, fmt.Errorf("connect to %s: no such host", at.Name)
	}
	if err := p.read(ctx, h, "connect", func() error { return nil }); err != nil {
		return reach.Server{}, err
	}
	p.w.mu.Lock()
	unknown := h.unknown
	p.w.mu.Unlock()
	if unknown {
		return reach.Server{}, fmt.Errorf("connect to %s: %w", at.Name, &ssh.UnknownHostKeyError{Host: at.Name})
	}
	return p.server(h), nil
}

func (p *Process) server(h *Host) reach.Server {
	e, r := engine{p, h}, reverseProxy{p, h}
	return reach.Server{
		Read: observe.Host{Lister: e, Router: r},
		Work: rollout.Host{
			Name: h.Name, Containers: e, Images: e, Cleaner: e, Networks: e, Engine: e, Prober: e, Proxy: r, Splitter: r, Archives: e,
		},
		Files: files{p, h},
		Home:  "/root",
	}
}

// Resolve asks the registry for a digest.
func (p *Process) Resolve(ctx context.Context, ref string, _ registry.Auth) (string, error) {
	f, err := p.reach(ctx, nil, "registry", "resolve "+ref)
	if err != nil {
		return "", &registry.Error{Kind: registry.ErrUnavailable, Ref: ref, Err: err}
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	digest, ok := p.w.images[ref]
	switch {
	case p.dead:
		return "", ErrDead
	case !p.w.registryUp || f == Lost:
		return "", &registry.Error{Kind: registry.ErrUnavailable, Ref: ref, Registry: "registry", Err: errFault}
	case !ok:
		return "", &registry.Error{Kind: registry.ErrNotFound, Ref: ref, Registry: "registry", Err: errFault}
	}
	return digest, nil
}

// Hands returns a host as the process has it, without connecting.
func (p *Process) Hands(host string) reach.Server { return p.server(p.w.hosts[host]) }
