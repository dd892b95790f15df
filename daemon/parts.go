package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/approach"
	"github.com/fairlead-deploy/fairlead/daemon/backups"
	"github.com/fairlead-deploy/fairlead/daemon/buttons"
	"github.com/fairlead-deploy/fairlead/daemon/byhand"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/daemon/fanout"
	"github.com/fairlead-deploy/fairlead/daemon/registries"
	"github.com/fairlead-deploy/fairlead/daemon/secrets"
	"github.com/fairlead-deploy/fairlead/deployer"
	"github.com/fairlead-deploy/fairlead/deployer/accessory/backup"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/policy"
	"github.com/fairlead-deploy/fairlead/internal/registry"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify/heartbeat"
	"github.com/fairlead-deploy/fairlead/notify/outbox"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
	"github.com/fairlead-deploy/fairlead/store"
	"github.com/fairlead-deploy/fairlead/watcher"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
	"github.com/fairlead-deploy/fairlead/watcher/webhook"
)

// parts is all that one configuration makes.
type parts struct {
	conf      *config.Config
	pool      *host.Pool
	registry  *registry.Client
	mirrors   *mirror.Pool
	fleet     *fleet
	deployer  *deployer.Deployer
	watcher   *watcher.Watcher
	witness   *witness // of the newest commits
	outbox    *outbox.Outbox
	apps      []*buttons.App       // of Slack, whose buttons messages have
	heartbeat *heartbeat.Heartbeat // nil: none
	hooks     http.Handler
	prune     func(context.Context) error
	nightly   backups.Nightly
}

// make wires the parts of a configuration. Nothing is dialled yet.
func (d *Daemon) make(ctx context.Context, c *config.Config) (_ *parts, err error) {
	p := &parts{conf: c, pool: newPool(c, d.o.Binary, d.o.Log, d.random.Float64), mirrors: mirror.NewPool(filepath.Join(c.DataDir, "mirrors"))}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.registry, err = registries.Open(c); err != nil {
		return nil, err
	}
	p.fleet = newFleet(p.pool, approach.Ways{Config: c}, d.o.Binary, d.o.Log, p.registry)
	if p.deployer, err = d.newDeployer(c, p.fleet, p.registry); err != nil {
		return nil, err
	}
	repos, err := repositories(c)
	if err != nil {
		return nil, err
	}
	p.witness = &witness{Submitter: destinations{c, p.deployer}}
	all := projects(c)
	fan := fanout.New(fanout.Options{Submitter: p.witness, Looks: d.store, Noted: d.glances.note, Deployed: d.deployed, Log: d.o.Log}, all)
	p.watcher, err = watcher.New(watcher.Options{
		Submitter: fan, Looks: fan, Noted: fan.Noted, Random: d.random.Float64, Log: d.o.Log,
		Open: func(r watcher.Repository) (watcher.Remote, error) {
			m, err := p.mirrors.Open(mirror.Remote{Name: r.Name, URL: r.URL, Auth: r.Auth})
			return openRepository(c, m, all[r.Name]), err
		},
	}, repos)
	if err != nil {
		return nil, err
	}
	if p.hooks, err = newHooks(c, func(repo string, cause release.Cause) { p.watcher.Trigger(repo, cause) }, &d.refusals); err != nil {
		return nil, err
	}
	if p.heartbeat, err = d.newHeartbeat(c); err != nil {
		return nil, err
	}
	p.prune, p.nightly = d.prune, backups.Nightly{
		Dumps: backup.Folder{Path: backups.Folder(c.DataDir)}, Alerts: d.store, Zone: time.Local, Log: d.o.Log,
		Services: backups.Of(c, func(ctx context.Context, ask operation.Ask) (byhand.Place, error) {
			return operator{d: d}.place(ctx, p, ask)
		}),
	}
	p.outbox, p.apps, err = d.newOutbox(ctx, c) // last: it forgets the channels that are gone
	return p, err
}

func (p *parts) close() error {
	p.mirrors.Close()
	return p.pool.Close()
}

// run works until ctx ends and everything has come to rest.
func (p *parts) run(ctx context.Context, stop context.CancelCauseFunc) error {
	var g group
	g.run(ctx, stop, "outbox", p.outbox.Run)
	g.run(ctx, stop, "deployer", p.deployer.Run)
	g.run(ctx, stop, "watcher", p.watcher.Run)
	g.run(ctx, stop, "retention", p.prune)
	g.run(ctx, stop, "backups", p.nightly.Run)
	for _, a := range p.apps {
		g.run(ctx, stop, "slack buttons", a.Run)
	}
	if p.heartbeat != nil {
		g.run(ctx, stop, "heartbeat", p.heartbeat.Run)
	}
	return g.wait()
}

func (d *Daemon) newDeployer(c *config.Config, f *fleet, reg *registry.Client) (*deployer.Deployer, error) {
	owner, err := ownerID(c.DataDir)
	if err != nil {
		return nil, err
	}
	return deployer.New(deployer.Options{
		Memory: newMemory(d.store, &d.confidant), Fleet: f, Registry: reg,
		Settings: func(repo string) (deployer.Settings, bool) { return d.confided(c, repo) },
		Yard:     newYard(f.pool, f.ways, reg, c.DataDir, d.o.Log).Yard(),
		Owner:    owner, Rand: d.random.fork(), Log: d.o.Log,
	}), nil
}

// deployed is the commit that Git led a project to last.
func (d *Daemon) deployed(ctx context.Context, project string) (release.Revision, bool, error) {
	list, err := d.store.Releases(ctx, store.Filter{Repo: project, Statuses: []release.Status{release.Succeeded, release.Unchanged}, Limit: 1})
	if err != nil || len(list) == 0 {
		return release.Revision{}, false, err
	}
	return list[0].Revision, true, nil
}

// confided is settings whose secrets the daemon's confidant hears of.
func (d *Daemon) confided(c *config.Config, repo string) (deployer.Settings, bool) {
	s, ok := settings(c, repo)
	if ok {
		open := d.vaults.Open(repo, c.Repositories[repo])
		s.Secrets = func(ctx context.Context, files fs.FS, destination, path string) (secret.Source, error) {
			source, err := open(ctx, files, destination, path)
			return source.Told(d.confidant.hears(repo)), err
		}
	}
	return s, ok
}

// settings gives the deployer the operator's words on a repository.
func settings(c *config.Config, repo string) (deployer.Settings, bool) {
	r, ok := c.Repositories[repo]
	if !ok {
		return deployer.Settings{}, false
	}
	s := settingsOf(r)
	s.Cordoned = cordonedIn(c.Hosts)
	return s, true
}

// cordonedIn are the hosts that fairlead.yml cordons, with the reason.
func cordonedIn(hosts map[string]config.Host) map[string]string {
	out := map[string]string{}
	for name, h := range hosts {
		if h.Cordoned != "" {
			out[name] = h.Cordoned
		}
	}
	return out
}

func settingsOf(r config.Repository) deployer.Settings {
	var command func(context.Context, string) (string, error)
	if slices.Contains(r.Allow, "commands") {
		command = secrets.Template(secrets.Unattended(r.Secrets.Env))
	}
	return deployer.Settings{
		ConfigFile: r.ConfigFile, Mode: deployer.Mode(r.Mode), Allow: r.Allow, ImageTag: r.ImageTag,
		Policy: policy.Policy{
			Mode: policy.Mode(r.Policy.Mode), Mounts: r.Policy.Mounts, Options: r.Policy.Options,
			Registries: r.Policy.Registries, Allow: r.Allow,
		},
		Command: command,
		Env: func(name string) (string, bool) {
			v, ok, err := secret.Env{Names: r.Secrets.Env, Prefix: r.Secrets.EnvPrefix}.Lookup(name)
			return v.Reveal(), ok && err == nil
		},
		Secrets: secrets.Open(r, secrets.NewVault(r.Secrets.Exec, func() float64 { return 0 }, nil)),
	}
}

func newHooks(c *config.Config, trigger webhook.Trigger, refused *webhook.Refusals) (http.Handler, error) {
	var sources []webhook.Source
	for name, all := range projects(c) {
		r := c.Repositories[all[0].Name]
		if r.Webhook == nil {
			continue
		}
		s := webhook.Source{Name: name, Provider: webhook.Provider(r.Webhook.Provider), Repo: name, Branch: r.Branch}
		for _, ref := range []config.Ref{r.Webhook.Secret, r.Webhook.PreviousSecret} {
			if ref.IsZero() {
				continue
			}
			v, err := ref.Resolve()
			if err != nil {
				return nil, fmt.Errorf("repositories.%s.webhook: %w", name, err)
			}
			s.Secrets = append(s.Secrets, v)
		}
		sources = append(sources, s)
	}
	return webhook.New(sources, trigger, refused)
}

// What the store keeps, and how often the rest is removed.
const (
	pruneEvery = time.Hour
	keepFor    = 90 * 24 * time.Hour
	keepLast   = 200 // releases of each lane, however old
)

// prune forgets old releases and events until ctx ends.
func (d *Daemon) prune(ctx context.Context) error {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		if _, err := d.store.Prune(ctx, store.Keep{Releases: keepLast, Age: keepFor}); err != nil && ctx.Err() == nil {
			d.o.Log.Warn("old releases not forgotten", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
