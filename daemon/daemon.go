package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/daemon/secrets"
	"github.com/fairlead-deploy/fairlead/deployer/host/program"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/internal/systemd"
	"github.com/fairlead-deploy/fairlead/server"
	"github.com/fairlead-deploy/fairlead/store"
	hooks "github.com/fairlead-deploy/fairlead/watcher/webhook"
)

// Options are what a daemon needs besides its configuration.
type Options struct {
	Config *config.Config
	// File is where Config came from, read again on Reload and when it
	// changes; empty for a configuration that never does.
	File string
	// Reload asks to read File again, such as on SIGHUP. May be nil.
	Reload  <-chan struct{}
	Version string // of this binary
	// Rebuild sets the database aside and begins a new one.
	Rebuild bool
	Log     *slog.Logger
	Rand    *rand.Rand
	Binary  program.Binary  // the program for hosts without a proxy
	Manager systemd.Manager // told how the daemon stands; zero: nobody
}

// Daemon is a wired Fairlead: the store and the API live as long as it does,
// all else is made anew with each configuration.
type Daemon struct {
	o      Options
	store  *store.Store
	server *server.Server
	random *lockedRand
	beats  chan chan struct{} // asks the loop of generation for a sign of life

	confidant confidant
	vaults    secrets.Vaults
	refusals  hooks.Refusals // of calls of webhooks, over all configurations
	glances   glances

	mu    sync.Mutex
	parts *parts // those of the configuration in force
}

// lockedRand makes one source of randomness safe for many goroutines.
type lockedRand struct {
	mu sync.Mutex
	r  *rand.Rand
}

// Float64 returns a number in [0, 1).
func (l *lockedRand) Float64() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Float64()
}

// draw returns 16 random bits.
func (l *lockedRand) draw() uint16 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint16(l.r.Uint32())
}

// fork makes an independent source, for a user that locks for itself.
func (l *lockedRand) fork() *rand.Rand {
	l.mu.Lock()
	defer l.mu.Unlock()
	return rand.New(rand.NewPCG(l.r.Uint64(), l.r.Uint64()))
}

// New wires a daemon. Close must be called unless it errs.
func New(ctx context.Context, o Options) (_ *Daemon, err error) {
	d := &Daemon{o: o, random: &lockedRand{r: o.Rand}, beats: make(chan chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	if d.store, err = openStore(ctx, o); err != nil {
		return nil, err
	}
	d.vaults.Alerts, d.vaults.Random, d.vaults.Log = d.store, d.random.Float64, o.Log
	if d.parts, err = d.make(ctx, o.Config); err != nil {
		return nil, err
	}
	d.server, err = server.Open(server.Options{
		Socket: o.Config.Socket, Listen: o.Config.Listen,
		Memory: freshMemory{d.store, &d.glances}, Releases: d.store, Events: d.store, Desk: desk{d}, Operator: operator{d, lock.NewKeeper(o.Log)}, Cordons: cordons{d}, Repos: d.repos, Refused: d.refused,
		Hooks: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.current().hooks.ServeHTTP(w, r) }),
		Log:   o.Log,
	})
	return d, err
}

func openStore(ctx context.Context, o Options) (*store.Store, error) {
	so := store.Options{Log: o.Log, Version: o.Version}
	if !o.Rebuild {
		return store.Open(ctx, o.Config.DataDir, so)
	}
	s, aside, err := store.Rebuild(ctx, o.Config.DataDir, so)
	if err == nil {
		o.Log.Warn("database rebuilt; history, holds and quarantines are gone", "former", aside)
	}
	return s, err
}

// Close ends what New opened. Run must have returned.
func (d *Daemon) Close() error {
	var errs []error
	if d.parts != nil {
		errs = append(errs, d.parts.close())
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	return errors.Join(errs...)
}

// Addr returns the TCP address of webhooks and health, "" for none.
func (d *Daemon) Addr() string { return d.server.Addr() }

// Run works until ctx ends and everything has come to rest, or until one part
// cannot go on.
func (d *Daemon) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var g group
	g.run(ctx, stop, "api", d.server.Run)
	g.run(ctx, stop, "parts", d.generations)
	g.run(ctx, stop, "pulse", d.pulse)
	return g.wait()
}

// generations runs the parts, and their successors after each reload.
func (d *Daemon) generations(ctx context.Context) error {
	changed := make(chan *config.Config)
	var watching sync.WaitGroup
	defer watching.Wait()
	watchCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	watching.Go(func() { d.watchFile(watchCtx, changed) })
	for {
		next, err := d.generation(ctx, changed)
		if err != nil || ctx.Err() != nil {
			return err
		}
		d.mu.Lock()
		old := d.parts
		d.parts = next
		d.mu.Unlock()
		for req, files := range old.deployer.Orders() {
			if err := next.deployer.Submit(ctx, req, files); err != nil {
				d.o.Log.Error("order lost over a reload", "repo", req.Revision.Repo, "by", req.Cause.Actor, "error", err)
			}
		}
		if err := old.close(); err != nil {
			d.o.Log.Warn("former configuration not closed cleanly", "error", err)
		}
		d.o.Log.Info("configuration reloaded", "file", d.o.File)
	}
}

// generation runs the current parts until ctx ends, one of them cannot go on,
// or a new configuration came that is right. A rollout that is under way then
// is taken up by the next generation, as after a restart.
func (d *Daemon) generation(ctx context.Context, changed <-chan *config.Config) (*parts, error) {
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ended := make(chan error, 1)
	now := d.current()
	go func() { ended <- now.run(running, stop) }()
	d.ready(ctx)
	for {
		select {
		case err := <-ended:
			return nil, err
		case beat := <-d.beats:
			close(beat)
		case c := <-changed:
			d.tell(ctx, systemd.Reloading, "")
			next, err := d.make(ctx, c)
			if err != nil {
				d.o.Log.Error("new configuration refused; the old one stays in force", "file", d.o.File, "error", err)
				d.ready(ctx)
				continue
			}
			stop(errReload)
			<-ended
			return next, nil
		}
	}
}

var errReload = errors.New("the configuration is reloaded")

func (d *Daemon) current() *parts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.parts
}

// repos names the watched repositories.
func (d *Daemon) repos() []string {
	var names []string
	for name := range d.current().conf.Repositories {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// group runs named things until one fails or all have ended.
type group struct {
	wg   sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

func (g *group) run(ctx context.Context, stop context.CancelCauseFunc, name string, f func(context.Context) error) {
	g.wg.Go(func() {
		if err := f(ctx); err != nil {
			g.mu.Lock()
			g.errs = append(g.errs, fmt.Errorf("%s: %w", name, err))
			g.mu.Unlock()
			stop(fmt.Errorf("%s ended", name))
		}
	})
}

func (g *group) wait() error {
	g.wg.Wait()
	return errors.Join(g.errs...)
}
