package fleettest_test

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/program"
	"github.com/fairlead-deploy/fairlead/deployer/host/program/programtest"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/route"
)

// renamed runs the proxy's commands in a container of another name, since the
// machine's engine is shared.
type renamed struct {
	*docker.Engine
	proxy string
}

func (r renamed) Exec(ctx context.Context, _ string, argv []string, stdin io.Reader) (docker.ExecResult, error) {
	return r.Engine.Exec(ctx, r.proxy, argv, stdin)
}

// crossing is a host with a reverse proxy.
type crossing struct {
	*site
}

func (c crossing) route() plan.Route {
	return plan.Route{
		Service: "shop-web", Port: 80, Hosts: []string{"shop.example.com"}, HealthPath: "/", HealthInterval: 200 * time.Millisecond,
		HealthTimeout: time.Second, DeployTimeout: 3 * time.Second, DrainTimeout: time.Second, ResponseTimeout: 5 * time.Second,
	}
}

func (c crossing) deploy(n string) {
	c.did("route to "+n, c.Proxy.Deploy(c.t.Context(), c.route(), c.made[n]))
	c.shown()
}

// shown says where routes lead.
func (c crossing) shown() {
	list, err := c.routes.List(c.t.Context(), false)
	c.did("list routes", err)
	for _, live := range list {
		id, port, _ := strings.Cut(live.Target, ":")
		for n, made := range c.made {
			if strings.HasPrefix(made, id) {
				c.say("%s leads to %s, port %s, %s", live.Service, n, port, live.State)
			}
		}
	}
	c.say("%d routes", len(list))
}

func routing(c crossing) {
	c.shown()
	for _, n := range []string{"one", "two"} {
		c.create(n, "serves")
	}
	c.create("ill", "sick")
	c.deploy("one")
	c.start("one")
	c.deploy("one")
	c.deploy("one")
	c.start("ill")
	c.deploy("ill")
	c.deploy("two")
	c.start("two")
	c.deploy("two")
	c.stop("one")
	c.deploy("one")
	c.start("one")
	c.deploy("one")
	c.remove("two")
	c.deploy("two")
	for range 2 {
		c.did("remove route", c.Proxy.Remove(c.t.Context(), "shop-web"))
		c.shown()
	}
}

func TestTheFakeProxyIsHonest(t *testing.T) { crossings(t, routing) }

// crossings plays one script on the fake and on a real proxy, and compares what
// was said.
func crossings(t *testing.T, play func(crossing)) {
	var there, here []string
	t.Run("fake", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := crossing{fake(t)}
			if err := c.Proxy.Boot(t.Context(), plan.ProxyRun{}, false); err != nil {
				t.Fatal(err)
			}
			play(c)
			there = c.said
		})
	})
	t.Run("real", func(t *testing.T) {
		e := programtest.Engine(t)
		if err := program.Ensure(t.Context(), e, "", programtest.Binary); err != nil {
			t.Fatal(err)
		}
		c := crossing{newMachine(t, e).site(t)}
		id, err := e.Create(t.Context(), c.name("proxy"), container.Spec{Image: program.Image, Network: c.network})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Remove(context.WithoutCancel(t.Context()), id) })
		if err := e.Start(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		driver := route.NewDriver(renamed{e, id}, nil, "", slog.New(slog.DiscardHandler))
		c.Proxy, c.Splitter, c.routes = driver, driver, driver
		play(c)
		here = c.said
	})
	alike(t, there, here)
}
