package fleettest_test

import (
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
)

// scripts are what a deployer does to an engine, and what goes wrong with it.
func scripts() map[string]func(s *site) {
	return map[string]func(s *site){
		"a name is had by one":              aNameIsHadByOne,
		"starting and stopping twice":       twice,
		"a program that ends":               endsByItself,
		"a program that is started again":   startedAgain,
		"what is not there":                 notThere,
		"names change":                      namesChange,
		"removing":                          removing,
		"a healthy container":               func(s *site) { health(s, "runs", "ok", container.Healthy) },
		"an unhealthy container":            func(s *site) { health(s, "sick", "fail", container.Unhealthy) },
		"images have several tags":          tags,
		"an image that a container needs":   imageInUse,
		"pulling":                           pulling,
		"a network is made once":            network,
		"a call is repeated after its loss": repeated,
	}
}

func aNameIsHadByOne(s *site) {
	s.create("a", "runs")
	s.create("a", "runs")
	s.create("a", "ends")
	s.state("a")
	s.remove("a")
	s.create("a", "ends")
}

func twice(s *site) {
	s.create("a", "runs")
	s.state("a")
	s.stop("a")
	s.state("a")
	s.start("a")
	s.start("a")
	s.state("a")
	s.wanted("a", s.spec("runs"))
	s.stop("a")
	s.stop("a")
	s.stopped("a")
	s.start("a")
	s.state("a")
}

func endsByItself(s *site) {
	s.create("a", "ends")
	s.start("a")
	s.until("a", "ended", func(c container.State) bool { return c.Status == container.Exited })
	s.state("a")
	s.stop("a")
	s.state("a")
	s.start("a")
	s.until("a", "ended again", func(c container.State) bool { return c.Status == container.Exited })
	s.state("a")
}

func startedAgain(s *site) {
	s.create("a", "ends", func(spec *container.Spec) { spec.Restart.Policy = "unless-stopped" })
	s.start("a")
	s.until("a", "was started again", func(c container.State) bool { return c.RestartCount > 0 })
	end, ok, err := s.Engine.LastEnd(s.t.Context(), s.made["a"], time.Now())
	s.did("look how a ended", err)
	s.say("a ended %+v, %t", end, ok)
	s.stop("a")
	s.until("a", "stays stopped", func(c container.State) bool { return c.Status == container.Exited })
}

func notThere(s *site) {
	s.made["a"] = s.name("a")
	s.start("a")
	s.stop("a")
	s.rename("a", "b")
	s.remove("a")
	s.wanted("a", container.Spec{})
	_, err := s.Engine.Logs(s.t.Context(), s.made["a"], 10)
	s.did("logs", err)
	none := s.prefix + ":none"
	s.image("none", none)
	s.did("tag", s.Images.Tag(s.t.Context(), none, s.prefix+":other"))
	s.did("remove image", s.Cleaner.RemoveImage(s.t.Context(), none))
	s.images["none"] = none
	s.create("a", "none")
}

// pulling is from a registry that has acme/shop:v1 only.
func pulling(s *site) {
	ctx, shop := s.t.Context(), s.registry+"/acme/shop"
	s.image("before", shop+":v1")
	s.did("pull what is not there", s.Images.Pull(ctx, shop+":none", docker.Auth{}, nil))
	s.did("pull a repository that is not there", s.Images.Pull(ctx, s.registry+"/acme/none:v1", docker.Auth{}, nil))
	for range 2 {
		s.did("pull by digest", s.Images.Pull(ctx, shop+"@"+s.digest, docker.Auth{}, nil))
	}
	s.image("by its digest", shop+"@"+s.digest)
	s.image("by its tag", shop+":v1")
	s.did("tag", s.Images.Tag(ctx, shop+"@"+s.digest, shop+":v1"))
	s.image("by its tag", shop+":v1")
	s.did("remove", s.Cleaner.RemoveImage(ctx, shop+":v1"))
	s.image("by its tag", shop+":v1")
	s.did("pull by tag", s.Images.Pull(ctx, shop+":v1", docker.Auth{}, nil))
	s.image("by its tag", shop+":v1")
	s.image("by its digest", shop+"@"+s.digest)
	s.did("remove again", s.Cleaner.RemoveImage(ctx, shop+":v1"))
}

func namesChange(s *site) {
	s.create("a", "runs")
	s.create("b", "runs")
	s.rename("a", "b")
	s.rename("a", "a")
	s.rename("a", "c")
	s.create("a", "runs")
	s.rename("a", "c")
	s.wanted("c", s.spec("runs"))
	s.wanted("a", s.spec("runs"))
}

func removing(s *site) {
	s.create("a", "runs")
	s.start("a")
	s.remove("a")
	s.remove("a")
	s.wanted("a", s.spec("runs"))
	s.create("a", "runs")
	s.remove("a")
	s.wanted("a", s.spec("runs"))
}

func health(s *site, image, toy string, ends container.Health) {
	s.create("a", image, func(spec *container.Spec) {
		spec.Health = &container.Healthcheck{Test: []string{"CMD", "/toy", toy}, Interval: time.Second, Timeout: 5 * time.Second, Retries: 1}
	})
	s.state("a")
	s.start("a")
	s.until("a", "is looked at", func(c container.State) bool { return c.Health == container.Starting })
	s.until("a", "is "+string(ends), func(c container.State) bool { return c.Health == ends && c.Status == container.Running })
	s.state("a")
}

func tags(s *site) {
	other, ctx := s.prefix+":other", s.t.Context()
	s.image("tagged", other)
	s.did("tag", s.Images.Tag(ctx, s.images["runs"], other))
	s.did("tag again", s.Images.Tag(ctx, s.images["runs"], other))
	s.image("tagged", other)
	one, err := s.Images.Image(ctx, s.images["runs"])
	s.did("look for the one", err)
	two, err := s.Images.Image(ctx, s.images["ends"])
	s.did("look for the other", err)
	same := func() {
		got, err := s.Images.Image(ctx, other)
		s.did("look", err)
		s.say("it is the one: %t, the other: %t", got.ID == one.ID, got.ID == two.ID)
	}
	same()
	s.did("tag by id", s.Images.Tag(ctx, two.ID, other))
	same()
	s.did("remove tag", s.Cleaner.RemoveImage(ctx, other))
	s.did("remove tag again", s.Cleaner.RemoveImage(ctx, other))
	s.image("tagged", other)
	s.image("the other", s.images["ends"])
}

func imageInUse(s *site) {
	other, ctx := s.prefix+":other", s.t.Context()
	s.did("tag", s.Images.Tag(ctx, s.images["serves"], other))
	s.create("a", "serves")
	s.did("remove the other tag", s.Cleaner.RemoveImage(ctx, other))
	s.did("remove the tag that it was made by", s.Cleaner.RemoveImage(ctx, s.images["serves"]))
	s.image("that it was made of", s.images["serves"])
	s.start("a")
	s.state("a")
}

func network(s *site) {
	s.did("make", s.Networks.EnsureNetwork(s.t.Context(), s.network))
	s.create("a", "runs")
	s.did("make again", s.Networks.EnsureNetwork(s.t.Context(), s.network))
	s.create("b", "runs", func(spec *container.Spec) { spec.Network = s.prefix + "-none" })
	if s.made["b"] != "" {
		s.start("b")
		s.state("b")
	}
}

// repeated is what a rollout does again because it does not know.
func repeated(s *site) {
	s.create("a", "runs")
	for range 2 {
		s.rename("a", "old")
	}
	for range 2 {
		s.create("a", "runs")
	}
	for range 2 {
		s.start("a")
	}
	for range 2 {
		s.remove("a")
	}
	s.start("a")
}
