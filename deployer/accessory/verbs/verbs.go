// Package verbs does what people ask of accessories: boot, reboot, start, stop,
// remove, and backups. What is made is decided by package accessory, as for a
// push; commands and logs of accessories are package operate's.
//
// Lives here: the doing, by hand, under the service's locks. May not live here:
// what an accessory should be, how a dump is written.
package verbs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/accessory"
	"github.com/fairlead-deploy/fairlead/deployer/accessory/backup"
	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/observe"
	"github.com/fairlead-deploy/fairlead/deployer/operate"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/reach"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// Service is a service whose accessories people work on.
type Service struct {
	*operate.Service
	// Server reaches a host of deploy.yml by its name.
	Server func(ctx context.Context, name string) (reach.Server, error)
	// Engine is that of a host that Server reached.
	Engine func(ctx context.Context, name string) (backup.Engine, error)
	// Inputs are what deploy.yml does not hold, but for homes and environments.
	Inputs func(ctx context.Context) (accessory.Inputs, error)
	Dumps  backup.Folder
	Log    *slog.Logger
}

// work is one ask being carried out.
type work struct {
	*Service
	ask     operation.Ask
	who     operation.Caller
	mu      sync.Mutex // of Tell
	servers map[string]reach.Server
	may     func(ctx context.Context, host string) error
}

// Do carries out an ask and returns when it is done, or when ctx ends.
func (s *Service) Do(ctx context.Context, ask operation.Ask, who operation.Caller) error {
	if why := ask.Check(); why != "" {
		return &operation.Refusal{Message: why, Hint: "`fairlead accessory --help` shows how"}
	}
	if err := s.named(ask); err != nil {
		return err
	}
	w := &work{Service: s, ask: ask, who: who, servers: map[string]reach.Server{}}
	switch ask.Verb {
	case operation.AccessoryBackup:
		return w.backup(ctx)
	case operation.AccessoryBackups:
		return w.backups()
	case operation.AccessoryRestore:
		return w.restore(ctx)
	}
	one := operation.Caller{Tell: w.tell}
	return s.With(ctx, ask, one, func(ctx context.Context, hosts []string, may func(context.Context, string) error) error {
		w.may = may
		for _, name := range hosts {
			server, err := s.Server(ctx, name)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			w.servers[name] = server
		}
		return w.change(ctx, hosts)
	})
}

// named refuses an accessory that deploy.yml does not have.
func (s *Service) named(ask operation.Ask) error {
	if len(s.chosen(ask)) > 0 {
		return nil
	}
	hint := "deploy.yml has none"
	if names := s.names(); len(names) > 0 {
		hint = "there are " + strings.Join(names, ", ")
	}
	return &operation.Refusal{Message: "no accessory is called " + ask.Accessory, Hint: hint}
}

func (s *Service) names() (list []string) {
	for _, a := range s.Deploy.Accessories {
		list = append(list, a.Name)
	}
	return list
}

// chosen are the accessories that an ask is about, in deploy.yml's order.
func (s *Service) chosen(ask operation.Ask) []spec.Accessory {
	return slices.DeleteFunc(slices.Clone(s.Deploy.Accessories), func(a spec.Accessory) bool { return ask.Accessory != "all" && a.Name != ask.Accessory })
}

// change does what needs the locks.
func (w *work) change(ctx context.Context, hosts []string) error {
	switch w.ask.Verb {
	case operation.AccessoryBoot, operation.AccessoryStart:
		return w.make(ctx, hosts, accessory.Terms{Start: true})
	case operation.AccessoryReboot:
		return w.make(ctx, hosts, accessory.Terms{Start: true, Replace: true, Renew: true})
	case operation.AccessoryStop:
		return w.stop(ctx, hosts)
	case operation.AccessoryRestart:
		if err := w.stop(ctx, hosts); err != nil {
			return err
		}
		return w.make(ctx, hosts, accessory.Terms{Start: true})
	case operation.AccessoryRemove:
		return w.remove(ctx, hosts)
	case operation.AccessoryFiles:
		return w.files(ctx, hosts)
	case operation.AccessoryPull:
		return w.pull(ctx, hosts)
	case operation.AccessoryDropImage, operation.AccessoryDropFolder:
		return w.drop(ctx, hosts)
	}
	return fmt.Errorf("unknown verb %s", w.ask.Verb)
}

// make does what Make decides, on all hosts or host by host.
func (w *work) make(ctx context.Context, hosts []string, t accessory.Terms) error {
	units, err := w.units(ctx, hosts)
	if err != nil {
		return err
	}
	groups := [][]string{hosts}
	if w.ask.Rolling {
		groups = nil
		for _, h := range hosts {
			groups = append(groups, []string{h})
		}
	}
	for _, group := range groups {
		if err := w.makeOn(ctx, units, group, t); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) makeOn(ctx context.Context, units []accessory.Unit, hosts []string, t accessory.Terms) error {
	o, err := w.observe(ctx, hosts)
	if err != nil {
		return err
	}
	doing := map[plan.Key]bool{}
	p := accessory.Make(units, o, t)
	for _, c := range p.Changes {
		doing[plan.Key{Host: c.Host, Role: c.Role}] = true
	}
	for _, note := range p.Notes {
		if err := w.warn(note); err != nil {
			return err
		}
	}
	if t.Renew {
		if err := w.left(units, o); err != nil {
			return err
		}
	}
	if err := w.run(t.Renew).Do(ctx, p.Stages); err != nil {
		f := rollout.Explain(err)
		for _, line := range f.Logs {
			if err := w.warn("log: " + line); err != nil {
				return err
			}
		}
		return err
	}
	for _, u := range units {
		if !slices.Contains(hosts, u.Host) {
			continue
		}
		text := "runs already"
		if doing[u.Key()] {
			text = "runs"
		} else if d := accessory.Decide(u, o.Hosts[u.Host], t); d.Why != "" {
			continue // it was told of
		}
		if err := w.done(u.Host, u.Accessory, u.Name, text); err != nil {
			return err
		}
	}
	return nil
}

// left tells of data that a new container does not have.
func (w *work) left(units []accessory.Unit, o plan.Observed) error {
	for _, u := range units {
		if d := accessory.Decide(u, o.Hosts[u.Host], accessory.Terms{Renew: true}); d.Have != nil && d.Keeps {
			if err := w.warn(fmt.Sprintf("%s on %s had data in a volume without a name, which the new one has not; the old container stays, stopped, with it", u.Role, u.Host)); err != nil {
				return err
			}
		}
	}
	return nil
}

// run does steps under the locks.
func (w *work) run(afresh bool) *rollout.Run {
	hosts := map[string]rollout.Host{}
	for name, s := range w.servers {
		h := s.Work
		h.Files = s.Files
		hosts[name] = h
	}
	return &rollout.Run{Hosts: accessory.Pulling(hosts, w.Deploy, w.account(), afresh), Journal: unwritten{}, Guard: w.may, Log: w.Log}
}

// account gives what a registry's account says; a secret that is missing shows
// when it is opened.
func (w *work) account() func(spec.Credential) secret.Value {
	in, err := w.Inputs(context.Background())
	return func(c spec.Credential) secret.Value {
		if c.Secret == "" || err != nil {
			return c.Literal
		}
		return in.Secrets[c.Secret]
	}
}

// unwritten is the journal of what a person does and watches: none.
type unwritten struct{}

// Intend writes nothing.
func (unwritten) Intend(context.Context, string) error { return nil }

// Done writes nothing.
func (unwritten) Done(context.Context, string, string) error { return nil }

// units are what is wanted of the chosen accessories on hosts.
func (w *work) units(ctx context.Context, hosts []string) ([]accessory.Unit, error) {
	in, err := w.Inputs(ctx)
	if err != nil {
		return nil, err
	}
	in.Home, in.Environment = map[string]string{}, map[string]map[string]string{}
	for _, name := range hosts {
		in.Home[name] = w.servers[name].Home
		if read := w.servers[name].Environment; read != nil && plan.NeedsEnvironment(w.Deploy, name) {
			if in.Environment[name], err = read(ctx); err != nil {
				return nil, fmt.Errorf("read the environment of %s: %w", name, err)
			}
		}
	}
	d := *w.Deploy
	d.Accessories = w.chosen(w.ask)
	return accessory.Want(&d, in)
}

// observe reads hosts.
func (w *work) observe(ctx context.Context, hosts []string) (plan.Observed, error) {
	o := observe.All(ctx, w.Lane(), hosts, func(_ context.Context, name string) (observe.Host, error) { return w.servers[name].Read, nil })
	if _, err := o.Unreachable(); err != nil {
		return o, err
	}
	return o, nil
}

// each does something to every chosen accessory on its hosts, in order; have is
// nil where it has no container.
func (w *work) each(ctx context.Context, hosts []string, do func(ctx context.Context, host string, a spec.Accessory, h plan.Host) error) error {
	o, err := w.observe(ctx, hosts)
	if err != nil {
		return err
	}
	var errs []error
	for _, a := range w.chosen(w.ask) {
		for _, entry := range a.Hosts {
			if !slices.Contains(hosts, entry.Address) {
				continue
			}
			if err := w.may(ctx, entry.Address); err != nil {
				return err
			}
			errs = append(errs, do(ctx, entry.Address, a, o.Hosts[entry.Address]))
		}
	}
	return errors.Join(errs...)
}

// of is an accessory's container on a host.
func of(a spec.Accessory, h plan.Host) (container.Observed, bool) {
	i := slices.IndexFunc(h.Beside, func(c container.Observed) bool { return c.Name == a.Service })
	if i < 0 {
		return container.Observed{}, false
	}
	return h.Beside[i], true
}

// tell passes one thing on.
func (w *work) tell(t operation.Told) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.who.Tell(t)
}

func (w *work) warn(text string) error { return w.tell(operation.Told{Warning: text}) }

func (w *work) done(host, name, container, text string) error {
	return w.tell(operation.Told{Source: operation.Source{Host: host, Role: name, Name: container}, Done: text})
}

// hold keeps the service as it is: what was removed would be booted again.
func (w *work) hold(ctx context.Context) error {
	if w.Hold == nil {
		return nil
	}
	h := release.Hold{Lane: w.Lane(), By: w.ask.Actor, Since: time.Now(), Why: "accessory remove"}
	if err := w.Hold(ctx, h); err != nil {
		return fmt.Errorf("hold: %w", err)
	}
	return w.tell(operation.Told{Done: fmt.Sprintf("%s is held, or the accessory would come back; take it out of deploy.yml, then `fairlead resume %s`", w.Lane(), w.Lane())})
}
