package operate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// The kinds of container that a service has.
const (
	kindApp       = "app"
	kindAccessory = "accessory"
	kindProxy     = "proxy"
)

// details tells all containers of the service, of its accessories, and the
// proxy.
func (w *work) details(ctx context.Context, hosts []string) error {
	return w.each(ctx, hosts, func(ctx context.Context, h Host) error {
		all, err := h.Reader.Containers(ctx, nil)
		if err != nil {
			return err
		}
		for _, c := range all {
			kind := w.kind(c)
			t := target{host: h.Name, role: c.Spec.Labels[plan.LabelRole]}
			if kind == "" || kind == kindApp && !slices.Contains(w.chosen, t) || w.ask.Accessory != "" && !slices.ContainsFunc(w.chosen, func(t target) bool { return t.name == c.Name }) {
				continue
			}
			if kind != kindApp {
				t.role = kind
			}
			if err := w.found(t, c, kind); err != nil {
				return err
			}
		}
		return nil
	})
}

// kind tells what a container is to the service, "" for nothing.
func (w *work) kind(c container.Observed) string {
	l := c.Spec.Labels
	switch {
	case l[plan.LabelService] == w.Deploy.Service && l[plan.LabelDestination] == w.Deploy.Destination && l[plan.LabelRole] != "":
		return kindApp
	case c.Name == route.Name(w.Deploy):
		return kindProxy
	}
	for _, a := range w.Deploy.Accessories {
		if c.Name == a.Service {
			return kindAccessory
		}
	}
	return ""
}

func (w *work) found(t target, c container.Observed, kind string) error {
	version := ""
	if kind == kindApp {
		version = plan.VersionOf(w.Lane(), c)
	}
	return w.tell(operation.Told{Source: t.source(c), Container: &operation.Container{
		ID: c.ID, Kind: kind, Version: version, Image: c.Spec.Image, State: stateOf(c.State), Running: c.State.IsUp(),
		Created: c.Created, Started: c.State.StartedAt, Restarts: c.State.RestartCount,
	}})
}

// stateOf is a container's state as people read it.
func stateOf(s container.State) string {
	switch {
	case s.OOMKilled && !s.IsUp():
		return string(s.Status) + " (out of memory)"
	case s.Status == container.Exited || s.Status == container.Dead:
		return fmt.Sprintf("%s (%d)", s.Status, s.ExitCode)
	case s.Health != container.NoHealth && s.Health != "" && s.IsUp():
		return string(s.Status) + " (" + string(s.Health) + ")"
	}
	return string(s.Status)
}

// containers tells the containers of the chosen roles, newest first.
func (w *work) containers(ctx context.Context, hosts []string) error {
	return w.apps(ctx, hosts, func(h Host, t target, list []container.Observed) error {
		for _, c := range list {
			if !w.meant(c) {
				continue
			}
			if err := w.found(t, c, kindApp); err != nil {
				return err
			}
		}
		return nil
	})
}

// apps reads the containers of every target.
func (w *work) apps(ctx context.Context, hosts []string, do func(h Host, t target, list []container.Observed) error) error {
	return w.each(ctx, hosts, func(ctx context.Context, h Host) error {
		all, err := h.Reader.Containers(ctx, labels(w.Lane()))
		if err != nil {
			return err
		}
		for _, t := range w.on(h.Name) {
			if err := do(h, t, of(w.Lane(), t, all)); err != nil {
				return err
			}
		}
		return nil
	})
}

// version tells what runs.
func (w *work) version(ctx context.Context, hosts []string) error {
	return w.apps(ctx, hosts, func(_ Host, t target, list []container.Observed) error {
		running := slices.DeleteFunc(list, func(c container.Observed) bool { return !c.State.IsUp() })
		if len(running) == 0 {
			return w.warn(operation.Source{Host: t.host, Role: t.role}, "nothing runs")
		}
		for _, c := range running {
			if err := w.found(t, c, kindApp); err != nil {
				return err
			}
		}
		return nil
	})
}

// images tells the images of the service, whether they are needed or not.
func (w *work) images(ctx context.Context, hosts []string) error {
	return w.each(ctx, hosts, func(ctx context.Context, h Host) error {
		list, err := w.imagesOn(ctx, h)
		for _, i := range list {
			if err := w.tell(operation.Told{Source: operation.Source{Host: h.Name}, Image: &i}); err != nil {
				return err
			}
		}
		return err
	})
}

// imagesOn reads the service's images of a host, newest first.
func (w *work) imagesOn(ctx context.Context, h Host) ([]operation.Image, error) {
	all, err := h.Reader.Images(ctx, map[string][]string{"reference": {w.Deploy.Image.Name()}})
	if err != nil {
		return nil, err
	}
	used, err := h.Reader.Containers(ctx, nil)
	if err != nil {
		return nil, err
	}
	var list []operation.Image
	for _, i := range all {
		needed := slices.ContainsFunc(used, func(c container.Observed) bool {
			return c.Image.ID == i.ID && ours(c.Spec.Image, w.Deploy.Image.Name()) // by another name it needs that one
		})
		list = append(list, operation.Image{ID: i.ID, Tags: ourTags(i.RepoTags, w.Deploy.Image.Name()), Size: i.Size, Created: i.Created, InUse: needed})
	}
	slices.SortFunc(list, func(a, b operation.Image) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

// ourTags are the tags of the service's own repository.
func ourTags(tags []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(tags), func(t string) bool { return !strings.Contains(t, ":") || !ours(t, name) })
}

// ours tells whether an image's name is of a repository.
func ours(ref, name string) bool {
	ref, _, _ = strings.Cut(ref, "@")
	if at := strings.LastIndex(ref, ":"); at > strings.LastIndex(ref, "/") {
		ref = ref[:at]
	}
	return strings.TrimPrefix(ref, "docker.io/") == strings.TrimPrefix(name, "docker.io/")
}

// stale tells what runs beside the current version of a role, and stops it
// where that was asked.
func (w *work) stale(ctx context.Context, hosts []string) error {
	return w.each(ctx, hosts, func(ctx context.Context, h Host) error {
		all, err := h.Reader.Containers(ctx, labels(w.Lane()))
		if err != nil {
			return err
		}
		var routes []plan.Live
		if slices.ContainsFunc(w.on(h.Name), func(t target) bool { return w.role(t.role).Proxied }) {
			if routes, err = h.Routes(ctx); err != nil {
				return err
			}
		}
		for _, t := range w.on(h.Name) {
			for _, c := range staleOf(w.Lane(), t, all, routes) {
				if err := w.staleOne(ctx, h, t, c); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (w *work) staleOne(ctx context.Context, h Host, t target, c container.Observed) error {
	if !w.ask.Stop {
		return w.found(t, c, kindApp)
	}
	if err := w.may(ctx, h.Name); err != nil {
		return err
	}
	if err := h.Mover.Stop(ctx, c.ID, w.role(t.role).StopTimeout); err != nil {
		return err
	}
	return w.done(t.source(c), "stopped")
}
