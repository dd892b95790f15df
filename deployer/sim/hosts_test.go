package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

const skip = "  unreachable: skip\n"

// states returns what a release says of its hosts.
func states(r release.Release) map[string]string {
	m := map[string]string{}
	for _, h := range r.Hosts {
		m[h.Host] = h.State
	}
	return m
}

// TestAHostThatIsLeftOutIsShownAndCaughtUp leaves a host out for each reason
// that there is, while the others roll.
func TestAHostThatIsLeftOutIsShownAndCaughtUp(t *testing.T) {
	cases := map[string]struct {
		out, back func(s *daemon)
		new       bool // the host is named by the second commit only
		alerts    int
	}{
		"cordoned": {
			out:  func(s *daemon) { s.m.Cordon(release.Cordon{Host: "c", By: "ana"}) },
			back: func(s *daemon) { s.m.Uncordon("c") },
		},
		"away": {
			out:    func(s *daemon) { s.world.Host("c").SetDown(true) },
			back:   func(s *daemon) { s.world.Host("c").SetDown(false) },
			alerts: 1,
		},
		"never seen": {
			out:    func(s *daemon) { s.world.Host("c").SetTrusted(false) },
			back:   func(s *daemon) { s.world.Host("c").SetTrusted(true) },
			new:    true,
			alerts: 1,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			scenario(t, four[:3], func(s *daemon) {
				if c.new {
					s.hosts = two
				}
				s.push(with("1", skip))
				s.pass(calm)
				s.hosts = nil
				c.out(s)
				s.push(with("2", skip))
				s.pass(calm)
				if r := s.last(release.Succeeded); states(r)["a"] != "new" || states(r)["c"] != "skipped" {
					t.Errorf("hosts %v", r.Hosts)
				}
				if n := s.world.Memory.Alerts(); n != c.alerts {
					t.Errorf("%d alerts", n)
				}
				s.hosts = two
				s.runs("v2")
				s.hosts = nil
				s.quiet()
				c.back(s)
				s.pass(calm)
				s.runs("v2")
				if r := s.last(release.Succeeded); states(r)["c"] != "new" || r.Cause.Detail == "drift" {
					t.Errorf("hosts %v, cause %v", r.Hosts, r.Cause)
				}
				if n := s.world.Memory.Alerts(); n != 0 {
					t.Errorf("%d alerts at the end", n)
				}
				s.quiet()
			})
		})
	}
}

// TestAHostThatCouldNotCatchUpGoesBackToWhatItHad lets a host miss a release
// that does not work there: what fails next goes back on it to the release
// before, and on the others to the one it missed.
func TestAHostThatCouldNotCatchUpGoesBackToWhatItHad(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.world.Push("acme/shop:v2", fleettest.App{Status: 503, OnlyOn: []string{"b"}})
		s.world.Push("acme/shop:v3", fleettest.App{Status: 503})
		s.push(with("1", skip))
		s.pass(calm)
		s.world.Host("b").SetDown(true)
		s.push(with("2", skip))
		s.pass(calm)
		if r := s.last(release.Succeeded); states(r)["b"] != "skipped" {
			t.Errorf("hosts %v", r.Hosts)
		}
		s.world.Host("b").SetDown(false)
		s.pass(calm)
		s.push(with("3", skip))
		s.pass(calm)
		if got := []string{s.world.Host("a").Serving(web), s.world.Host("b").Serving(web)}; !slices.Equal(got, []string{"v2", "v1"}) {
			t.Errorf("a and b serve %v", got)
		}
		for _, r := range s.world.Memory.Releases() {
			if r.Status == release.NeedsHuman {
				t.Errorf("%s needs a human: %s", r.ID, r.Reason)
			}
			if r.Version == "v3" && !strings.HasPrefix(r.Reason, "v3 failed; back on v1 and v2 on 2 hosts: ") {
				t.Errorf("%s: %s", r.Status, r.Reason)
			}
		}
	})
}

func TestAHostThatJoinsUnderAHoldGetsWhatIsHeld(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.world.Host("b").SetTrusted(false)
		s.push(v("1"))
		s.pass(calm)
		s.push(v("2"))
		s.pass(calm)
		s.ask(release.Request{Rollback: true})
		s.pass(calm)
		if got := s.world.Host("a").Serving(web); got != "v1" {
			t.Errorf("a serves %s", got)
		}
		s.world.Host("b").SetTrusted(true)
		s.pass(calm)
		s.runs("v1")
		s.quiet()
	})
}

func TestAHostThatServedAndWhoseKeyIsGoneIsWaitedFor(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.world.Host("b").SetTrusted(false)
		s.push(v("2"))
		s.pass(calm)
		s.runs("v1")
		s.last(release.Waiting)
		s.world.Host("b").SetTrusted(true)
		s.pass(calm)
		s.runs("v2")
	})
}

func TestAHostThatLeftDeployYmlIsShownAndEndedOnlyWithPrune(t *testing.T) {
	scenario(t, four[:3], func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.hosts = two
		s.push(v("2"))
		s.pass(calm)
		s.runs("v2")
		if r := s.last(release.Succeeded); states(r)["c"] != "orphan" {
			t.Errorf("hosts %v", r.Hosts)
		}
		shown, err := s.d.PreviewLast(s.t.Context(), release.Request{Revision: release.Revision{Repo: "shop"}})
		if err != nil || !slices.Contains(shown.Orphans, "c: shop-web-v1") {
			t.Errorf("orphans %v %v", shown.Orphans, err)
		}
		s.world.Host("c").SetDown(true) // nobody waits for it
		s.push(commit{sha: "c3", image: "v2", env: "red"})
		s.pass(calm)
		s.last(release.Succeeded)
		s.world.Host("c").SetDown(false)
		if got := s.world.Host("c").Serving(web); got != "v1" {
			t.Errorf("c serves %q", got)
		}
		s.quiet()
		s.push(commit{sha: "c4", image: "v2", more: "  prune: true\n"})
		s.pass(calm)
		if got := s.world.Host("c").Running("web"); len(got) > 0 || s.world.Host("c").Serving(web) != "" {
			t.Errorf("c still runs %v", got)
		}
		if r := s.last(release.Succeeded); states(r)["c"] != "" {
			t.Errorf("hosts %v", r.Hosts)
		}
		s.runs("v2")
		s.quiet()
	})
}

func TestAFileThatNamesNoneOfTheOldHostsEndsNothingByItself(t *testing.T) {
	scenario(t, four, func(s *daemon) {
		s.hosts = two
		s.push(with("1", "  prune: true\n"))
		s.pass(calm)
		s.hosts = []string{"c", "d"}
		s.push(with("2", "  prune: true\n"))
		s.pass(time.Hour)
		s.runs("v2")
		for _, name := range two {
			if got := s.world.Host(name).Serving(web); got != "v1" {
				t.Errorf("%s serves %q", name, got)
			}
		}
		s.ask(release.Request{})
		s.pass(calm)
		for _, name := range two {
			if got := s.world.Host(name).Serving(web); got != "" {
				t.Errorf("%s serves %q though a person asked", name, got)
			}
		}
	})
}
