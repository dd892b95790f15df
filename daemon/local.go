package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/approach"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/daemon/ownssh"
	"github.com/fairlead-deploy/fairlead/daemon/registries"
	"github.com/fairlead-deploy/fairlead/daemon/secrets"
	"github.com/fairlead-deploy/fairlead/deployer"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/program"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/policy"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// LocalOptions are what a person's own deploy needs besides the checkout.
type LocalOptions struct {
	Config *config.Config // nil: there is no fairlead.yml
	// State is the folder of what is remembered between calls; each service
	// has its own in it.
	State   string
	Version string // of this binary
	Log     *slog.Logger
	Rand    *rand.Rand
	Binary  program.Binary
}

// Local deploys a checkout without a daemon, under the same locks.
type Local struct {
	o        LocalOptions
	checkout *Checkout
	revision release.Revision
	files    fs.FS
	dirty    []string
	store    *store.Store
	pool     *host.Pool
	ways     approach.Ways
	fleet    *fleet
	deployer *deployer.Deployer
	random   *lockedRand

	confidant confidant
}

// StateDir is where a person's own deploys are remembered ($XDG_STATE_HOME,
// XDG Base Directory 0.8).
func StateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "fairlead"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the folder of deploys: %w; set XDG_STATE_HOME", err)
	}
	return filepath.Join(home, ".local/state/fairlead"), nil
}

// OpenLocal wires a deploy of a checkout, which stays the caller's. Nothing is
// dialled yet. Close must be called unless it errs.
func OpenLocal(ctx context.Context, c *Checkout, o LocalOptions) (_ *Local, err error) {
	l := &Local{o: o, checkout: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	if l.revision, l.files, l.dirty, err = c.commit(ctx); err != nil {
		return nil, err
	}
	l.revision.Repo = c.Deploy.Service
	state := filepath.Join(o.State, c.Lane().String())
	if l.store, err = store.Open(ctx, state, store.Options{Log: o.Log, Version: o.Version}); err != nil {
		if locked, ok := errors.AsType[*store.LockedError](err); ok {
			return nil, fmt.Errorf("%s is being planned or deployed from here by process %d; wait for it", c.Lane(), locked.PID)
		}
		return nil, err
	}
	return l, l.wire(ctx, state)
}

// wire makes the deployer and its connections.
func (l *Local) wire(ctx context.Context, state string) error {
	conf := config.Config{}
	if l.o.Config != nil {
		conf = *l.o.Config
	}
	random := &lockedRand{r: l.o.Rand}
	l.random = random
	var err error
	if l.pool, err = l.connections(ctx, &conf, random.Float64); err != nil {
		return err
	}
	reg, err := registries.Open(&conf)
	if err != nil {
		return err
	}
	owner, err := ownerID(state)
	if err != nil {
		return err
	}
	l.fleet = newFleet(l.pool, l.ways, l.o.Binary, l.o.Log, reg)
	l.deployer = deployer.New(deployer.Options{
		Memory: newMemory(l.store, &l.confidant), Fleet: l.fleet, Registry: reg,
		Settings: func(string) (deployer.Settings, bool) { return l.settings(), true },
		Yard:     newYard(l.pool, l.ways, reg, "", l.o.Log).Yard(),
		Owner:    owner, Rand: random.fork(), Log: l.o.Log,
	})
	return nil
}

// connections are fairlead.yml's where it says how hosts are reached, else the
// person's own.
func (l *Local) connections(ctx context.Context, conf *config.Config, jitter func() float64) (*host.Pool, error) {
	shared := host.Config{
		Unique: unique, Binary: l.o.Binary, Self: host.SelfIDs(), Environ: os.Environ,
		Jitter: func() time.Duration { return time.Duration(jitter() * float64(100*time.Millisecond)) },
	}
	l.ways = approach.Ways{Config: conf}
	if len(conf.SSH.Keys) > 0 {
		shared.Identity = ssh.Identity{KnownHosts: conf.SSH.KnownHosts, KeyFiles: conf.SSH.Keys}
		return host.NewPool(shared, l.o.Log), nil
	}
	u, err := ownssh.New(l.checkout.Deploy.SSH)
	if err != nil {
		return nil, err
	}
	l.ways.Person = u
	keys, err := approach.Keys(ctx, l.secrets, l.files, l.checkout.Deploy)
	if err != nil {
		return nil, err
	}
	var data [][]byte
	for _, name := range l.checkout.Deploy.SSH.KeyData {
		data = append(data, []byte(keys[name].Reveal()))
	}
	if shared.Identity, err = u.Identity(data); err != nil {
		return nil, err
	}
	shared.Identity.KnownHosts = append(shared.Identity.KnownHosts, conf.SSH.KnownHosts...)
	return host.NewPool(shared, l.o.Log), nil
}

// settings are what a person may do with a project of their own: all that it
// asks for.
func (l *Local) settings() deployer.Settings {
	return deployer.Settings{
		ConfigFile: l.checkout.file, Mode: deployer.ModeDeploy,
		Allow: config.AllowWords(), Policy: policy.Policy{Allow: config.AllowWords()},
		Env: os.LookupEnv, Secrets: l.secrets, Command: secrets.Template(l.shell()), Cordoned: l.cordoned(),
	}
}

// cordoned are the hosts that fairlead.yml cordons; a daemon's own list is out
// of reach here.
func (l *Local) cordoned() map[string]string {
	if l.o.Config == nil {
		return nil
	}
	return cordonedIn(l.o.Config.Hosts)
}

// secrets are Kamal's: the project's files, in which $(commands) run as the
// person that wrote them there, then the environment.
func (l *Local) secrets(ctx context.Context, files fs.FS, destination, path string) (secret.Source, error) {
	source, err := secrets.OfPerson(ctx, l.checkout.root.Name(), files, destination, path)
	return source.Told(l.confidant.hears(l.revision.Repo)), err
}

// shell runs a command of a secrets file in the project's folder, as Kamal
// does.
func (l *Local) shell() secret.Runner { return secrets.Attended(l.checkout.root.Name()) }

// Close ends all connections and what is remembered.
func (l *Local) Close() error {
	var errs []error
	if l.pool != nil {
		errs = append(errs, l.pool.Close())
	}
	if l.store != nil {
		errs = append(errs, l.store.Close())
	}
	return errors.Join(errs...)
}

// Revision is the commit that is checked out; its repository is the service.
func (l *Local) Revision() release.Revision { return l.revision }

// Notes are what a person should know: files that are not as committed, keys
// that cannot be used. More come behind them as hosts are reached.
func (l *Local) Notes() (notes []string) {
	if len(l.dirty) > 0 {
		notes = append(notes, fmt.Sprintf("%s is not as in %s; it is used as it lies here", strings.Join(l.dirty, ", "), l.revision.Short()))
	}
	if l.ways.Person != nil {
		notes = append(notes, l.ways.Person.Notes()...)
	}
	return notes
}

// Plan says what a deploy would change now.
func (l *Local) Plan(ctx context.Context) (release.Plan, error) {
	return l.deployer.Preview(ctx, l.here(release.Request{Cause: release.Cause{Kind: release.CauseManual}}), l.files)
}

// here makes a request one for this checkout. It lifts a quarantine: a person
// who deploys, and not a daemon that goes on and on, wants it tried again.
func (l *Local) here(req release.Request) release.Request {
	req.Revision, req.Destination, req.Retry = l.revision, l.checkout.Deploy.Destination, !req.Rollback
	return req
}

// Name names the release that comes of what is asked for next.
func (l *Local) Name() release.ID { return release.NewID(time.Now(), l.revision, l.random.draw()) }

// Do asks for something and works until follow has seen enough of the events
// after a seq, or ctx ends; a rollout that is under way then comes to a point
// from which the next one can go on.
func (l *Local) Do(ctx context.Context, req release.Request, follow func(ctx context.Context, after int64) error) error {
	seq, err := l.store.LastSeq(ctx)
	if err != nil {
		return err
	}
	req = l.here(req)
	working, stop := context.WithCancel(ctx)
	defer stop()
	rested := make(chan error, 1)
	go func() { rested <- l.deployer.Run(working) }()
	if err = l.deployer.Submit(working, req, l.files); err == nil {
		err = follow(working, seq)
	}
	stop()
	return errors.Join(err, <-rested)
}

// Last is the newest release, as it stands; false before the first.
func (l *Local) Last(ctx context.Context) (release.Release, bool, error) {
	list, err := l.store.Releases(ctx, store.Filter{Repo: l.revision.Repo, Limit: 1})
	if err != nil || len(list) == 0 {
		return release.Release{}, false, err
	}
	return list[0], true, nil
}

// maxBatch is how many events are read at once.
const maxBatch = 100

// Events yields events after a seq as they happen, until ctx ends.
func (l *Local) Events(ctx context.Context, after int64) iter.Seq2[release.Event, error] {
	return func(yield func(release.Event, error) bool) {
		for {
			err := l.store.Wait(ctx, after)
			var events []release.Event
			if err == nil {
				events, err = l.store.Events(ctx, after, maxBatch)
			}
			if err != nil {
				yield(release.Event{}, err)
				return
			}
			for _, ev := range events {
				after = ev.Seq
				if !yield(ev, nil) {
					return
				}
			}
		}
	}
}
