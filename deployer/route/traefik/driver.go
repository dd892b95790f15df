package traefik

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/files"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
	"github.com/fairlead-deploy/fairlead/internal/schedule"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

const (
	// takeTime bounds the wait for a Traefik that was told something.
	takeTime = 30 * time.Second
	// askTime bounds one question.
	askTime = 5 * time.Second
	tick    = 50 * time.Millisecond
)

// Engine is what a Driver asks of a host's engine.
type Engine interface {
	Inspect(ctx context.Context, idOrName string) (container.Observed, error)
	Create(ctx context.Context, name string, s container.Spec) (id string, err error)
	Start(ctx context.Context, id string) error
	route.Execer
}

// Driver steers the Traefik of one host.
type Driver struct {
	Engine Engine
	Files  files.Door
	Dialer route.Dialer
	Home   string // of the ssh user on the host
}

// errForeign: somebody else, such as Kamal 1, made the container.
var errForeign = errors.New("the Traefik that is there was not started by Fairlead, so it does not read Fairlead's files: " +
	"`fairlead proxy reboot` puts one in its place that does, and keeps what it serves by labels")

// static reads the Traefik that runs.
func (d *Driver) static(ctx context.Context) (traefik.Static, container.Observed, error) {
	c, err := d.Engine.Inspect(ctx, traefik.Container)
	if err != nil {
		return traefik.Static{}, c, fmt.Errorf("inspect traefik: %w", err)
	}
	s := traefik.Read(c)
	if !traefik.Ours(c) || !s.Reads() {
		return s, c, errForeign
	}
	return s, c, nil
}

// read returns what the file of a service says; an absent or foreign one says
// nothing.
func (d *Driver) read(ctx context.Context, service string) (traefik.Service, error) {
	at, err := traefik.Path(service)
	if err != nil {
		return traefik.Service{}, err
	}
	text, err := d.Files.Read(ctx, at)
	if errors.Is(err, fs.ErrNotExist) {
		return traefik.Service{}, nil
	}
	if err != nil {
		return traefik.Service{}, err
	}
	s, err := traefik.Parse(text)
	if err != nil {
		return traefik.Service{}, fmt.Errorf("%s: %w", at, err)
	}
	return s, nil
}

// write replaces a service's file; of one that says nothing there is none.
func (d *Driver) write(ctx context.Context, service string, s traefik.Service, static traefik.Static) error {
	at, err := traefik.Path(service)
	if err != nil {
		return err
	}
	if s.Live == nil && s.Next == nil {
		return d.Files.RemoveAll(ctx, at)
	}
	text, err := traefik.Write(s, static)
	if err != nil {
		return err
	}
	if err := d.Files.MkdirAll(ctx, traefik.Folder, 0o700); err != nil {
		return err
	}
	return d.Files.Write(ctx, at, text, 0o600)
}

// List returns the routes of the host's Traefik that Fairlead told it. ours
// says that Fairlead made it.
func (d *Driver) List(ctx context.Context, ours bool) ([]plan.Live, error) {
	if !ours {
		return nil, errForeign
	}
	all, err := d.services(ctx)
	var routes []plan.Live
	for _, s := range all {
		if s.Live == nil {
			continue
		}
		r, targets := s.Live.Route, s.Live.Targets()
		routes = append(routes, plan.Live{Service: r.Service, Target: targets[0], More: targets[1:], State: "running", Route: &r})
	}
	return routes, err
}

// services reads all files.
func (d *Driver) services(ctx context.Context) ([]traefik.Service, error) {
	list, err := d.Files.ReadDir(ctx, traefik.Folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	var all []traefik.Service
	for _, f := range list {
		name, ok := traefik.NameOf(f.Name())
		if !ok || !f.Mode().IsRegular() {
			continue
		}
		s, err := d.read(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		all = append(all, s)
	}
	return all, nil
}

// Early knows nothing before List.
func (d *Driver) Early(context.Context) ([]plan.Live, bool) { return nil, false }

// Deploy sends a route's traffic to containers, by their ids. Traefik is first
// asked whether it reaches them, then told, then asked whether it follows; until
// then the route stays as it was. Traefik tells nobody when the last request of
// those before has ended, so they get the whole of their time.
func (d *Driver) Deploy(ctx context.Context, r plan.Route, containers ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.DeployTimeout+r.DrainTimeout+2*takeTime, errors.New("no answer of Traefik in time"))
	defer cancel()
	static, box, err := d.static(ctx)
	if err != nil {
		return fmt.Errorf("deploy route: %w", err)
	}
	next, err := d.assigned(ctx, r, containers)
	if err == nil {
		err = traefik.Reserved(next.Labels) // those of options, too
	}
	if err != nil {
		return fmt.Errorf("deploy route: %w", err)
	}
	was, err := d.read(ctx, r.Service)
	if err != nil {
		return fmt.Errorf("deploy route: %w", err)
	}
	was.Next = nil
	steps := []struct {
		told  traefik.Service
		next  bool
		limit time.Duration
	}{
		{traefik.Service{Live: was.Live, Next: &next}, true, max(r.DeployTimeout, takeTime)},
		{traefik.Service{Live: &next}, false, takeTime},
	}
	for _, step := range steps {
		err := d.write(ctx, r.Service, step.told, static)
		if err == nil {
			err = d.follows(ctx, box, next, step.next, step.limit)
		}
		if err != nil {
			undo, stop := context.WithTimeout(context.WithoutCancel(ctx), takeTime)
			defer stop()
			return errors.Join(fmt.Errorf("deploy route: %w", err), d.write(undo, r.Service, was, static))
		}
	}
	if was.Live == nil || slices.Equal(was.Live.Containers, next.Containers) {
		return nil
	}
	return d.drain(ctx, was.Live.Containers, r.DrainTimeout)
}

// assigned is a route to containers, with the labels of the first.
func (d *Driver) assigned(ctx context.Context, r plan.Route, containers []string) (traefik.Assigned, error) {
	a := traefik.Assigned{Route: r}
	for i, id := range containers {
		c, err := d.Engine.Inspect(ctx, id) // by its name, perhaps
		if err != nil {
			return a, err
		}
		a.Containers = append(a.Containers, c.ID)
		if i == 0 {
			a.Labels = traefik.Labels(c.Spec.Labels)
		}
	}
	return a, nil
}

// drain waits while a container that had the requests still runs.
func (d *Driver) drain(ctx context.Context, containers []string, limit time.Duration) error {
	if limit <= 0 || !d.runs(ctx, containers) {
		return nil
	}
	return schedule.Pause(ctx, limit)
}

// runs tells whether any of the containers does.
func (d *Driver) runs(ctx context.Context, containers []string) bool {
	return slices.ContainsFunc(containers, func(id string) bool {
		c, err := d.Engine.Inspect(ctx, id)
		return err == nil && c.State.IsUp()
	})
}

// follows waits until Traefik answers for an assignment.
func (d *Driver) follows(ctx context.Context, box container.Observed, a traefik.Assigned, next bool, limit time.Duration) error {
	q := question{host: a.Question(next), path: a.Route.HealthPath}
	last := answer{}
	err := d.until(ctx, limit, func(ctx context.Context) (bool, error) {
		got, err := d.ask(ctx, box, q)
		if err != nil || got.mark != a.Digest() {
			return false, err
		}
		last = got
		return !got.unreached() && (!next || got.status/100 == 2), nil
	})
	switch {
	case err == nil:
		return nil
	case last.unreached() && ctx.Err() == nil:
		return fmt.Errorf("%w: Traefik does not reach it at port %d: %d", rollout.ErrProxyVerdict, a.Route.Port, last.status)
	case last.mark != "" && ctx.Err() == nil:
		return fmt.Errorf("%w: %s answers %d", rollout.ErrProxyVerdict, a.Route.HealthPath, last.status)
	}
	return fmt.Errorf("not taken up by Traefik: %s/%s.yml; `fairlead proxy logs` may say why: %w", traefik.Folder, a.Route.Service, err)
}

// until asks again until it is done. The error at the end is the last one.
func (d *Driver) until(ctx context.Context, limit time.Duration, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %s", limit))
	defer cancel()
	for {
		ok, err := done(ctx)
		if ok || errors.Is(err, errNoWay) {
			return err
		}
		if schedule.Pause(ctx, tick) != nil {
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// Remove takes a route away, and returns when Traefik has; one that is not
// there is removed already.
func (d *Driver) Remove(ctx context.Context, service string) error {
	was, err := d.read(ctx, service)
	if err == nil {
		err = d.write(ctx, service, traefik.Service{}, traefik.Static{})
	}
	if err != nil {
		return fmt.Errorf("remove route: %w", err)
	}
	box, err := d.Engine.Inspect(ctx, traefik.Container)
	if was.Live == nil || errors.Is(err, docker.ErrNotFound) || err == nil && !box.State.IsUp() {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove route: %w", err)
	}
	q := question{host: was.Live.Question(false), path: was.Live.Route.HealthPath}
	err = d.until(ctx, takeTime, func(ctx context.Context) (bool, error) {
		got, err := d.ask(ctx, box, q)
		return err == nil && got.mark == "", err
	})
	if err != nil {
		return fmt.Errorf("remove route: Traefik does not follow: %w", err)
	}
	return nil
}

// Pause is nothing that Traefik can do.
func (d *Driver) Pause(context.Context, string, string, time.Duration) error { return errNoPause() }

// Serve ends what Pause cannot begin.
func (d *Driver) Serve(context.Context, string) error { return errNoPause() }

// noPause is a refusal that callers can do without.
type noPause struct{ operation.Refusal }

func (e *noPause) Error() string   { return e.Refusal.Error() }
func (e *noPause) Unwrap() []error { return []error{&e.Refusal, errors.ErrUnsupported} }

func errNoPause() error {
	return &noPause{operation.Refusal{Message: "Traefik has no page for maintenance", Hint: "`fairlead app stop` takes the service away (404), `fairlead app start` brings it back"}}
}

// Boot makes the host's Traefik run, and waits until it answers.
func (d *Driver) Boot(ctx context.Context, run plan.ProxyRun, present bool) error {
	if err := d.vacant(ctx); err != nil {
		return fmt.Errorf("boot traefik: %w", err)
	}
	if !present {
		_, err := d.create(ctx, traefik.Container, run)
		if err != nil && !errors.Is(err, docker.ErrNameTaken) { // taken: another lane was quicker
			return fmt.Errorf("boot traefik: %w", err)
		}
	}
	if _, _, err := d.static(ctx); err != nil {
		return fmt.Errorf("boot traefik: %w", err)
	}
	if err := d.Engine.Start(ctx, traefik.Container); err != nil {
		return fmt.Errorf("boot traefik: %w", err)
	}
	return d.answers(ctx)
}

// vacant fails where another proxy of ours or Kamal's has the ports.
func (d *Driver) vacant(ctx context.Context) error {
	c, err := d.Engine.Inspect(ctx, route.Container)
	switch {
	case errors.Is(err, docker.ErrNotFound), err == nil && !c.State.IsUp():
		return nil
	case err != nil:
		return err
	}
	return errors.New("another proxy, the container kamal-proxy, runs here: `fairlead proxy use traefik` puts Traefik in its place")
}

// create makes the container, not started.
func (d *Driver) create(ctx context.Context, name string, run plan.ProxyRun) (id string, err error) {
	if run.Traefik == nil {
		return "", errors.New("deploy.yml keeps no Traefik: write x-fairlead: {proxy: traefik}")
	}
	// Before the engine does, which would give it to root.
	if err := d.Files.MkdirAll(ctx, traefik.Folder, 0o700); err != nil {
		return "", err
	}
	return d.Engine.Create(ctx, name, traefik.Mounted(*run.Traefik, d.Home))
}

// answers waits until a Traefik that was started answers at all.
func (d *Driver) answers(ctx context.Context) error {
	err := d.until(ctx, takeTime, func(ctx context.Context) (bool, error) {
		box, err := d.Engine.Inspect(ctx, traefik.Container)
		if err == nil && !box.State.IsUp() {
			err = fmt.Errorf("it is %s", box.State.Status)
		}
		if err != nil {
			return false, err
		}
		_, err = d.ask(ctx, box, question{host: "fairlead.internal", path: "/"})
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("no answer of Traefik; `fairlead proxy logs` may say why: %w", err)
	}
	return nil
}
