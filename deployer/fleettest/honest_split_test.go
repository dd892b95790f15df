package fleettest_test

import (
	"strings"
	"testing"
)

func (c crossing) split(n string) {
	c.did("split to "+n, c.Splitter.Split(c.t.Context(), c.route(), 10, c.made[n]))
	c.splits()
}

func (c crossing) unsplit() {
	c.did("end the split", c.Splitter.Unsplit(c.t.Context(), c.route()))
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

func TestTheFakeSplitIsHonest(t *testing.T) { crossings(t, splitting) }
