package rollout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/deployer/assets"
	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/files"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

// inHelper is where a helper has the lane's folder of assets.
const inHelper = "/.fairlead/assets"

// bridge puts the assets of two versions together. The engine carries them from
// the one to the other of two containers of the new image that never start: it
// keeps a container to itself while it reads from it.
func bridge(ctx context.Context, h Host, s plan.BridgeAssets) (err error) {
	p := s.Place
	for _, dir := range []string{p.Extracted(s.New), p.Volume(s.New)} {
		if err := h.Files.MkdirAll(ctx, dir, 0o755); err != nil {
			return err
		}
	}
	b := assets.Bridge{Place: p, New: s.New, Old: s.Old}
	if err := survey(ctx, h.Files, &b); err != nil {
		return err
	}
	if b.UID, b.GID, err = ownerOf(ctx, h.Files, p); err != nil {
		return err
	}
	mount := container.Mount{Kind: container.Bind, Source: path.Join(p.Home, p.Root), Target: inHelper}
	into := container.Spec{Image: s.Image, Cmd: []string{"none"}, Network: "none", Mounts: []container.Mount{mount}}
	to, err := helper(ctx, h, s.Helper+"-to", into)
	defer func() { err = errors.Join(err, dismiss(ctx, h, s.Helper+"-to")) }()
	if err != nil {
		return err
	}
	if s.Kept && len(b.NewExtracted) > 0 {
		return carry(ctx, h, to, func(out io.Writer) error { return b.Write(out, nil) })
	}
	from, err := helper(ctx, h, s.Helper, container.Spec{Image: s.Image, Cmd: []string{"none"}, Network: "none"})
	defer func() { err = errors.Join(err, dismiss(ctx, h, s.Helper)) }()
	if err != nil {
		return err
	}
	err = carry(ctx, h, to, func(out io.Writer) error {
		return h.Archives.CopyFrom(ctx, from, p.Inside()+"/.", func(in io.Reader) error { return b.Write(out, in) })
	})
	if errors.Is(err, docker.ErrNotFound) || errors.Is(err, assets.ErrTooMuch) {
		return fmt.Errorf("%w: asset_path %s of %s: %w", docker.ErrInvalid, p.Inside(), s.Image, err)
	}
	return err
}

// helper makes a container that never starts; one that a crash left goes first.
func helper(ctx context.Context, h Host, name string, s container.Spec) (string, error) {
	if err := h.Cleaner.Remove(ctx, name); err != nil {
		return "", err
	}
	return h.Containers.Create(ctx, name, s)
}

// dismiss removes a helper, though ctx has ended.
func dismiss(ctx context.Context, h Host, name string) error {
	return h.Cleaner.Remove(context.WithoutCancel(ctx), name)
}

// carry unpacks what write writes into the lane's folder of assets.
func carry(ctx context.Context, h Host, to string, write func(io.Writer) error) error {
	in, out := io.Pipe()
	var wg abreast.Group
	var copied, written error
	wg.Go(func() {
		copied = h.Archives.CopyTo(ctx, to, inHelper, in)
		_ = in.CloseWithError(errors.Join(errHungUp, copied)) // a pipe's does not fail
	})
	wg.Go(func() {
		written = write(out)
		_ = out.CloseWithError(written)
	})
	wg.Wait()
	if written != nil && !errors.Is(written, errHungUp) {
		return written // which is why nothing more was copied
	}
	return copied
}

var errHungUp = errors.New("the engine takes no more")

// survey reads what is in the folders of both versions.
func survey(ctx context.Context, f Files, b *assets.Bridge) (err error) {
	if b.NewExtracted, err = tree(ctx, f, b.Place.Extracted(b.New)); err != nil {
		return err
	}
	if b.NewVolume, err = tree(ctx, f, b.Place.Volume(b.New)); err != nil || b.Old == "" {
		return err
	}
	if b.OldExtracted, err = tree(ctx, f, b.Place.Extracted(b.Old)); err != nil {
		return err
	}
	b.OldVolume, err = tree(ctx, f, b.Place.Volume(b.Old))
	return err
}

// tree lists a folder with all below it; nil where there is none.
func tree(ctx context.Context, f Files, root string) (assets.Tree, error) {
	all := assets.Tree{}
	for todo := []string{"."}; len(todo) > 0; todo = todo[1:] {
		entries, err := f.ReadDir(ctx, path.Join(root, todo[0]))
		if errors.Is(err, fs.ErrNotExist) {
			if todo[0] == "." {
				return nil, nil
			}
			continue // it went meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("list assets: %w", err)
		}
		for _, e := range entries {
			name := path.Join(todo[0], e.Name())
			if all[name] = e.IsDir(); e.IsDir() {
				todo = append(todo, name)
			}
			if len(all) > assets.MaxFiles {
				return nil, fmt.Errorf("list %s: %w", root, assets.ErrTooMuch)
			}
		}
	}
	return all, nil
}

// ownerOf is the ssh user, by the folder that was made for him: he shall be able
// to remove what the engine puts there.
func ownerOf(ctx context.Context, f Files, p assets.Place) (uid, gid int, err error) {
	entries, err := f.ReadDir(ctx, path.Dir(p.Root))
	if err != nil {
		return 0, 0, fmt.Errorf("list assets: %w", err)
	}
	for _, e := range entries {
		if e.Name() == path.Base(p.Root) {
			uid, gid = files.Owner(e)
		}
	}
	return uid, gid, nil
}

// dropAssets removes the folders of versions that no container has any more.
func dropAssets(ctx context.Context, h Host, s plan.DropAssets) error {
	for _, dir := range s.Folders {
		there, err := h.Files.ReadDir(ctx, dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("list assets: %w", err)
		}
		for _, e := range there {
			if !assets.Unused(e.Name(), s.Roles, s.Keep) {
				continue
			}
			if err := h.Files.RemoveAll(ctx, path.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("remove old assets: %w", err)
			}
		}
	}
	return nil
}
