package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// scaled is a commit with so many containers of web on each host.
func scaled(n, to string) commit { return with(n, "  roles:\n    web: {scale: "+to+"}\n") }

// carries checks that each host's route leads to these containers, which are
// all that run of the role, all of one version.
func (s *daemon) carries(version string, names ...string) {
	s.t.Helper()
	for _, host := range two {
		h := s.world.Host(host)
		if got := h.Targets(web); !slices.Equal(got, names) {
			s.t.Errorf("%s sends its requests to %v, want %v", host, got, names)
		}
		if got := h.Running("web"); len(got) != len(names) || slices.Min(got) != version || slices.Max(got) != version {
			s.t.Errorf("%s runs web %v, want %d of %s", host, got, len(names), version)
		}
	}
}

func TestARoleScalesUpAndDownBehindOneRoute(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.push(scaled("1", "3"))
		s.pass(calm)
		s.carries("v1", "shop-web-v1", "shop-web-v1-2", "shop-web-v1-3")
		s.last(release.Succeeded)
		s.quiet()
		s.push(scaled("2", "3"))
		s.pass(calm)
		s.carries("v2", "shop-web-v2", "shop-web-v2-2", "shop-web-v2-3")
		s.quiet()
		s.push(scaled("2", "2"))
		s.pass(calm)
		s.carries("v2", "shop-web-v2", "shop-web-v2-2")
		s.quiet()
		s.push(v("1")) // down and to another version at once
		s.pass(calm)
		s.carries("v1", "shop-web-v1")
		s.quiet()
	})
}

func TestAFurtherContainerThatDiesTakesAllBackToTheEarlierNumber(t *testing.T) {
	for name, to := range map[string]string{"as many": "3", "fewer": "1", "more": "4"} {
		t.Run(name, func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				s.world.Push("acme/shop:v3", fleettest.App{CrashAfter: 9 * time.Second, ExitCode: 1, OnlyOn: []string{"b"}})
				s.push(scaled("2", "3"))
				s.pass(calm)
				s.push(scaled("3", to))
				s.pass(calm)
				s.carries("v2", "shop-web-v2", "shop-web-v2-2", "shop-web-v2-3")
				s.last(release.RolledBack)
				s.quiet()
			})
		})
	}
}

func TestARollbackGoesBackToTheEarlierNumber(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(scaled("1", "2"))
		s.pass(calm)
		s.push(scaled("2", "3"))
		s.pass(calm)
		s.ask(release.Request{Rollback: true})
		s.pass(calm)
		s.carries("v1", "shop-web-v1", "shop-web-v1-2")
		s.quiet()
	})
}

func TestOneContainerOfSeveralThatSomebodyStoppedComesBack(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(scaled("1", "3"))
		s.pass(calm)
		s.world.Gaps = true
		s.world.Host("a").Halt("shop-web-v1-2")
		s.world.Host("b").Remove("shop-web-v1-3")
		s.pass(calm)
		s.carries("v1", "shop-web-v1", "shop-web-v1-2", "shop-web-v1-3")
		s.quiet()
	})
}

func TestAPersonsScaleHoldsUntilResume(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.push(v("2"))
		s.pass(calm)
		s.ask(release.Request{Scale: map[string]int{"web": 3}})
		s.pass(calm)
		s.carries("v2", "shop-web-v2", "shop-web-v2-2", "shop-web-v2-3")
		if r := s.last(release.Waiting); !strings.Contains(r.Reason, "held by ana") {
			t.Errorf("reason %q", r.Reason)
		}
		s.push(v("1"))
		s.pass(calm)
		s.carries("v2", "shop-web-v2", "shop-web-v2-2", "shop-web-v2-3")
		s.world.Gaps = true
		s.world.Host("a").Halt("shop-web-v2-3") // what is mended is what the person wanted
		s.pass(calm)
		s.carries("v2", "shop-web-v2", "shop-web-v2-2", "shop-web-v2-3")
		s.ask(release.Request{Scale: map[string]int{"web": 2}})
		s.pass(calm)
		s.carries("v2", "shop-web-v2", "shop-web-v2-2")
		s.ask(release.Request{Resume: true})
		s.pass(calm)
		s.carries("v1", "shop-web-v1")
		s.quiet()
	})
}
