package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/approach"
	"github.com/fairlead-deploy/fairlead/daemon/builders"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/program"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/mirrored"
	"github.com/fairlead-deploy/fairlead/deployer/observe"
	"github.com/fairlead-deploy/fairlead/deployer/reach"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/deployer/route/traefik"
	text "github.com/fairlead-deploy/fairlead/deployer/traefik"
	"github.com/fairlead-deploy/fairlead/internal/registry"
)

// connectTime bounds reaching a host, handshake and first answers included.
const connectTime = 20 * time.Second

// newPool makes the connections' pool. binary may be nil, see host.Config.
func newPool(c *config.Config, binary program.Binary, log *slog.Logger, jitter func() float64) *host.Pool {
	return host.NewPool(host.Config{
		Identity: ssh.Identity{KnownHosts: c.SSH.KnownHosts, KeyFiles: c.SSH.Keys},
		Jitter:   func() time.Duration { return time.Duration(jitter() * float64(100*time.Millisecond)) },
		Unique:   unique,
		Binary:   binary,
		Self:     host.SelfIDs(),
	}, log)
}

// unique makes a word that was never used before.
func unique() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return hex.EncodeToString(b)
}

// fleet gives the deployer its servers: connections from the pool, at the
// address that daemon/approach says.
type fleet struct {
	pool   *host.Pool
	ways   approach.Ways
	binary program.Binary
	log    *slog.Logger
	images *registry.Client // which knows the mirrors

	mu      sync.Mutex
	drivers map[*host.Host]*route.Driver // which keep connections to proxies
}

// newFleet is the only place that makes one, so that none lacks a part.
func newFleet(pool *host.Pool, ways approach.Ways, binary program.Binary, log *slog.Logger, images *registry.Client) *fleet {
	return &fleet{pool: pool, ways: ways, binary: binary, log: log, images: images}
}

// meet returns the one that steers the host's proxy. The first time, it asks
// the host all at once that is asked sooner or later: over a long way each
// question takes its time.
func (f *fleet) meet(ctx context.Context, h *host.Host) (*route.Driver, error) {
	f.mu.Lock()
	known := f.drivers[h]
	f.mu.Unlock()
	if known != nil {
		return known, nil
	}
	var driver *route.Driver
	var arch string
	ask, asking := abreast.Trying(ctx, 3)
	ask.Go(func() (err error) { arch, err = h.Arch(asking); return err })
	ask.Go(func() error { _, err := h.Engine().Containers(asking, nil); return err }) // it remembers them
	ask.Go(func() error {
		home, err := h.Home(asking)
		if err == nil {
			driver = route.NewDriver(h.Engine(), h, home, f.log.With("host", h.Name()))
			driver.Greet(asking)
		}
		return err
	})
	if err := ask.Wait(); err != nil {
		return nil, err
	}
	driver.Booter = &route.Booter{Engine: h.Engine(), Folders: h.Files(), Arch: arch, Binary: f.binary}
	f.mu.Lock()
	defer f.mu.Unlock()
	if other := f.drivers[h]; other != nil { // another lane was quicker
		return other, nil
	}
	if f.drivers == nil {
		f.drivers = map[*host.Host]*route.Driver{}
	}
	f.drivers[h] = driver
	return driver, nil
}

// Server reaches a host.
func (f *fleet) Server(ctx context.Context, at reach.Address) (reach.Server, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectTime, errors.New("no answer within 20s"))
	defer cancel()
	a, err := f.ways.Address(at)
	if err != nil {
		return reach.Server{}, err
	}
	h, err := f.pool.Get(ctx, a)
	if err != nil {
		return reach.Server{}, err
	}
	driver, err := f.meet(ctx, h)
	if err != nil {
		return reach.Server{}, err
	}
	home, err := h.Home(ctx)
	if err != nil {
		return reach.Server{}, err
	}
	e := h.Engine()
	images := mirrored.New(e, e, mirrored.By(f.images))
	s := reach.Server{
		Read: observe.Host{Lister: e, Router: driver, Self: host.SelfIDs()},
		Work: rollout.Host{
			Name: at.Name, Containers: e, Images: images, Cleaner: images, Networks: e, Engine: e,
			Prober: health.Doors{Dialer: h, Execer: e, Proxy: route.Container}, Proxy: driver, Splitter: driver, Archives: e, Loader: e, Shell: h.Login(),
		},
		Files: h.Files(), Home: home, Environment: h.Environment,
	}
	if at.Traefik {
		other := &traefik.Driver{Engine: e, Files: h.Files(), Dialer: h, Home: home}
		s.Read.Router, s.Read.Proxy, s.Work.Proxy = other, text.Container, other
		s.Work.Prober = health.Doors{Dialer: h, Execer: e}
	}
	return s, nil
}

// newYard is where images are built, with the connections to hosts.
func newYard(pool *host.Pool, ways approach.Ways, reg *registry.Client, scratch string, log *slog.Logger) builders.Ways {
	return builders.Ways{Pool: pool, Registry: reg, Scratch: scratch, Log: log, Address: ways.Address}
}
