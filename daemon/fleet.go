package daemon

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-deploy/fairlead/daemon/builders"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/program"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/mirrored"
	"github.com/fairlead-deploy/fairlead/deployer/observe"
	"github.com/fairlead-deploy/fairlead/deployer/reach"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/internal/registry"
)

// connectTime bounds reaching a host, handshake and first answers included.
const connectTime = 20 * time.Second

// newPool makes the connections' pool. A host whose key differs (hosts.H.key)
// is offered that key first. binary may be nil, see host.Config.
func newPool(c *config.Config, binary program.Binary, log *slog.Logger, jitter func() float64) *host.Pool {
	keys := append([]string(nil), c.SSH.Keys...)
	for _, h := range c.Hosts {
		if h.Key != "" {
			keys = append(keys, h.Key)
		}
	}
	return host.NewPool(host.Config{
		Identity: ssh.Identity{KnownHosts: c.SSH.KnownHosts, KeyFiles: keys},
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
// address that fairlead.yml or deploy.yml says.
type fleet struct {
	pool   *host.Pool
	conf   *config.Config
	binary program.Binary
	log    *slog.Logger
	images *registry.Client // which knows the mirrors

	mu      sync.Mutex
	drivers map[*host.Host]*route.Driver // which keep connections to proxies
}

// newFleet is the only place that makes one, so that none lacks a part.
func newFleet(pool *host.Pool, c *config.Config, binary program.Binary, log *slog.Logger, images *registry.Client) *fleet {
	return &fleet{pool: pool, conf: c, binary: binary, log: log, images: images}
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
	ask, asking := errgroup.WithContext(ctx)
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
	a, err := address(f.conf, at)
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
	return reach.Server{
		Read: observe.Host{Lister: e, Router: driver, Self: host.SelfIDs()},
		Work: rollout.Host{
			Name: at.Name, Containers: e, Images: images, Cleaner: images, Networks: e, Engine: e,
			Prober: health.Doors{Dialer: h, Execer: e, Proxy: route.Container}, Proxy: driver, Splitter: driver, Archives: e, Loader: e,
		},
		Files: h.Files(), Home: home, Environment: h.Environment,
	}, nil
}

// newYard is where images are built, with the connections to hosts.
func newYard(pool *host.Pool, c *config.Config, reg *registry.Client, scratch string, log *slog.Logger) builders.Ways {
	return builders.Ways{
		Pool: pool, Registry: reg, Scratch: scratch, Log: log,
		Address: func(at reach.Address) (host.Address, error) { return address(c, at) },
	}
}

// address decides how a host is reached: the operator's words go before those
// of deploy.yml.
func address(c *config.Config, at reach.Address) (host.Address, error) {
	mine := c.Hosts[at.Name]
	a := host.Address{
		Name: at.Name, Host: cmp.Or(mine.Address, at.Host),
		Port:   cmp.Or(mine.Port, at.Port, c.SSH.Port),
		User:   cmp.Or(mine.User, at.User, c.SSH.User),
		Socket: mine.Socket, Home: mine.Home,
	}
	if a.Host == "local" {
		a.Host = ""
	}
	jump := cmp.Or(mine.Proxy, c.SSH.Proxy, at.SSH.Proxy)
	if jump == "" || a.IsLocal() {
		return a, nil
	}
	j, err := jumpAddress(jump)
	a.Jump = &j
	return a, err
}

// jumpAddress reads [USER@]HOST[:PORT].
func jumpAddress(s string) (host.Address, error) {
	a := host.Address{Name: s, Host: s}
	if user, rest, ok := strings.Cut(s, "@"); ok {
		a.User, a.Host = user, rest
	}
	if h, port, err := net.SplitHostPort(a.Host); err == nil {
		n, err := strconv.Atoi(port)
		if err != nil {
			return a, fmt.Errorf("read jump host %q: %w", s, err)
		}
		a.Host, a.Port = h, n
	}
	return a, nil
}
