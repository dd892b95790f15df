package rollout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

// effect does one step. Each case looks first whether it is already done,
// where the engine's own "already so" does not say it.
func (r *Run) effect(ctx context.Context, h Host, s plan.Step) error {
	switch s := s.(type) {
	case plan.MakeNetwork:
		return h.Networks.EnsureNetwork(ctx, plan.Network)
	case plan.BootProxy:
		return bootProxy(ctx, h, s)
	case plan.PutFiles:
		return put(ctx, h, s)
	case plan.BridgeAssets:
		return bridge(ctx, h, s)
	case plan.DropAssets:
		return dropAssets(ctx, h, s)
	case plan.Pull:
		return pull(ctx, h, s.Image)
	case plan.Create:
		return r.create(ctx, h, s)
	case plan.Start:
		return h.Containers.Start(ctx, r.id(s.Unit, s.Ref))
	case plan.Switch:
		return h.Proxy.Deploy(ctx, s.Route, r.ids(s.Unit, s.Routed())...)
	case plan.Split:
		return h.Splitter.Split(ctx, s.Route, s.Unit.Share, r.ids(s.Unit, s.Routed())...)
	case plan.Unsplit:
		return h.Splitter.Unsplit(ctx, s.Route)
	case plan.Unroute:
		return h.Proxy.Remove(ctx, s.Service)
	case plan.Stop:
		return h.Containers.Stop(ctx, s.Ref.ID, s.Timeout)
	case plan.Tag:
		return tag(ctx, h, s.Image)
	case plan.Prune:
		return prune(ctx, h, s)
	case plan.DropFolders:
		return dropFolders(ctx, h, s)
	default:
		return fmt.Errorf("unknown step %T", s)
	}
}

func (r *Run) await(ctx context.Context, h Host, s plan.Await) error {
	return health.Await(ctx, h.Engine, h.Prober, r.id(s.Unit, s.Ref), s.Unit.Health, s.Up)
}

// pull brings the image to the host by digest, and tags it with its version so
// that a human's `docker image prune` leaves it for a rollback.
func pull(ctx context.Context, h Host, img plan.Image) error {
	have, err := h.Images.Image(ctx, img.Pull())
	switch {
	case err == nil && img.Digest == "":
		return nil
	case err == nil:
		return h.Images.Tag(ctx, have.ID, img.Ref())
	case !errors.Is(err, docker.ErrNotFound):
		return err
	}
	if err := h.Images.Pull(ctx, img.Pull(), h.Auth, nil); err != nil {
		return err
	}
	if img.Digest == "" {
		return nil
	}
	return h.Images.Tag(ctx, img.Pull(), img.Ref())
}

// create makes a unit's container. A lost reply shows as a taken name: then
// the container of that name is ours if it is as wanted and not yet started by
// anybody.
func (r *Run) create(ctx context.Context, h Host, s plan.Create) error {
	if s.Replaces != nil {
		if err := h.Containers.Rename(ctx, s.Replaces.ID, s.Replaces.Name+"_replaced_"+s.Replaces.ID[:16]); err != nil {
			return fmt.Errorf("rename the old container: %w", err)
		}
	}
	id, err := h.Containers.Create(ctx, s.Unit.Name, s.Unit.Spec)
	if errors.Is(err, docker.ErrNameTaken) {
		id, err = r.adopt(ctx, h, s, err)
	}
	if err != nil {
		if s.Replaces != nil { // others know it by its name; where that was taken, it stays as it is
			_ = h.Containers.Rename(ctx, s.Replaces.ID, s.Replaces.Name)
		}
		return err
	}
	r.remember(s.Unit, id)
	return nil
}

func (r *Run) adopt(ctx context.Context, h Host, s plan.Create, taken error) (string, error) {
	c, err := h.Engine.Inspect(ctx, s.Unit.Name)
	if err != nil {
		return "", errors.Join(taken, err)
	}
	mine := c.Spec.Labels[plan.LabelRelease] == s.Unit.Spec.Labels[plan.LabelRelease]
	if mine && len(c.Diff(s.Unit.Spec, nil)) == 0 {
		return c.ID, nil
	}
	return "", fmt.Errorf("%w: %s appeared while we worked", taken, s.Unit.Name)
}

// put writes files, each whole or not at all.
func put(ctx context.Context, h Host, s plan.PutFiles) error {
	if s.Unit.Name != "" {
		return putMounted(ctx, h, s)
	}
	for _, f := range s.Files {
		dirMode, mode := fs.FileMode(0o755), fs.FileMode(0o644)
		if f.Secret && s.Strict {
			mode = 0o600
		}
		if err := h.Files.MkdirAll(ctx, path.Dir(f.Path), dirMode); err != nil {
			return err
		}
		if err := h.Files.Write(ctx, f.Path, []byte(f.Content.Reveal()), mode); err != nil {
			return err
		}
	}
	return nil
}

// dropFolders removes folders; one that is gone already is success.
func dropFolders(ctx context.Context, h Host, s plan.DropFolders) error {
	there, err := h.Files.ReadDir(ctx, s.Folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list %s: %w", s.Folder, err)
	}
	for _, e := range there {
		if e.IsDir() && s.Drops(e.Name()) {
			if err := h.Files.RemoveAll(ctx, path.Join(s.Folder, e.Name())); err != nil {
				return fmt.Errorf("remove what no role uses: %w", err)
			}
		}
	}
	return nil
}

func tag(ctx context.Context, h Host, img plan.Image) error {
	return h.Images.Tag(ctx, img.Ref(), img.Name+":"+img.Latest)
}

func prune(ctx context.Context, h Host, s plan.Prune) error {
	var errs []error
	for _, ref := range s.Remove {
		errs = append(errs, h.Cleaner.Remove(ctx, ref.ID))
	}
	for _, tag := range s.Images {
		if err := h.Cleaner.RemoveImage(ctx, tag); err != nil && !errors.Is(err, docker.ErrInUse) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
