package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/approach"
	"github.com/fairlead-deploy/fairlead/daemon/commits"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/daemon/ownssh"
	"github.com/fairlead-deploy/fairlead/daemon/registries"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/reach"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/registry"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
)

// Reach reaches what a configuration names, exactly as the daemon would, and
// runs nothing: for commands that look and tell, beside a daemon or without.
type Reach struct {
	conf     *config.Config
	ways     approach.Ways
	pool     *host.Pool
	mirrors  *mirror.Pool
	registry *registry.Client
	dir      string
}

// NewReach makes a Reach. Nothing is dialled yet. Close must be called.
func NewReach(c *config.Config, log *slog.Logger, jitter func() float64) (*Reach, error) {
	reg, err := registries.Open(c)
	if err != nil {
		return nil, err
	}
	// The daemon's own copies are the daemon's.
	dir, err := os.MkdirTemp("", "fairlead-")
	if err != nil {
		return nil, fmt.Errorf("make folder for copies: %w", err)
	}
	return &Reach{conf: c, ways: approach.Ways{Config: c}, pool: newPool(c, nil, log, jitter), mirrors: mirror.NewPool(dir), registry: reg, dir: dir}, nil
}

// NewOwnReach reaches hosts as a person's own ssh does, where there is no
// fairlead.yml, and returns the configuration that this amounts to.
func NewOwnReach(log *slog.Logger, jitter func() float64) (*Reach, *config.Config, error) {
	u, err := ownssh.New(spec.SSH{Config: spec.SSHConfig{Default: true}})
	if err != nil {
		return nil, nil, err
	}
	c := &config.Config{SSH: config.SSH{KnownHosts: u.KnownHosts()}}
	r, err := NewReach(c, log, jitter)
	if err != nil {
		return nil, nil, err
	}
	identity, err := u.Identity(nil)
	if err == nil {
		err = r.pool.Close() // nothing was dialled
	}
	if err != nil {
		return nil, nil, errors.Join(err, r.Close())
	}
	r.ways.Person = u
	r.pool = host.NewPool(host.Config{
		Identity: identity, Unique: unique, Self: host.SelfIDs(),
		Jitter: func() time.Duration { return time.Duration(jitter() * float64(100*time.Millisecond)) },
	}, log)
	return r, c, nil
}

// Close ends all connections and removes what was fetched.
func (r *Reach) Close() error {
	r.mirrors.Close()
	return errors.Join(r.pool.Close(), os.RemoveAll(r.dir))
}

// A Look is a repository's tip and its files.
type Look struct {
	Tip     mirror.Tip
	Files   fs.FS
	History func(ctx context.Context, n int) ([]string, error) // SHAs, newest first, the tip's included
}

// Look looks at a repository. Errors are of type *mirror.Trouble where the
// repository is the reason.
func (r *Reach) Look(ctx context.Context, name string, repo config.Repository) (Look, error) {
	one := &config.Config{SSH: r.conf.SSH, Repositories: map[string]config.Repository{name: repo}}
	list, err := repositories(one)
	if err != nil {
		return Look{}, err
	}
	w := list[0]
	m, err := r.mirrors.Open(mirror.Remote{Name: name, URL: w.URL, Auth: w.Auth})
	if err != nil {
		return Look{}, err
	}
	tip, err := m.Tip(ctx, w.Branch)
	if err != nil {
		return Look{}, err
	}
	s, err := openRepository(one, m, projects(one)[w.Name]).Fetch(ctx, tip, w.Paths)
	if err != nil {
		return Look{}, err
	}
	files, err := commits.Below(s.Files, repo.Folder)
	if err != nil {
		return Look{}, err
	}
	return Look{Tip: tip, Files: files, History: func(ctx context.Context, n int) ([]string, error) {
		commits, err := m.History(ctx, tip, n)
		var shas []string
		for _, c := range commits {
			shas = append(shas, c.SHA)
		}
		return shas, err
	}}, nil
}

// Deploy reads a repository's deploy.yml for a destination.
func (r *Reach) Deploy(files fs.FS, repo config.Repository, destination string) (*spec.Deploy, []spec.Warning, error) {
	// Its commands have a deadline of their own.
	return spec.Load(files, settingsOf(repo).Reading(context.Background(), release.Request{Destination: destination}))
}

// Secrets opens the places where a repository's secrets are.
func (r *Reach) Secrets(ctx context.Context, files fs.FS, repo config.Repository, d *spec.Deploy) (secret.Source, error) {
	return settingsOf(repo).Secrets(ctx, files, d.Destination, d.SecretsPath)
}

// Registry is the configuration's.
func (r *Reach) Registry() *registry.Client { return r.registry }

// Host is the connection to a server.
func (r *Reach) Host(ctx context.Context, a host.Address) (*host.Host, error) {
	return r.pool.Get(ctx, a)
}

// Address decides how a host is reached that no deploy.yml is known of.
func (r *Reach) Address(name string) (host.Address, error) {
	return r.ways.Address(reach.Address{Name: name, Host: name})
}

// Addresses are those of the hosts of a repository's deploy.yml, accessories'
// included, sorted by name. Of a key that is not known the error tells.
func (r *Reach) Addresses(ctx context.Context, files fs.FS, repo config.Repository, d *spec.Deploy) ([]host.Address, error) {
	keys, err := approach.Keys(ctx, settingsOf(repo).Secrets, files, d)
	errs := []error{err}
	var list []host.Address
	names := d.Hosts()
	for _, a := range d.Accessories {
		for _, h := range a.Hosts {
			names = append(names, h.Address)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		a, err := r.ways.Address(reach.At(d, name).With(repo.Allow, func(name string) secret.Value { return keys[name] }))
		errs = append(errs, err)
		list = append(list, a)
	}
	return list, errors.Join(errs...)
}
