package operate

import (
	"context"
	"errors"
	"path"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// removeApp takes the chosen roles off the hosts: routes, containers, and,
// where no role is left out, images and files.
func (w *work) removeApp(ctx context.Context, hosts []string) error {
	if err := w.hold(ctx, release.WhyRemoved); err != nil {
		return err
	}
	return w.each(ctx, hosts, w.removeAppOn)
}

func (w *work) removeAppOn(ctx context.Context, h Host) error {
	all, err := h.Reader.Containers(ctx, labels(w.Lane()))
	if err != nil {
		return err
	}
	for _, t := range w.on(h.Name) {
		if err := w.may(ctx, h.Name); err != nil {
			return err
		}
		list := of(w.Lane(), t, all)
		if err := w.stopTarget(ctx, h, t, list); err != nil {
			return err
		}
		for _, c := range list {
			if err := w.removeOne(ctx, h, t, c); err != nil {
				return err
			}
		}
	}
	if len(w.ask.Roles) > 0 {
		return nil
	}
	if err := w.removeImagesOn(ctx, h); err != nil {
		return err
	}
	return w.removeFiles(ctx, h)
}

// removeFiles removes the folders that Kamal and Fairlead make for a service
// (Kamal 2.12: app_directory, proxy.app_directory). Data of accessories is
// elsewhere.
func (w *work) removeFiles(ctx context.Context, h Host) error {
	for _, dir := range []string{path.Join(".kamal/apps", w.Lane().String()), path.Join(".kamal/proxy/apps-config", w.Lane().String())} {
		if err := h.Files.RemoveAll(ctx, dir); err != nil {
			return err
		}
	}
	return nil
}

// removeAll takes all of the service off the hosts but the data of its
// accessories: the app, the accessories with their routes and images, and the
// proxy where it serves nobody else.
func (w *work) removeAll(ctx context.Context, hosts []string) error {
	if err := w.hold(ctx, release.WhyRemoved); err != nil {
		return err
	}
	return w.each(ctx, hosts, func(ctx context.Context, h Host) error {
		if err := w.removeAppOn(ctx, h); err != nil {
			return err
		}
		all, err := h.Reader.Containers(ctx, nil)
		if err != nil {
			return err
		}
		beside := false
		for _, c := range all {
			if w.kind(c) != kindAccessory {
				continue
			}
			beside = true
			if err := w.removeBeside(ctx, h, c); err != nil {
				return err
			}
		}
		if beside && len(w.ask.Roles) == 0 { // one may have run of the service's own image
			if err := w.removeImagesOn(ctx, h); err != nil {
				return err
			}
		}
		return w.removeProxy(ctx, h, all)
	})
}

// removeBeside removes an accessory, its route and its image.
func (w *work) removeBeside(ctx context.Context, h Host, c container.Observed) error {
	t := target{host: h.Name, role: kindAccessory, name: c.Name}
	if err := w.may(ctx, h.Name); err != nil {
		return err
	}
	if slices.ContainsFunc(w.Deploy.Accessories, func(a spec.Accessory) bool { return a.Service == c.Name && a.Proxy != nil }) {
		if err := w.unroute(ctx, h, c.Name, c.State.IsUp()); err != nil {
			return err
		}
	}
	if err := h.Mover.Stop(ctx, c.ID, w.Deploy.DrainTimeout); err != nil {
		return err
	}
	if at := c.Nameless(); at != "" {
		return w.done(t.source(c), "is stopped and stays, for its data at %s is in a volume without a name, which goes with it; `docker rm -v` there removes both", at)
	}
	if err := w.removeOne(ctx, h, t, c); err != nil {
		return err
	}
	return w.dropImage(ctx, h, c.Spec.Image)
}

// dropImage removes an image that nobody needs any more.
func (w *work) dropImage(ctx context.Context, h Host, ref string) error {
	if err := h.Mover.RemoveImage(ctx, ref); !errors.Is(err, docker.ErrInUse) {
		return err
	}
	return nil
}

// removeProxy removes the proxy unless it serves somebody.
func (w *work) removeProxy(ctx context.Context, h Host, all []container.Observed) error {
	i := slices.IndexFunc(all, func(c container.Observed) bool { return c.Name == route.Name(w.Deploy) })
	if i < 0 {
		return nil
	}
	src := operation.Source{Host: h.Name, Role: kindProxy, Name: all[i].Name}
	others := slices.ContainsFunc(all, func(c container.Observed) bool {
		return c.Spec.Labels[plan.LabelRole] != "" && c.Spec.Labels[plan.LabelService] != "" && w.kind(c) == ""
	})
	if all[i].State.IsUp() && !others {
		routes, err := h.Routes(ctx)
		if err != nil {
			return err
		}
		others = len(routes) > 0
	}
	if others {
		return w.done(src, "stays: other services are here")
	}
	if err := w.may(ctx, h.Name); err != nil {
		return err
	}
	if err := h.Mover.Stop(ctx, all[i].ID, w.Deploy.DrainTimeout); err != nil {
		return err
	}
	if err := w.removeOne(ctx, h, target{host: h.Name, role: kindProxy}, all[i]); err != nil {
		return err
	}
	return w.dropImage(ctx, h, all[i].Spec.Image)
}

var _ Mover = (*docker.Engine)(nil)
