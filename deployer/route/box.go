package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/program"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/plan/seen"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
)

const (
	// endTime is what a proxy that is stopped gets to end its requests in.
	endTime = 10 * time.Second
	// answerTime bounds the wait for a proxy that was started.
	answerTime = 30 * time.Second
	// upgradeTime bounds the sending of a program and the handover to it.
	upgradeTime = 5 * time.Minute
)

// Machine is what replacing a proxy asks of a host's engine besides what
// booting one does.
type Machine interface {
	Containers(ctx context.Context, labels map[string]string) ([]container.Observed, error)
	Stop(ctx context.Context, id string, timeout time.Duration) error
	Rename(ctx context.Context, id, name string) error
	Remove(ctx context.Context, id string) error
}

// Box is the proxy of one host as a container: what people start, replace and
// upgrade. A rollout never does.
type Box struct {
	*Driver
	Machine Machine
	Home    string // of the ssh user on the host
	// Pull brings kamal-proxy's image to the host.
	Pull func(ctx context.Context, ref string) error
}

// Change is what became of a proxy.
type Change struct {
	Was, Is string // images; Was is "" where there was none
	// Done says what was done, for people.
	Done string
	// Gap is how long connections were refused at most, from the order to stop
	// until the proxy answered with all routes; 0 where none was.
	Gap time.Duration
}

// find returns the proxy's container, nil where there is none, and all of the
// host's.
func (b *Box) find(ctx context.Context) (proxy *container.Observed, all []container.Observed, err error) {
	all, err = Settle(ctx, b.Booter.Engine, b.Machine, Container, traefik.Container)
	if i := slices.IndexFunc(all, func(c container.Observed) bool { return c.Name == Container }); i >= 0 {
		proxy = &all[i]
	}
	return proxy, all, err
}

// Up makes a proxy run, as a rollout does where none runs.
func (b *Box) Up(ctx context.Context, run plan.ProxyRun) (Change, error) {
	c, _, err := b.find(ctx)
	switch {
	case err != nil:
		return Change{}, err
	case c != nil && c.State.IsUp():
		return Change{Was: c.Spec.Image, Is: c.Spec.Image, Done: "runs already"}, nil
	case c != nil:
		err = b.Booter.Engine.Start(ctx, c.ID)
	default:
		if err = b.bring(ctx, run); err == nil {
			err = b.Booter.Boot(ctx, run, false, b.Home)
		}
	}
	if err == nil {
		err = b.answers(ctx)
	}
	if c != nil {
		return Change{Was: c.Spec.Image, Is: c.Spec.Image, Done: "started"}, err
	}
	return Change{Is: imageOf(run), Done: "booted"}, err
}

// Down stops the proxy, which refuses all connections until Up.
func (b *Box) Down(ctx context.Context) (Change, error) {
	c, _, err := b.find(ctx)
	if err != nil || c == nil {
		return Change{Done: "there is none"}, err
	}
	return Change{Was: c.Spec.Image, Is: c.Spec.Image, Done: "stopped"}, b.Machine.Stop(ctx, c.ID, endTime)
}

// Restart stops and starts it.
func (b *Box) Restart(ctx context.Context, run plan.ProxyRun) (Change, error) {
	began := time.Now()
	if _, err := b.Down(ctx); err != nil {
		return Change{}, err
	}
	c, err := b.Up(ctx, run)
	c.Done, c.Gap = "restarted", time.Since(began)
	return c, err
}

// Gone removes the proxy's container; its volume, with routes and certificates,
// stays.
func (b *Box) Gone(ctx context.Context) (Change, error) {
	c, err := b.Down(ctx)
	if err != nil || c.Was == "" {
		return c, err
	}
	c.Is, c.Done = "", "removed"
	return c, b.Machine.Remove(ctx, Container)
}

func imageOf(run plan.ProxyRun) string {
	if run.Image == "" {
		return program.Image
	}
	return run.Image
}

// bring makes the image exist on the host: that of Fairlead's own is of today's
// program.
func (b *Box) bring(ctx context.Context, run plan.ProxyRun) error {
	if run.Image != "" {
		return b.Pull(ctx, run.Image)
	}
	_, err := program.Bring(ctx, b.Booter.Engine, b.Booter.Arch, b.Booter.Binary)
	return err
}

// Upgrade makes the proxy run today's program, or, where it is kamal-proxy, the
// version that run says. Fairlead's own takes the program over while it runs,
// and no connection is refused.
func (b *Box) Upgrade(ctx context.Context, run plan.ProxyRun) (Change, error) {
	c, _, err := b.find(ctx)
	switch {
	case err != nil:
		return Change{}, err
	case c == nil || !c.State.IsUp():
		return b.Up(ctx, run)
	case c.Spec.Labels[LabelOurs] == "":
		if run.Image == "" {
			return Change{Was: c.Spec.Image, Is: c.Spec.Image, Done: "is " + c.Spec.Image + ", and stays; `fairlead proxy use fairlead` replaces it"}, nil
		}
		if c.Spec.Image == run.Image {
			return Change{Was: c.Spec.Image, Is: c.Spec.Image, Done: "is " + run.Image + " already"}, nil
		}
		return b.Replace(ctx, run)
	}
	// Also for the container that is made next.
	content, err := program.Bring(ctx, b.Booter.Engine, b.Booter.Arch, b.Booter.Binary)
	if err != nil {
		return Change{}, err
	}
	text, err := content.Open()
	if err != nil {
		return Change{}, fmt.Errorf("upgrade proxy: %w", err)
	}
	defer text.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, upgradeTime, fmt.Errorf("not upgraded within %s", upgradeTime))
	defer cancel()
	r, err := b.execer.Exec(ctx, Container, []string{"kamal-proxy", "upgrade"}, text)
	switch {
	case err != nil:
		return Change{}, fmt.Errorf("upgrade proxy: %w", err)
	case r.ExitCode == 0:
		return Change{Was: c.Spec.Image, Is: c.Spec.Image, Done: "upgraded: " + strings.TrimSpace(r.Stdout)}, nil
	case strings.Contains(r.Stderr, "unknown command"): // made before there was that
		run.Image = ""
		return b.Replace(ctx, run)
	}
	return Change{}, fmt.Errorf("upgrade proxy: %w", &ExitError{r.ExitCode, strings.TrimSpace(r.Stderr)})
}

// Replace makes a new container of the proxy, which keeps the routes: a proxy
// of the same kind reads them from their volume, another is told each. When it
// does not answer, the one before is put back.
func (b *Box) Replace(ctx context.Context, run plan.ProxyRun) (Change, error) {
	old, all, err := b.find(ctx)
	if err != nil {
		return Change{}, err
	}
	if old == nil {
		return b.Up(ctx, run)
	}
	if err := b.bring(ctx, run); err != nil {
		return Change{}, err
	}
	var routes []Assigned
	if other := (old.Spec.Labels[LabelOurs] != "") != (run.Image == ""); other && old.State.IsUp() {
		if routes, err = b.assigned(ctx, old.Spec.Labels[LabelOurs] != "", all); err != nil {
			return Change{}, err
		}
	}
	return b.succeed(ctx, run, *old, routes, b.answers)
}

// succeed puts a new container in the place of an old one.
func (b *Box) succeed(ctx context.Context, run plan.ProxyRun, old container.Observed, routes []Assigned, back func(context.Context) error) (change Change, err error) {
	change = Change{Was: old.Spec.Image, Is: imageOf(run), Done: "replaced"}
	change.Gap, err = Succession{
		Engine: b.Booter.Engine, Machine: b.Machine, Old: old, Name: Container, Back: back,
		Create: func(ctx context.Context, name string) (string, error) { return b.Booter.create(ctx, name, run, b.Home) },
		Serve:  func(ctx context.Context) error { return b.serve(ctx, routes) },
	}.Do(ctx)
	return change, err
}

// serve waits for a proxy that was started, and tells it routes.
func (b *Box) serve(ctx context.Context, routes []Assigned) error {
	if err := b.answers(ctx); err != nil {
		return err
	}
	var errs []error
	for _, r := range routes {
		err := b.Deploy(ctx, r.Route, r.Containers...)
		if err == nil && r.State != "running" {
			err = b.Pause(ctx, r.Service, "", 0)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Assigned is a route of a proxy and the containers that it leads to.
type Assigned struct {
	plan.Route
	Containers []string // ids
	State      string   // "running", "paused", "stopped"
}

// Follow puts the proxy in the place of another kind's that runs, and tells it
// the routes of that one.
func (b *Box) Follow(ctx context.Context, run plan.ProxyRun, old container.Observed, routes []Assigned) (Change, error) {
	if err := b.bring(ctx, run); err != nil {
		return Change{}, err
	}
	if err := b.Machine.Remove(ctx, Container); err != nil { // one that does not run
		return Change{}, err
	}
	return b.succeed(ctx, run, old, routes, func(context.Context) error { return nil })
}

// Runs returns the proxy that runs, with all its routes; nil where none does.
func (b *Box) Runs(ctx context.Context) (*container.Observed, []Assigned, error) {
	c, all, err := b.find(ctx)
	if err != nil || c == nil || !c.State.IsUp() {
		return nil, nil, err
	}
	routes, err := b.assigned(ctx, c.Spec.Labels[LabelOurs] != "", all)
	return c, routes, err
}

// assigned reads all routes of the host's proxy, other services' too.
func (b *Box) assigned(ctx context.Context, ours bool, all []container.Observed) ([]Assigned, error) {
	lives, err := b.List(ctx, ours)
	if err != nil {
		return nil, err
	}
	var list []Assigned
	for _, l := range lives {
		if l.Split != "" {
			return nil, fmt.Errorf("read routes: a canary of %s is under way; wait for its end", l.Service)
		}
		var ids []string
		label := ""
		for _, c := range all {
			if seen.IsTarget(c, l.To()) {
				ids, label = append(ids, c.ID), c.Spec.Labels[plan.LabelRoute]
			}
		}
		if len(ids) > 0 {
			list = append(list, Assigned{l.Whole(label), ids, l.State})
		} else {
			return nil, fmt.Errorf("read routes: %s leads to %s, which is no container here, so it cannot be told to another proxy; `docker exec %s kamal-proxy remove %s` ends it", l.Service, l.Target, Container, l.Service)
		}
	}
	return list, nil
}

// answers waits until the proxy takes commands: by then it has its routes.
func (b *Box) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, fmt.Errorf("the proxy does not answer within %s; `fairlead proxy logs` may say why", answerTime))
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := b.exec(ctx, answerTime, []string{"kamal-proxy", "list"}); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

var _ Machine = (*docker.Engine)(nil)
