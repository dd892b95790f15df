package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/plan/seen"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// hold keeps the service as this ask leaves it: nothing that follows Git undoes
// it before `fairlead resume`.
func (w *work) hold(ctx context.Context, why string) error {
	if w.Hold == nil {
		return nil
	}
	h := release.Hold{Lane: w.Lane(), By: cmp.Or(w.ask.Actor, "someone"), Since: time.Now(), Why: why}
	if err := w.Hold(ctx, h); err != nil {
		return fmt.Errorf("hold: %w", err)
	}
	return w.done(operation.Source{}, "%s is held; `fairlead resume %s` follows Git again", w.Lane(), w.Lane())
}

// drainTime bounds the requests that a proxy may finish before a stop.
func (w *work) drainTime() time.Duration { return cmp.Or(w.ask.Drain, w.Deploy.DrainTimeout) }

// stop takes the traffic away, lets requests finish, and stops what runs.
func (w *work) stop(ctx context.Context, hosts []string) error {
	if err := w.hold(ctx, release.WhyStopped); err != nil {
		return err
	}
	return w.changeEach(ctx, hosts, w.stopTarget)
}

// changeEach does something to the containers of every target.
func (w *work) changeEach(ctx context.Context, hosts []string, do func(context.Context, Host, target, []container.Observed) error) error {
	return w.each(ctx, hosts, func(ctx context.Context, h Host) error {
		all, err := h.Reader.Containers(ctx, labels(w.Lane()))
		if err != nil {
			return err
		}
		for _, t := range w.on(h.Name) {
			if err := w.may(ctx, h.Name); err != nil {
				return err
			}
			if err := do(ctx, h, t, of(w.Lane(), t, all)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *work) stopTarget(ctx context.Context, h Host, t target, list []container.Observed) error {
	up := slices.DeleteFunc(slices.Clone(list), func(c container.Observed) bool {
		return !c.State.IsUp() && c.State.Status != container.Restarting
	})
	if w.role(t.role).Proxied {
		if err := w.unroute(ctx, h, plan.RouteName(w.Lane(), t.role), len(up) > 0); err != nil {
			return err
		}
	}
	for _, c := range up {
		if err := h.Mover.Stop(ctx, c.ID, w.role(t.role).StopTimeout); err != nil {
			return err
		}
		if err := w.done(t.source(c), "stopped"); err != nil {
			return err
		}
	}
	if len(up) == 0 {
		return w.done(operation.Source{Host: t.host, Role: t.role}, "nothing runs")
	}
	w.note(ctx, h, t.role, "Stopped app")
	return nil
}

// unroute takes a route away, once its requests have ended where drain says so.
// A host without a proxy has none.
func (w *work) unroute(ctx context.Context, h Host, name string, drain bool) error {
	all, err := h.Reader.Containers(ctx, nil)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(c container.Observed) bool { return c.Name == route.Name(w.Deploy) && c.State.IsUp() }) {
		return nil
	}
	p, err := h.Proxy(ctx)
	if err != nil {
		return err
	}
	if drain {
		if err = p.Pause(ctx, name, "", w.drainTime()); errors.Is(err, errors.ErrUnsupported) {
			err = nil // the containers end their requests themselves
		}
	}
	if err == nil {
		err = p.Remove(ctx, name)
	}
	if errors.Is(err, route.ErrNoRoute) {
		return nil
	}
	return err
}

// start starts the newest stopped container of each target, with as many of its
// fellows as deploy.yml wants of them, and sends proxied ones their traffic once
// they are healthy.
func (w *work) start(ctx context.Context, hosts []string) error {
	if err := w.hold(ctx, "app start"); err != nil {
		return err
	}
	return w.changeEach(ctx, hosts, func(ctx context.Context, h Host, t target, list []container.Observed) error {
		c, ok := pick(w.Lane(), list, w.ask.Version)
		if !ok {
			return nothingRuns(t, w.ask.Version)
		}
		var ids []string
		replicas := seen.Replicas(w.Lane(), c, list)
		for _, c := range replicas[:min(len(replicas), max(w.role(t.role).Scale, 1))] {
			if err := h.Mover.Start(ctx, c.ID); err != nil {
				return err
			}
			ids = append(ids, c.ID)
		}
		if w.role(t.role).Proxied {
			r, ok, err := w.routeOf(ctx, c)
			if err != nil {
				return err
			}
			if !ok {
				return &operation.Refusal{Message: t.role + " runs on " + t.host + ", but its route is not known", Hint: "`fairlead deploy` makes it"}
			}
			p, err := h.Proxy(ctx)
			if err != nil {
				return err
			}
			if err := p.Deploy(ctx, r, ids...); err != nil {
				return err
			}
		}
		w.note(ctx, h, t.role, "Started app version "+plan.VersionOf(w.Lane(), c))
		return w.done(t.source(c), "started")
	})
}

// routeOf is how a container is served: as the release says that put its version
// there; of another version as at its birth; else as deploy.yml says now.
func (w *work) routeOf(ctx context.Context, c container.Observed) (plan.Route, bool, error) {
	if w.Served != nil {
		d, version, err := w.Served(ctx)
		if err != nil {
			return plan.Route{}, false, err
		}
		if d != nil && version == plan.VersionOf(w.Lane(), c) {
			r, ok := plan.RouteFor(d, c)
			return r, ok, nil
		}
		if r, ok := plan.RouteAtBirth(c); ok {
			return r, true, nil
		}
	}
	r, ok := plan.RouteFor(w.Deploy, c)
	return r, ok, nil
}

// maintenance answers requests with 503.
func (w *work) maintenance(ctx context.Context, hosts []string) error {
	return w.proxied(ctx, hosts, func(ctx context.Context, p Proxy, name string) (string, error) {
		return "answers with 503", p.Pause(ctx, name, w.ask.Message, w.drainTime())
	})
}

// live ends maintenance.
func (w *work) live(ctx context.Context, hosts []string) error {
	return w.proxied(ctx, hosts, func(ctx context.Context, p Proxy, name string) (string, error) {
		return "serves again", p.Serve(ctx, name)
	})
}

// proxied does something to the route of every proxied target.
func (w *work) proxied(ctx context.Context, hosts []string, do func(context.Context, Proxy, string) (string, error)) error {
	if !slices.ContainsFunc(w.chosen, func(t target) bool { return w.role(t.role).Proxied }) {
		return &operation.Refusal{Message: "no role here gets requests from a proxy", Hint: "maintenance and live are for those that do"}
	}
	return w.each(ctx, hosts, func(ctx context.Context, h Host) error {
		for _, t := range w.on(h.Name) {
			if !w.role(t.role).Proxied {
				continue
			}
			if err := w.may(ctx, h.Name); err != nil {
				return err
			}
			p, err := h.Proxy(ctx)
			if err != nil {
				return err
			}
			what, err := do(ctx, p, plan.RouteName(w.Lane(), t.role))
			if errors.Is(err, route.ErrNoRoute) {
				return &operation.Refusal{Message: "the proxy of " + t.host + " does not know " + t.role, Hint: "deploy it first, or `fairlead app start`"}
			}
			if err != nil {
				return err
			}
			w.note(ctx, h, t.role, "Set app to "+string(w.ask.Verb))
			if err := w.done(operation.Source{Host: t.host, Role: t.role}, "%s", what); err != nil {
				return err
			}
		}
		return nil
	})
}

// removeStopped removes the stopped containers of a version, or all.
func (w *work) removeStopped(ctx context.Context, hosts []string) error {
	version := ""
	if w.ask.Verb == operation.RemoveContainer {
		version = w.ask.Version
	}
	removed := make(chan bool, 1)
	err := w.changeEach(ctx, hosts, func(ctx context.Context, h Host, t target, list []container.Observed) error {
		for _, c := range list {
			if version != "" && plan.VersionOf(w.Lane(), c) != version {
				continue
			}
			select {
			case removed <- true:
			default:
			}
			if c.State.IsUp() || c.State.Status == container.Restarting {
				if err := w.warn(t.source(c), "it runs, and stays; `fairlead app stop` stops it"); err != nil {
					return err
				}
				continue
			}
			if err := w.removeOne(ctx, h, t, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && version != "" && len(removed) == 0 {
		return &operation.Refusal{Message: "there is no container of " + version, Hint: "`fairlead app containers` lists those that there are"}
	}
	return err
}

func (w *work) removeOne(ctx context.Context, h Host, t target, c container.Observed) error {
	if err := w.may(ctx, h.Name); err != nil {
		return err
	}
	if err := h.Mover.Remove(ctx, c.ID); err != nil {
		return err
	}
	return w.done(t.source(c), "removed")
}

// removeImages removes the images that no container needs.
func (w *work) removeImages(ctx context.Context, hosts []string) error {
	return w.each(ctx, hosts, w.removeImagesOn)
}

func (w *work) removeImagesOn(ctx context.Context, h Host) error {
	list, err := w.imagesOn(ctx, h)
	if err != nil {
		return err
	}
	for _, i := range list {
		if i.InUse {
			continue
		}
		refs := i.Tags
		if len(refs) == 0 {
			refs = []string{i.ID}
		}
		for _, ref := range refs {
			if err := w.may(ctx, h.Name); err != nil {
				return err
			}
			if err := h.Mover.RemoveImage(ctx, ref); errors.Is(err, docker.ErrInUse) {
				continue
			} else if err != nil {
				return err
			}
			if err := w.done(operation.Source{Host: h.Name}, "removed image %s", ref); err != nil {
				return err
			}
		}
	}
	return nil
}

// pruneContainers removes stopped containers beyond what is retained.
func (w *work) pruneContainers(ctx context.Context, hosts []string) error {
	retain := w.Deploy.RetainContainers
	if w.ask.Retain != nil {
		retain = *w.ask.Retain
	}
	failed, err := w.Failed(ctx)
	if err != nil {
		return err
	}
	return w.changeEach(ctx, hosts, func(ctx context.Context, h Host, t target, list []container.Observed) error {
		for _, c := range surplus(list, retain, failed) {
			if err := w.removeOne(ctx, h, t, c); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *work) prune(ctx context.Context, hosts []string) error {
	return errors.Join(w.pruneContainers(ctx, hosts), w.removeImages(ctx, hosts))
}
