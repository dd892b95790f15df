package docker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker/dockertest"
)

func TestTheContainerThatFairleadRunsInIsLeftAlone(t *testing.T) {
	e, plain := dockertest.Engine(t), dockertest.Engine(t)
	ctx, network, name := t.Context(), dockertest.Network(t, e), dockertest.ID(t)
	image := dockertest.Image(t, plain, dockertest.Config{Entrypoint: []string{"/toy"}})
	spec := container.Spec{Image: image, Network: network}
	id, err := plain.Create(ctx, name, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = plain.Remove(context.WithoutCancel(ctx), id) })
	if err := plain.Start(ctx, id); err != nil {
		t.Fatal(err)
	}
	e.Protect(id[:12])
	for _, ref := range []string{id, id[:12], id[:20], name} {
		for call, err := range map[string]error{
			"stop": e.Stop(ctx, ref, 0), "restart": e.Restart(ctx, ref, 0), "kill": e.Kill(ctx, ref, "KILL"),
			"remove": e.Remove(ctx, ref), "rename": e.Rename(ctx, ref, name+"_replaced"),
		} {
			if !errors.Is(err, docker.ErrProtected) {
				t.Errorf("%s %s: %v", call, ref, err)
			}
		}
	}
	o, err := plain.Inspect(ctx, id)
	if err != nil || o.State.Status != container.Running || o.Name != name || o.State.RestartCount != 0 {
		t.Errorf("it was touched: %+v, %v", o.State, err)
	}
	other, err := e.Create(ctx, dockertest.ID(t), spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.Start(ctx, other), e.Stop(ctx, other, time.Second), e.Remove(ctx, other)); err != nil {
		t.Errorf("another container: %v", err)
	}
}
