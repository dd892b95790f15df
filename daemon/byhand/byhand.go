// Package byhand wires what people do by hand (deployer/operate) to the
// connections and the memory of a daemon or of a person's own checkout.
//
// Lives here: that wiring. May not live here: the doing, any decision.
package byhand

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/fairlead-deploy/fairlead/deployer"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/program"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/mirrored"
	"github.com/fairlead-deploy/fairlead/deployer/operate"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/reach"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// Place is a service that people work on, and how it is reached.
type Place struct {
	Deploy   *spec.Deploy
	Files    fs.FS // that Deploy was read from
	Settings deployer.Settings
	Pool     *host.Pool
	// Address decides how a host is reached; Keys are the values of the secrets
	// that ssh.key_data names.
	Address func(reach.Address) (host.Address, error)
	Keys    map[string]secret.Value
	// Mirrors are those of fairlead.yml, whose names for images go with them.
	Mirrors mirrored.Mirrors
	// Fleet reaches hosts as a rollout does, and Dumps is the folder of
	// accessories' backups: for what is asked of accessories.
	Fleet reach.Fleet
	Dumps string
	// Store is the daemon's; nil: nothing here follows Git.
	Store *store.Store
	// Folder and Environ are those of a person's own checkout; "" and nil in a
	// daemon.
	Folder  string
	Environ []string
	// Unique makes a word that was never used before.
	Unique func() string
	// Binary is the program that proxies are made of.
	Binary program.Binary
	Log    *slog.Logger
}

// Service wires it; keeper takes its locks.
func (b Place) Service(keeper *lock.Keeper) *operate.Service {
	s := &operate.Service{
		Deploy: b.Deploy, Connect: b.connect, Keeper: keeper, Unique: func() string { return b.Unique()[:6] },
		Failed: b.failed, Account: b.Account, Hooks: b.hooks, Log: b.Log,
	}
	if b.Store != nil {
		s.Hold, s.Served = b.Store.Hold, b.served
	}
	return s
}

// connect reaches a host of deploy.yml, and makes sure that it answers.
func (b Place) connect(ctx context.Context, name string) (operate.Host, error) {
	a, err := b.Address(b.At(name))
	if err != nil {
		return operate.Host{}, err
	}
	h, err := b.Pool.Get(ctx, a)
	if err != nil {
		return operate.Host{}, err
	}
	// A host without an engine is one that `server bootstrap` makes ready; to
	// any other verb its first question tells.
	if err := h.Ping(ctx); err != nil && !errors.Is(err, docker.ErrUnavailable) {
		return operate.Host{}, err
	}
	e := h.Engine()
	var driver proxy = b.kamalProxy(h)
	if traefik.Keeps(b.Deploy) {
		box, err := b.traefik(ctx, h)
		if err != nil {
			return operate.Host{}, err
		}
		driver = box
	}
	return operate.Host{
		Name: name, Reader: e, Runner: e, Mover: mover{e, mirrored.New(e, e, b.Mirrors)}, Ground: e, Files: h.Files(), Shell: h.Shell,
		Proxy:  func(context.Context) (operate.Proxy, error) { return driver, nil },
		Routes: func(ctx context.Context) ([]plan.Live, error) { return driver.List(ctx, false) },
	}, nil
}

// proxy is a host's, as people work on its routes.
type proxy interface {
	operate.Proxy
	List(ctx context.Context, ours bool) ([]plan.Live, error)
}

// mover is an engine that knows images by whatever way they came.
type mover struct {
	*docker.Engine
	images mirrored.Host
}

// RemoveImage removes a reference to an image.
func (m mover) RemoveImage(ctx context.Context, ref string) error {
	return m.images.RemoveImage(ctx, ref)
}

// At is how deploy.yml reaches one of its hosts.
func (b Place) At(name string) reach.Address {
	return reach.At(b.Deploy, name).With(b.Settings.Allow, func(name string) secret.Value { return b.Keys[name] })
}

// lastFailed is how many releases are looked at.
const lastFailed = 200

// failed are the releases that are known to have failed.
func (b Place) failed(ctx context.Context) ([]string, error) {
	if b.Store == nil {
		return nil, nil
	}
	list, err := b.Store.Releases(ctx, store.Filter{
		Lane: release.Lane{Service: b.Deploy.Service, Destination: b.Deploy.Destination}, Statuses: []release.Status{release.Failed, release.RolledBack, release.NeedsHuman}, Limit: lastFailed,
	})
	var ids []string
	for _, r := range list {
		ids = append(ids, string(r.ID))
	}
	return ids, err
}

// Account is what the hosts pull with.
func (b Place) Account(ctx context.Context) (docker.Auth, error) {
	r := b.Deploy.Registry
	source, err := b.Settings.Secrets(ctx, b.Files, b.Deploy.Destination, b.Deploy.SecretsPath)
	if err != nil {
		return docker.Auth{}, fmt.Errorf("open secrets: %w", err)
	}
	user, err := credential(source, r.Username)
	if err != nil {
		return docker.Auth{}, err
	}
	password, err := credential(source, r.Password)
	return docker.Auth{Server: r.Server, Username: user.Reveal(), Password: password}, err
}

func credential(source secret.Source, c spec.Credential) (secret.Value, error) {
	if c.Secret == "" {
		return c.Literal, nil
	}
	if err := source.Missing([]string{c.Secret}); err != nil {
		return secret.Value{}, err
	}
	v, _, err := source.Lookup(c.Secret)
	return v, err
}

var (
	_ proxy          = (*route.Driver)(nil)
	_ operate.Reader = (*docker.Engine)(nil)
	_ operate.Runner = (*docker.Engine)(nil)
	_ operate.Mover  = mover{}
	_ operate.Ground = (*docker.Engine)(nil)
)
