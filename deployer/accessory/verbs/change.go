package verbs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// stop stops what runs; a route goes first.
func (w *work) stop(ctx context.Context, hosts []string) error {
	units, err := w.units(ctx, hosts)
	if err != nil {
		return err
	}
	return w.each(ctx, hosts, func(ctx context.Context, host string, a spec.Accessory, h plan.Host) error {
		c, ok := of(a, h)
		if !ok {
			return w.done(host, a.Name, a.Service, "there is none")
		}
		if err := w.stopOne(ctx, host, a, h, c, units); err != nil {
			return err
		}
		return w.done(host, a.Name, c.Name, "stopped")
	})
}

func (w *work) stopOne(ctx context.Context, host string, a spec.Accessory, h plan.Host, c container.Observed, units []unit) error {
	work := w.servers[host].Work
	if a.Proxy != nil && h.Proxy.Running {
		if err := work.Proxy.Remove(ctx, a.Service); err != nil && !errors.Is(err, route.ErrNoRoute) {
			return err
		}
	}
	i := slices.IndexFunc(units, func(u unit) bool { return u.Host == host && u.Accessory == a.Name })
	if i < 0 {
		return work.Containers.Stop(ctx, c.ID, w.Deploy.DrainTimeout)
	}
	return work.Containers.Stop(ctx, c.ID, units[i].StopTimeout)
}

// remove removes containers and images, and, where that was asked, the folder
// of the accessory with its data.
func (w *work) remove(ctx context.Context, hosts []string) error {
	if err := w.hold(ctx); err != nil {
		return err
	}
	return w.each(ctx, hosts, func(ctx context.Context, host string, a spec.Accessory, h plan.Host) error {
		mine := slices.DeleteFunc(slices.Clone(h.Beside), func(c container.Observed) bool {
			return c.Name != a.Service && !strings.HasPrefix(c.Name, a.Service+"_replaced_")
		})
		for _, c := range mine {
			if err := w.stopOne(ctx, host, a, h, c, nil); err != nil {
				return err
			}
			if at := c.Nameless(); at != "" && !w.ask.Data {
				if err := w.done(host, a.Name, c.Name, "is stopped and stays, for its data at "+at+" is in a volume without a name, which goes with it; --data removes both"); err != nil {
					return err
				}
				continue
			}
			if err := w.servers[host].Work.Cleaner.Remove(ctx, c.ID); err != nil {
				return err
			}
			if err := w.done(host, a.Name, c.Name, "removed"); err != nil {
				return err
			}
		}
		if err := w.dropImage(ctx, host, a); err != nil {
			return err
		}
		if w.ask.Data {
			return w.dropFolder(ctx, host, a)
		}
		return w.done(host, a.Name, a.Service, "its data stays in "+a.Service+" and in named volumes")
	})
}

func (w *work) dropImage(ctx context.Context, host string, a spec.Accessory) error {
	err := w.servers[host].Work.Cleaner.RemoveImage(ctx, a.Image)
	if errors.Is(err, docker.ErrInUse) {
		return w.done(host, a.Name, a.Service, "its image "+a.Image+" stays, for others use it")
	}
	return err
}

func (w *work) dropFolder(ctx context.Context, host string, a spec.Accessory) error {
	err := w.servers[host].Files.RemoveAll(ctx, a.Service)
	if errors.Is(err, fs.ErrPermission) {
		return &operation.Refusal{Message: fmt.Sprintf("%s: its folder %s is not the ssh user's to remove: %v", host, a.Service, err), Hint: "remove it there with sudo rm -rf"}
	}
	if err != nil {
		return err
	}
	return w.done(host, a.Name, a.Service, "its folder "+a.Service+" is removed")
}

// drop removes the image or the folder of accessories that have no container.
func (w *work) drop(ctx context.Context, hosts []string) error {
	return w.each(ctx, hosts, func(ctx context.Context, host string, a spec.Accessory, h plan.Host) error {
		if _, there := of(a, h); there {
			return &operation.Refusal{Message: fmt.Sprintf("%s: %s has a container", host, a.Service), Hint: "`fairlead accessory remove " + a.Name + "` removes it first"}
		}
		if w.ask.Verb == operation.AccessoryDropFolder {
			return w.dropFolder(ctx, host, a)
		}
		if err := w.dropImage(ctx, host, a); err != nil {
			return err
		}
		return w.done(host, a.Name, a.Service, "its image is removed")
	})
}

// files puts files and folders in place again; a running container sees those
// of a folder, and a file of its own only after a reboot.
func (w *work) files(ctx context.Context, hosts []string) error {
	return w.steps(ctx, hosts, "its files are in place", func(u unit) []plan.Step {
		if len(u.Mounted) == 0 {
			return nil
		}
		return []plan.Step{plan.Pull{Image: u.Image}, plan.PutFiles{Files: u.Mounted, Unit: u.Unit}}
	})
}

// pull pulls images, also where a host has one of the name.
func (w *work) pull(ctx context.Context, hosts []string) error {
	return w.steps(ctx, hosts, "its image is there", func(u unit) []plan.Step { return []plan.Step{plan.Pull{Image: u.Image}} })
}

// steps does steps for every unit.
func (w *work) steps(ctx context.Context, hosts []string, done string, of func(unit) []plan.Step) error {
	units, err := w.units(ctx, hosts)
	if err != nil {
		return err
	}
	run := w.run(w.ask.Verb == operation.AccessoryPull)
	for _, u := range units {
		if err := run.Do(ctx, []plan.Stage{{Name: plan.StageBeside, Steps: map[string][]plan.Step{u.Host: of(u)}}}); err != nil {
			return err
		}
		if err := w.done(u.Host, u.Accessory, u.Name, done); err != nil {
			return err
		}
	}
	return nil
}
