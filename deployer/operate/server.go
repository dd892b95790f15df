package operate

import (
	"context"
	"errors"
	"io/fs"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// serverExec runs a person's command line on hosts. One that reads goes to the
// first alone.
func (w *work) serverExec(ctx context.Context, hosts []string) error {
	if w.ask.Command.Input && len(hosts) > 1 {
		hosts = hosts[:1]
	}
	if err := w.tell(operation.Told{Places: len(hosts)}); err != nil {
		return err
	}
	return w.each(ctx, hosts, func(ctx context.Context, h Host) error {
		src := operation.Source{Host: h.Name}
		code, err := h.Shell(ctx, w.ask.Command.Line, w.streams(src))
		return w.ended(src, code, err)
	})
}

// installer is Docker's own way to install itself (https://get.docker.com),
// which Kamal uses too.
const installer = `set -e; if command -v curl >/dev/null; then curl -fsSL https://get.docker.com; else wget -qO- https://get.docker.com; fi | sh`

// bootstrap makes hosts ready: an engine that answers, Kamal's network and
// folder. It installs Docker only where that was asked. Then comes Kamal's hook.
func (w *work) bootstrap(ctx context.Context, hosts []string) error {
	if err := w.ready(ctx, hosts); err != nil || w.Hooks == nil {
		return err
	}
	return w.Hooks(ctx, w.ask, hooks.DockerSetup, hosts, w.tell)
}

func (w *work) ready(ctx context.Context, hosts []string) error {
	return w.each(ctx, hosts, func(ctx context.Context, h Host) error {
		src := operation.Source{Host: h.Name}
		info, err := h.Ground.Info(ctx)
		if err != nil && w.ask.Install && errors.Is(err, docker.ErrUnavailable) {
			if err := w.install(ctx, h, src); err != nil {
				return err
			}
			info, err = h.Ground.Info(ctx)
		}
		if errors.Is(err, docker.ErrUnavailable) && !errors.Is(err, ssh.ErrUnreachable) {
			return &operation.Refusal{Message: named(h.Name, err).Error(),
				Hint: "install Docker there, or let `fairlead server bootstrap --install-docker` do it; the ssh user must be root or in the group docker"}
		}
		if err != nil {
			return err
		}
		if err := h.Ground.EnsureNetwork(ctx, plan.Network); err != nil {
			return err
		}
		if err := h.Files.MkdirAll(ctx, ".kamal", fs.FileMode(0o755)); err != nil {
			return err
		}
		return w.done(src, "is ready: Docker %s, %s/%s", info.ServerVersion, info.OS, info.Arch)
	})
}

func (w *work) install(ctx context.Context, h Host, src operation.Source) error {
	if err := w.done(src, "installing Docker (https://get.docker.com)"); err != nil {
		return err
	}
	out := told{w, src, func(t *operation.Told, b []byte) { t.Err = b }}
	code, err := h.Shell(ctx, installer, docker.Streams{Out: out, Err: out})
	if err == nil && code != 0 {
		err = &operation.Refusal{Message: "installing Docker on " + h.Name + " failed", Hint: "what it wrote says why; it needs root"}
	}
	return err
}
