package daemon

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"sync"

	"github.com/fairlead-deploy/fairlead/daemon/approach"
	"github.com/fairlead-deploy/fairlead/daemon/backups"
	"github.com/fairlead-deploy/fairlead/daemon/builders"
	"github.com/fairlead-deploy/fairlead/daemon/byhand"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/daemon/registries"
	"github.com/fairlead-deploy/fairlead/deployer"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/mirrored"
	"github.com/fairlead-deploy/fairlead/deployer/policy"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
	"github.com/fairlead-deploy/fairlead/server"
	"github.com/fairlead-deploy/fairlead/watcher"
)

// witness passes commits on, and remembers the newest of each repository: it
// says where a service is that people ask something of.
type witness struct {
	watcher.Submitter
	mu     sync.Mutex
	newest map[string]fs.FS
}

// Submit passes a commit on.
func (w *witness) Submit(ctx context.Context, req release.Request, files fs.FS) error {
	w.mu.Lock()
	if w.newest == nil {
		w.newest = map[string]fs.FS{}
	}
	w.newest[req.Revision.Repo] = files
	w.mu.Unlock()
	return w.Submitter.Submit(ctx, req, files)
}

func (w *witness) of(repo string) (fs.FS, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	files, ok := w.newest[repo]
	return files, ok
}

// operator carries out what people ask of services, over the connections of
// the parts in force.
type operator struct {
	d      *Daemon
	keeper *lock.Keeper
}

// Operate carries out an ask.
func (o operator) Operate(ctx context.Context, ask operation.Ask, who operation.Caller) error {
	place, err := o.place(ctx, o.d.current(), ask)
	if err != nil {
		return err
	}
	o.d.o.Log.Info("operation", "verb", string(ask.Verb), "service", place.Service(o.keeper).Lane().String(), "by", ask.Actor)
	return place.Do(ctx, o.keeper, ask, who)
}

// place is the service that an ask is about, as its newest commit says.
func (o operator) place(ctx context.Context, p *parts, ask operation.Ask) (byhand.Place, error) {
	s, ok := o.d.confided(p.conf, ask.Repo)
	if !ok {
		return byhand.Place{}, unknownRepo(ask.Repo)
	}
	files, ok := p.witness.of(ask.Repo)
	if !ok {
		return byhand.Place{}, &server.Error{Status: http.StatusConflict, Message: ask.Repo + ": " + deployer.ErrUnknown.Error()}
	}
	deploy, _, err := spec.Load(files, s.Reading(ctx, release.Request{Destination: ask.Destination}))
	if err == nil {
		err = policy.Check(deploy, s.Policy)
	}
	if err != nil {
		return byhand.Place{}, err
	}
	keys, err := approach.Keys(ctx, s.Secrets, files, deploy)
	return byhand.Place{
		Mirrors: mirrored.By(p.registry),
		Deploy:  deploy, Files: files, Settings: s, Pool: p.pool, Store: o.d.store, Unique: unique, Log: o.d.o.Log, Binary: o.d.o.Binary,
		Address: p.fleet.ways.Address, Keys: keys,
		Fleet: p.fleet, Dumps: backups.Folder(p.conf.DataDir),
	}, err
}

// ByHand works on the service of a checkout without a daemon, under the same
// locks.
type ByHand struct {
	local   *Local
	conf    config.Config
	keeper  *lock.Keeper
	mirrors mirrored.Mirrors
}

// OpenByHand wires it; the checkout stays the caller's. Nothing is dialled yet.
// Close must be called unless it errs.
func OpenByHand(ctx context.Context, c *Checkout, o LocalOptions) (*ByHand, error) {
	b := &ByHand{local: &Local{o: o, checkout: c, files: c.Files()}, keeper: lock.NewKeeper(o.Log)}
	if o.Config != nil {
		b.conf = *o.Config
	}
	random := &lockedRand{r: o.Rand}
	var err error
	if b.local.pool, err = b.local.connections(ctx, &b.conf, random.Float64); err != nil {
		return nil, errors.Join(err, b.local.Close())
	}
	reg, err := registries.Open(&b.conf)
	if err != nil {
		return nil, errors.Join(err, b.local.Close())
	}
	b.mirrors, b.local.fleet = mirrored.By(reg), newFleet(b.local.pool, b.local.ways, o.Binary, o.Log, reg)
	return b, nil
}

// Notes are what a person should know, as Local.Notes.
func (b *ByHand) Notes() []string { return b.local.Notes() }

// Close ends all connections.
func (b *ByHand) Close() error { return b.local.Close() }

// Operate carries out an ask.
func (b *ByHand) Operate(ctx context.Context, ask operation.Ask, who operation.Caller) error {
	place := b.place()
	if ask.Verb.OfAccessory() {
		state, err := StateDir()
		if err != nil {
			return err
		}
		place.Dumps = backups.Folder(state)
	}
	return place.Do(ctx, b.keeper, ask, who)
}

func (b *ByHand) place() byhand.Place {
	return byhand.Place{
		Mirrors: b.mirrors,
		Deploy:  b.local.checkout.Deploy, Files: b.local.files, Settings: b.local.settings(), Pool: b.local.pool, Unique: unique, Log: b.local.o.Log, Binary: b.local.o.Binary,
		Address: b.local.ways.Address, Fleet: b.local.fleet, Folder: b.local.checkout.root.Name(), Environ: os.Environ(),
	}
}

// Build works on the images of the checkout's service; tell hears each line of
// what happens.
func (b *ByHand) Build(ctx context.Context, ask builders.Ask, tell func(line string)) error {
	c := b.local.checkout
	revision, files, _, err := c.commit(ctx)
	if err != nil {
		return err
	}
	reg, err := registries.Open(&b.conf)
	if err != nil {
		return err
	}
	ways := newYard(b.local.pool, b.local.ways, reg, "", b.local.o.Log)
	return b.place().Build(ctx, builders.Job{Ways: ways, Revision: revision, Commit: files, Folder: c.Files(), Tell: tell}, ask)
}

var (
	_ server.Operator = operator{}
	_ server.Operator = (*ByHand)(nil)
)
