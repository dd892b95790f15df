package verbs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/accessory"
	"github.com/fairlead-deploy/fairlead/deployer/accessory/backup"
	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	how "github.com/fairlead-deploy/fairlead/deployer/spec/backup"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

type unit = accessory.Unit

// primary is the host that an accessory is dumped from: its first, of those
// that the ask names.
func (w *work) primary(a spec.Accessory) (string, error) {
	for _, h := range a.Hosts {
		if len(w.ask.Hosts) == 0 || slices.ContainsFunc(w.ask.Hosts, func(p string) bool { ok, err := path.Match(p, h.Address); return p == h.Address || ok && err == nil }) {
			return h.Address, nil
		}
	}
	return "", &operation.Refusal{Message: a.Name + " runs on none of these hosts", Hint: "leave --hosts out"}
}

// target is the running container of an accessory on its primary host.
func (w *work) target(ctx context.Context, a spec.Accessory) (t backup.Of, host string, err error) {
	if host, err = w.primary(a); err != nil {
		return t, host, err
	}
	s, err := w.Server(ctx, host)
	if err != nil {
		return t, host, fmt.Errorf("%s: %w", host, err)
	}
	c, err := s.Work.Engine.Inspect(ctx, a.Service)
	if err != nil {
		return t, host, err
	}
	if c.State.Status != container.Running {
		return t, host, &operation.Refusal{Message: fmt.Sprintf("%s does not run on %s", a.Service, host), Hint: "`fairlead accessory start " + a.Name + "` starts it"}
	}
	e, err := w.Engine(ctx, host)
	return backup.Of{Lane: w.Lane(), Accessory: a.Name, Engine: e, Container: c.ID, How: a.Backup}, host, err
}

// backup dumps the chosen accessories, one after another.
func (w *work) backup(ctx context.Context) error {
	var errs []error
	taken := 0
	for _, a := range w.chosen(w.ask) {
		if a.Backup.Cmd == "" {
			if w.ask.Accessory != "all" {
				return &operation.Refusal{Message: "deploy.yml says no command that backs up " + a.Name,
					Hint: fmt.Sprintf("write accessories.%s.backup: such as pg_dump -U postgres NAME", a.Name)}
			}
			continue
		}
		taken++
		errs = append(errs, w.backupOne(ctx, a))
	}
	if taken == 0 {
		return &operation.Refusal{Message: "deploy.yml has no accessory with a backup:", Hint: "write accessories.NAME.backup: such as pg_dump -U postgres NAME"}
	}
	return errors.Join(errs...)
}

func (w *work) backupOne(ctx context.Context, a spec.Accessory) error {
	t, host, err := w.target(ctx, a)
	if err != nil {
		return err
	}
	dump, err := w.Dumps.Take(ctx, t, time.Now)
	if err != nil {
		return fmt.Errorf("%s: %w", host, err)
	}
	return w.tell(operation.Told{Source: operation.Source{Host: host, Role: a.Name, Name: a.Service}, Dump: &dump})
}

// backups tells what is kept.
func (w *work) backups() error {
	for _, a := range w.chosen(w.ask) {
		list, err := w.Dumps.List(w.Lane(), a.Name)
		if err != nil {
			return err
		}
		for _, d := range list {
			if err := w.tell(operation.Told{Source: operation.Source{Role: a.Name}, Dump: &d}); err != nil {
				return err
			}
		}
	}
	return nil
}

// restore puts a dump back.
func (w *work) restore(ctx context.Context) error {
	list := w.chosen(w.ask)
	if len(list) != 1 {
		return &operation.Refusal{Message: "one accessory is restored at a time", Hint: "name it"}
	}
	a := list[0]
	a.Backup.Restore = cmp.Or(w.ask.Text, a.Backup.Restore)
	if a.Backup.Restore == "" {
		return &operation.Refusal{Message: "deploy.yml says no command that restores " + a.Name,
			Hint: fmt.Sprintf("write accessories.%s.backup.restore: such as psql -U postgres NAME, or give one with --command", a.Name)}
	}
	dump, err := w.Dumps.Find(w.Lane(), a.Name, w.ask.Dump)
	if errors.Is(err, backup.ErrNone) {
		return &operation.Refusal{Message: fmt.Sprintf("%v of %s", err, a.Name), Hint: "`fairlead accessory backups " + a.Name + "` lists those that are kept"}
	}
	if err != nil {
		return err
	}
	t, host, err := w.target(ctx, a)
	if err != nil {
		return err
	}
	t.How = a.Backup
	t.How.Timeout = cmp.Or(t.How.Timeout, how.DefaultTimeout)
	src := operation.Source{Host: host, Role: a.Name, Name: a.Service}
	if err := w.Dumps.Restore(ctx, t, dump, out{w, src}); err != nil {
		return fmt.Errorf("%s: %w", host, err)
	}
	return w.done(host, a.Name, a.Service, "has backup "+dump.Name+" again")
}

// out passes on what a command prints.
type out struct {
	w   *work
	src operation.Source
}

// Write passes bytes on, in pieces that travel.
func (o out) Write(b []byte) (int, error) {
	for n := 0; n < len(b); {
		piece := b[n:min(len(b), n+operation.Chunk)]
		if err := o.w.tell(operation.Told{Source: o.src, Err: piece}); err != nil {
			return n, err
		}
		n += len(piece)
	}
	return len(b), nil
}
