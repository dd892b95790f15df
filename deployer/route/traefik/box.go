package traefik

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// endTime is what a Traefik that is stopped gets to end its requests in.
const endTime = 10 * time.Second

// Box is the Traefik of one host as a container: what people start, replace
// and remove.
type Box struct {
	*Driver
	Machine route.Machine
	// Pull brings an image to the host.
	Pull func(ctx context.Context, ref string) error
	// Other is the other proxy that the host may have.
	Other *route.Box
	// Names are those of the routes of the service whose deploy.yml keeps Traefik.
	Names []string
}

// find returns Traefik's container, nil where there is none.
func (b *Box) find(ctx context.Context) (*container.Observed, error) {
	all, err := route.Settle(ctx, b.Engine, b.Machine, traefik.Container, route.Container)
	i := slices.IndexFunc(all, func(c container.Observed) bool { return c.Name == traefik.Container })
	if err != nil || i < 0 {
		return nil, err
	}
	return &all[i], nil
}

// Up makes Traefik run, as a rollout does where it does not.
func (b *Box) Up(ctx context.Context, run plan.ProxyRun) (route.Change, error) {
	c, err := b.find(ctx)
	switch {
	case err != nil:
		return route.Change{}, err
	case c != nil && !traefik.Ours(*c):
		return route.Change{}, errForeign
	case c != nil && c.State.IsUp():
		return route.Change{Was: c.Spec.Image, Is: c.Spec.Image, Done: "runs already"}, nil
	case c != nil:
		return route.Change{Was: c.Spec.Image, Is: c.Spec.Image, Done: "started"}, b.Boot(ctx, run, true)
	}
	if err := b.vacant(ctx); err != nil {
		return route.Change{}, err
	}
	if err := b.Pull(ctx, run.Image); err != nil {
		return route.Change{}, err
	}
	return route.Change{Is: run.Image, Done: "booted"}, b.Boot(ctx, run, false)
}

// Down stops Traefik, which refuses all connections until Up.
func (b *Box) Down(ctx context.Context) (route.Change, error) {
	c, err := b.find(ctx)
	if err != nil || c == nil {
		return route.Change{Done: "there is none"}, err
	}
	return route.Change{Was: c.Spec.Image, Is: c.Spec.Image, Done: "stopped"}, b.Machine.Stop(ctx, c.ID, endTime)
}

// Restart stops and starts it.
func (b *Box) Restart(ctx context.Context, run plan.ProxyRun) (route.Change, error) {
	// Up would refuse one that is somebody else's: it serves on.
	if c, err := b.find(ctx); err != nil || c != nil && !traefik.Ours(*c) {
		return route.Change{}, cmp.Or(err, errForeign)
	}
	began := time.Now()
	if _, err := b.Down(ctx); err != nil {
		return route.Change{}, err
	}
	c, err := b.Up(ctx, run)
	if err == nil {
		err = b.serve(ctx, nil)
	}
	c.Done, c.Gap = "restarted", time.Since(began)
	return c, err
}

// Gone removes Traefik's container; its volume and the services' files stay.
func (b *Box) Gone(ctx context.Context) (route.Change, error) {
	c, err := b.Down(ctx)
	if err != nil || c.Was == "" {
		return c, err
	}
	c.Is, c.Done = "", "removed"
	return c, b.Machine.Remove(ctx, traefik.Container)
}

// List returns the routes, also where Traefik is somebody else's: then it has
// none of Fairlead's.
func (b *Box) List(ctx context.Context, _ bool) ([]plan.Live, error) {
	c, err := b.find(ctx)
	if err != nil || c == nil || !traefik.Ours(*c) {
		return nil, err
	}
	return b.Driver.List(ctx, true)
}

// Upgrade makes Traefik that of another image, where deploy.yml says another.
func (b *Box) Upgrade(ctx context.Context, run plan.ProxyRun) (route.Change, error) {
	c, err := b.find(ctx)
	switch {
	case err != nil:
		return route.Change{}, err
	case c == nil || !c.State.IsUp():
		return b.Up(ctx, run)
	case c.Spec.Image == run.Image && traefik.Ours(*c):
		return route.Change{Was: run.Image, Is: run.Image, Done: "is " + run.Image + " already"}, nil
	}
	return b.Replace(ctx, run)
}

// Replace makes a new container of Traefik, which reads the same files; also
// in the place of one that Fairlead did not make, or of another proxy, whose
// routes it is told. When it does not serve, the one before is put back.
func (b *Box) Replace(ctx context.Context, run plan.ProxyRun) (route.Change, error) {
	old, err := b.find(ctx)
	if err != nil {
		return route.Change{}, err
	}
	var routes []route.Assigned
	if old == nil || !old.State.IsUp() {
		other, all, err := b.Other.Runs(ctx)
		if err == nil {
			err = b.mine(all)
		}
		switch {
		case err != nil:
			return route.Change{}, err
		case other == nil:
			return b.anew(ctx, run, old)
		}
		old, routes = other, all
	}
	if err := b.Pull(ctx, run.Image); err != nil {
		return route.Change{}, err
	}
	if old.Name != traefik.Container {
		if err := b.Machine.Remove(ctx, traefik.Container); err != nil { // one that does not run
			return route.Change{}, err
		}
	}
	change := route.Change{Was: old.Spec.Image, Is: run.Image, Done: "replaced"}
	change.Gap, err = route.Succession{
		Engine: b.Other.Booter.Engine, Machine: b.Machine, Old: *old, Name: traefik.Container,
		Create: func(ctx context.Context, name string) (string, error) { return b.create(ctx, name, run) },
		Serve:  func(ctx context.Context) error { return b.serve(ctx, routes) },
		Back:   func(context.Context) error { return nil },
	}.Do(ctx)
	return change, err
}

// anew boots Traefik where none runs; one that was stopped is not kept.
func (b *Box) anew(ctx context.Context, run plan.ProxyRun, old *container.Observed) (route.Change, error) {
	if old != nil {
		if err := b.Machine.Remove(ctx, old.ID); err != nil {
			return route.Change{}, err
		}
	}
	return b.Up(ctx, run)
}

// mine refuses to take routes over that other services look for at the other
// proxy.
func (b *Box) mine(routes []route.Assigned) error {
	var others []string
	for _, r := range routes {
		if !slices.Contains(b.Names, r.Service) {
			others = append(others, r.Service)
		}
		if r.State != "running" {
			return &operation.Refusal{Message: r.Service + " is in maintenance, for which Traefik has no page", Hint: "`fairlead app live` ends it"}
		}
	}
	if len(others) > 0 {
		return &operation.Refusal{Message: fmt.Sprintf("the proxy serves %v, too, whose deploy.yml does not keep Traefik", others), Hint: "give this service other servers, or all of them Traefik"}
	}
	return nil
}

// serve waits until a Traefik that was started answers, for every service of
// which it has a file, and tells it routes.
func (b *Box) serve(ctx context.Context, routes []route.Assigned) error {
	if err := b.answers(ctx); err != nil {
		return err
	}
	static, c, err := b.static(ctx)
	if err != nil {
		return err
	}
	for _, r := range routes {
		a, err := b.assigned(ctx, r.Route, r.Containers)
		if err == nil {
			err = b.write(ctx, r.Service, traefik.Service{Live: &a}, static)
		}
		if err != nil {
			return err
		}
	}
	all, err := b.services(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range all {
		if s.Live == nil || !b.runs(ctx, s.Live.Containers) {
			continue // nothing that anybody could wait for
		}
		// It may have other entrypoints than the one before had.
		err := b.write(ctx, s.Live.Route.Service, s, static)
		if err == nil {
			err = b.follows(ctx, c, *s.Live, false, takeTime)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Away is the other proxy of a host whose Traefik Fairlead made and which
// deploy.yml does not keep any more.
type Away struct {
	*route.Box
	Traefik *Box
}

// Replace puts the other proxy in Traefik's place where that runs.
func (a Away) Replace(ctx context.Context, run plan.ProxyRun) (route.Change, error) {
	c, err := a.Traefik.find(ctx)
	if err != nil {
		return route.Change{}, err
	}
	if c == nil || !traefik.Ours(*c) || !c.State.IsUp() {
		return a.Box.Replace(ctx, run)
	}
	all, err := a.Traefik.services(ctx)
	if err != nil {
		return route.Change{}, err
	}
	var routes []route.Assigned
	for _, s := range all {
		if s.Live != nil {
			routes = append(routes, route.Assigned{Route: s.Live.Route, Containers: s.Live.Containers, State: "running"})
		}
	}
	if err := a.Traefik.mine(routes); err != nil {
		return route.Change{}, err
	}
	change, err := a.Follow(ctx, run, *c, routes)
	if err == nil {
		err = a.Traefik.Files.RemoveAll(ctx, traefik.Folder) // it says who gets requests no more
	}
	return change, err
}
