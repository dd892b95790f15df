package fleettest_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/program"
	"github.com/fairlead-deploy/fairlead/deployer/host/program/programtest"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/route"
)

func tried() plan.Route {
	return plan.Route{
		Service: "shop-web", Port: 80, Hosts: []string{"shop.example.com"}, HealthPath: "/", HealthInterval: 200 * time.Millisecond,
		HealthTimeout: time.Second, DeployTimeout: 3 * time.Second, DrainTimeout: time.Second, ResponseTimeout: 5 * time.Second,
	}
}

func (c crossing) split(n string) {
	c.did("split to "+n, c.Splitter.Split(c.t.Context(), tried(), c.made[n], 10))
	c.splits()
}

func (c crossing) unsplit() {
	c.did("end the split", c.Splitter.Unsplit(c.t.Context(), tried()))
	c.splits()
}

// splits says who has the traffic and who a share, and whether that is counted.
func (c crossing) splits() {
	list, err := c.routes.List(c.t.Context(), true)
	c.did("list", err)
	_, _, err = c.Splitter.Traffic(c.t.Context(), "shop-web")
	c.say("traffic is told: %t", err == nil)
	name := func(target string) string {
		id, _, _ := strings.Cut(target, ":")
		for n, made := range c.made {
			if id != "" && strings.HasPrefix(made, id) {
				return n
			}
		}
		return "nobody"
	}
	for _, l := range list {
		c.say("%s has %s, a share %s, splits %t, part %t, %v after %s", name(l.Target), l.Service, name(l.Split), l.Splits, l.Part, l.Route.Hosts, l.Route.ResponseTimeout)
	}
}

func splitting(c crossing) {
	for _, n := range []string{"one", "two", "three"} {
		c.create(n, "serves")
		c.start(n)
	}
	c.split("two")
	c.unsplit()
	c.deploy("one")
	c.splits()
	c.unsplit()
	c.split("two")
	c.split("two")
	c.unsplit()
	c.unsplit()
	c.split("two")
	c.split("three")
	c.deploy("three") // joins
	c.splits()
	c.split("one")
	c.deploy("three") // ends it where it is
	c.splits()
	c.split("one")
	c.deploy("two") // ends it elsewhere
	c.splits()
	c.stop("one")
	c.split("one")
	c.did("remove route", c.Proxy.Remove(c.t.Context(), "shop-web"))
	c.splits()
}

func TestTheFakeSplitIsHonest(t *testing.T) {
	var there, here []string
	t.Run("fake", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := crossing{fake(t)}
			if err := c.Proxy.Boot(t.Context(), plan.ProxyRun{}, false); err != nil {
				t.Fatal(err)
			}
			splitting(c)
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
		splitting(c)
		here = c.said
	})
	alike(t, there, here)
}
