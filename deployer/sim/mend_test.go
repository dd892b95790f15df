package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// detail returns what a release says of a host.
func detail(r release.Release, host string) string {
	i := slices.IndexFunc(r.Hosts, func(h release.HostOutcome) bool { return h.Host == host })
	if i < 0 {
		return ""
	}
	return r.Hosts[i].Detail
}

// TestAnUnwellHostKeepsNoOtherFromBeingMended stops containers on two hosts, of
// which one cannot be mended.
func TestAnUnwellHostKeepsNoOtherFromBeingMended(t *testing.T) {
	cases := map[string]struct {
		spoil, cure func(s *daemon)
	}{
		"it cannot be reached": {
			func(s *daemon) { s.world.Host("b").SetDown(true) },
			func(s *daemon) { s.world.Host("b").SetDown(false) },
		},
		"its container never gets healthy": {
			func(s *daemon) { s.world.Mend("acme/shop:v1", fleettest.App{Status: 503, OnlyOn: []string{"b"}}) },
			func(s *daemon) { s.world.Mend("acme/shop:v1", fleettest.App{}) },
		},
		"its container crashes in the window": {
			func(s *daemon) {
				s.world.Mend("acme/shop:v1", fleettest.App{CrashAfter: 9 * time.Second, ExitCode: 1, OnlyOn: []string{"b"}})
			},
			func(s *daemon) { s.world.Mend("acme/shop:v1", fleettest.App{}) },
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			scenario(t, four[:3], func(s *daemon) {
				s.push(v("1"))
				s.pass(calm)
				s.torn = true
				s.world.Host("a").Halt("shop-worker")
				s.world.Host("b").Halt("shop-web")
				s.world.Host("c").Remove("shop-web")
				c.spoil(s)
				s.pass(calm)
				for _, host := range []string{"a", "c"} {
					if got := s.world.Host(host).Serving(web); got != "v1" {
						t.Errorf("%s serves %q though it is well", host, got)
					}
				}
				if got := s.world.Host("a").Running("worker"); len(got) != 1 {
					t.Errorf("a runs worker %v", got)
				}
				r := s.world.Memory.Last()
				if st := states(r); st["a"] != "new" || st["c"] != "new" || st["b"] == "new" || detail(r, "b") == "" {
					t.Errorf("hosts %+v", r.Hosts)
				}
				c.cure(s)
				s.pass(3 * time.Hour)
				s.runs("v1")
				if n := s.world.Memory.Alerts(); n != 0 {
					t.Errorf("%d alerts at the end", n)
				}
				s.quiet()
			})
		})
	}
}

// TestAHostThatRestsAfterAFailedMendingHoldsUpNoOther lets a mending fail on
// one host, and then stops a container on another.
func TestAHostThatRestsAfterAFailedMendingHoldsUpNoOther(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.torn = true
		s.world.Mend("acme/shop:v1", fleettest.App{Status: 503, OnlyOn: []string{"b"}})
		s.world.Host("b").Halt("shop-web")
		s.pass(10 * time.Minute)
		s.last(release.Failed)
		s.world.Host("a").Halt("shop-worker")
		s.world.Host("b").Halt("shop-web")
		s.pass(10 * time.Minute)
		if got := s.world.Host("a").Running("worker"); len(got) != 1 {
			t.Errorf("a runs worker %v while b rests", got)
		}
		mended := slices.IndexFunc(s.world.Memory.Releases(), func(r release.Release) bool {
			return r.Status == release.Succeeded && states(r)["b"] == "unwell" && strings.Contains(detail(r, "b"), "mending it failed")
		})
		if mended < 0 {
			t.Errorf("no release says what is missing on b: %+v", s.world.Memory.Releases())
		}
		told := slices.ContainsFunc(s.world.Memory.Events(), func(ev release.Event) bool {
			return ev.Kind == release.EventAlert && strings.Contains(ev.Message, "b would start container web (exited)")
		})
		if !told {
			t.Error("nobody was told what is missing on b")
		}
		tries := 0
		for _, e := range s.world.Effects() {
			if e.Host == "b" && e.Call == "start shop-web-v1" {
				tries++
			}
		}
		if tries != 2 { // at first, and once to mend it
			t.Errorf("started %d times on b, which rests", tries)
		}
	})
}
