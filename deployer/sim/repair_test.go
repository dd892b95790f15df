package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// TestWhileTheTipWaitsTheLastGoodReleaseIsMended stops and removes containers
// while something keeps the tip from being rolled out.
func TestWhileTheTipWaitsTheLastGoodReleaseIsMended(t *testing.T) {
	settle := func(s *daemon, n string) {
		s.push(v(n))
		s.pass(calm)
	}
	cases := map[string]struct {
		begin func(s *daemon)
		want  string
	}{
		"a rollback holds": {func(s *daemon) {
			settle(s, "1")
			settle(s, "2")
			s.ask(release.Request{Rollback: true})
			s.pass(calm)
		}, "v1"},
		"a rollback of the configuration holds": {func(s *daemon) {
			settle(s, "1")
			s.push(commit{sha: "c2", image: "v1", env: "red"})
			s.pass(calm)
			s.ask(release.Request{Rollback: true})
			s.pass(calm)
		}, "v1"},
		"the tip is quarantined": {func(s *daemon) {
			s.world.Push("acme/shop:v3", fleettest.App{Status: 503})
			settle(s, "2")
			settle(s, "3")
			s.last(release.RolledBack)
		}, "v2"},
		"the tip is quarantined, and a person said to go on": {func(s *daemon) {
			s.world.Push("acme/shop:v3", fleettest.App{Status: 503})
			settle(s, "2")
			settle(s, "3")
			s.ask(release.Request{Resume: true})
			s.pass(calm)
			s.last(release.Waiting)
		}, "v2"},
		"the tip has no image": {func(s *daemon) {
			settle(s, "1")
			s.push(commit{sha: "abcdef1"})
			s.pass(2 * calm)
			s.last(release.Unchanged)
		}, "v1"},
		"the tip's file cannot be used": {func(s *daemon) {
			settle(s, "1")
			s.push(commit{sha: "bad", image: "v2", more: "  windw: 3\n"})
			s.pass(calm)
			s.last(release.Failed)
		}, "v1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				c.begin(s)
				s.runs(c.want)
				s.quiet()
				tip := len(s.world.Memory.Releases())
				colour := s.world.Host("a").Env("web", "COLOUR")
				s.world.Host("a").Halt("shop-worker")
				s.world.Host("b").Halt("shop-web")
				s.world.Host("a").Remove("shop-web-" + c.want)
				s.torn = true
				s.pass(calm)
				s.runs(c.want)
				if got := s.world.Host("a").Env("web", "COLOUR"); got != colour {
					t.Errorf("COLOUR is %q, was %q", got, colour)
				}
				all := s.world.Memory.Releases()
				if len(all) != tip+1 || all[tip].Status != release.Succeeded || all[tip].Cause.Detail != "repair" {
					t.Errorf("after %d releases: %+v", tip, all[tip:])
				}
				s.quiet()
			})
		})
	}
}

func TestWhatIsStoppedAgainAndAgainIsLeftToAPerson(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.push(v("2"))
		s.pass(calm)
		s.ask(release.Request{Rollback: true})
		s.pass(calm)
		s.torn = true
		before := len(s.world.Memory.Releases())
		for range 6 {
			s.world.Host("a").Halt("shop-worker")
			s.pass(5 * time.Minute)
		}
		if n := len(s.world.Memory.Releases()) - before; n != 3 {
			t.Errorf("mended %d times in half an hour", n)
		}
		if n := s.world.Memory.Alerts(); n != 1 {
			t.Errorf("%d alerts", n)
		}
	})
}

// TestACrashLoopOfWhatWorkedIsToldOnce breaks a version hours after it
// succeeded.
func TestACrashLoopOfWhatWorkedIsToldOnce(t *testing.T) {
	for name, after := range map[string]time.Duration{"at once": 300 * time.Millisecond, "slowly": 9 * time.Second} {
		t.Run(name, func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				s.push(v("1"))
				s.pass(calm)
				before := len(s.world.Effects())
				s.world.Mend("acme/shop:v1", fleettest.App{CrashAfter: after, ExitCode: 1, OnlyOn: []string{"a"}})
				s.pass(5 * time.Hour)
				s.last(release.Succeeded)
				for _, e := range s.world.Effects()[before:] {
					if e.Call != "raise" {
						t.Errorf("a crash loop led to %s", e)
					}
				}
				if n := s.world.Memory.Alerts(); n != 1 {
					t.Errorf("%d alerts", n)
				}
				s.world.Mend("acme/shop:v1", fleettest.App{})
				s.pass(calm)
				if n := s.world.Memory.Alerts(); n != 0 {
					t.Errorf("%d alerts after it works again", n)
				}
				s.world.Mend("acme/shop:v1", fleettest.App{CrashAfter: after, ExitCode: 1, OnlyOn: []string{"a"}})
				s.push(v("2")) // the next version is not held up by it
				s.pass(calm)
				s.runs("v2")
				s.last(release.Succeeded)
				s.quiet()
			})
		})
	}
}

// TestAMendingThatFailsQuarantinesNothing stops a container that cannot start
// any more.
func TestAMendingThatFailsQuarantinesNothing(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.world.Mend("acme/shop:v1", fleettest.App{Boot: time.Hour, OnlyOn: []string{"b"}})
		s.world.Host("b").Halt("shop-web")
		s.pass(50 * time.Minute)
		tried := 0
		for _, r := range s.world.Memory.Releases() {
			if r.Cause.Detail == "drift" {
				tried++
			}
			if strings.Contains(r.Reason, "quarantined") {
				t.Errorf("release %s: %s", r.ID, r.Reason)
			}
		}
		if tried != 1 {
			t.Errorf("mended %d times in 50 minutes", tried)
		}
		s.world.Mend("acme/shop:v1", fleettest.App{})
		s.pass(3 * time.Hour)
		s.runs("v1")
		s.last(release.Failed)
		s.quiet()
	})
}
