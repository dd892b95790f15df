package rollout

import (
	"context"
	"io"
	"io/fs"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

// under returns the host with each call that changes something behind the
// guard. A step is several calls, and between any two of them the process may
// have slept for longer than its lock is good for.
func (h Host) under(g Guard) Host {
	b := guarded{h, func(ctx context.Context) error { return g(ctx, h.Name) }}
	h.Containers, h.Images, h.Cleaner, h.Networks = b, guardedImages{b}, guardedCleaner{b}, b
	h.Proxy, h.Splitter, h.Files, h.Archives = guardedProxy{b}, guardedSplitter{b}, guardedFiles{b}, b
	return h
}

// guarded is the host itself, and may its next call be made.
type guarded struct {
	h  Host
	ok func(ctx context.Context) error
}

func (g guarded) Create(ctx context.Context, name string, s container.Spec) (string, error) {
	if err := g.ok(ctx); err != nil {
		return "", err
	}
	return g.h.Containers.Create(ctx, name, s)
}

func (g guarded) Start(ctx context.Context, id string) error {
	if err := g.ok(ctx); err != nil {
		return err
	}
	return g.h.Containers.Start(ctx, id)
}

func (g guarded) Stop(ctx context.Context, id string, timeout time.Duration) error {
	if err := g.ok(ctx); err != nil {
		return err
	}
	return g.h.Containers.Stop(ctx, id, timeout)
}

func (g guarded) Rename(ctx context.Context, id, name string) error {
	if err := g.ok(ctx); err != nil {
		return err
	}
	return g.h.Containers.Rename(ctx, id, name)
}

func (g guarded) EnsureNetwork(ctx context.Context, name string) error {
	if err := g.ok(ctx); err != nil {
		return err
	}
	return g.h.Networks.EnsureNetwork(ctx, name)
}

func (g guarded) CopyTo(ctx context.Context, id, dir string, tar io.Reader) error {
	if err := g.ok(ctx); err != nil {
		return err
	}
	return g.h.Archives.CopyTo(ctx, id, dir, tar)
}

func (g guarded) CopyFrom(ctx context.Context, id, path string, read func(tar io.Reader) error) error {
	return g.h.Archives.CopyFrom(ctx, id, path, read)
}

type guardedImages struct{ guarded }

func (g guardedImages) Image(ctx context.Context, ref string) (docker.Image, error) {
	return g.h.Images.Image(ctx, ref)
}

func (g guardedImages) Pull(ctx context.Context, ref string, auth docker.Auth, progress func(string)) error {
	if err := g.ok(ctx); err != nil {
		return err
	}
	return g.h.Images.Pull(ctx, ref, auth, progress)
}

func (g guardedImages) Tag(ctx context.Context, id, ref string) error {
	if err := g.ok(ctx); err != nil {
		return err
	}
	return g.h.Images.Tag(ctx, id, ref)
}

type guardedCleaner struct{ guarded }

func (g guardedCleaner) Remove(ctx context.Context, id string) error {
	if err := g.ok(ctx); err != nil {
		return err
	}
	return g.h.Cleaner.Remove(ctx, id)
}

func (g guardedCleaner) RemoveImage(ctx context.Context, ref string) error {
	if err := g.ok(ctx); err != nil {
		return err
	}
	return g.h.Cleaner.RemoveImage(ctx, ref)
}

type guardedProxy struct{ guarded }

func (g guardedProxy) Boot(ctx context.Context, run plan.ProxyRun, present bool) error {
	if err := g.ok(ctx); err != nil {
		return err
	}
	return g.h.Proxy.Boot(ctx, run, present)
}

func (g guardedProxy) Deploy(ctx context.Context, r plan.Route, containers ...string) error {
	if err := g.ok(ctx); err != nil {
		return err
	}
	return g.h.Proxy.Deploy(ctx, r, containers...)
}

func (g guardedProxy) Remove(ctx context.Context, service string) error {
	if err := g.ok(ctx); err != nil {
		return err
	}
	return g.h.Proxy.Remove(ctx, service)
}

type guardedSplitter struct{ guarded }

func (g guardedSplitter) Split(ctx context.Context, r plan.Route, percent int, containers ...string) error {
	if err := g.ok(ctx); err != nil {
		return err
	}
	return g.h.Splitter.Split(ctx, r, percent, containers...)
}

func (g guardedSplitter) Unsplit(ctx context.Context, r plan.Route) error {
	if err := g.ok(ctx); err != nil {
		return err
	}
	return g.h.Splitter.Unsplit(ctx, r)
}

func (g guardedSplitter) Traffic(ctx context.Context, service string) (canary, old health.Traffic, err error) {
	return g.h.Splitter.Traffic(ctx, service)
}

type guardedFiles struct{ guarded }

func (g guardedFiles) MkdirAll(ctx context.Context, dir string, mode fs.FileMode) error {
	if err := g.ok(ctx); err != nil {
		return err
	}
	return g.h.Files.MkdirAll(ctx, dir, mode)
}

func (g guardedFiles) Write(ctx context.Context, path string, content []byte, mode fs.FileMode) error {
	if err := g.ok(ctx); err != nil {
		return err
	}
	return g.h.Files.Write(ctx, path, content, mode)
}

func (g guardedFiles) ReadDir(ctx context.Context, dir string) ([]fs.FileInfo, error) {
	return g.h.Files.ReadDir(ctx, dir)
}

func (g guardedFiles) RemoveAll(ctx context.Context, path string) error {
	if err := g.ok(ctx); err != nil {
		return err
	}
	return g.h.Files.RemoveAll(ctx, path)
}
