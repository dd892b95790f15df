package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/release"
)

// TestASecretThatChangedAtItsSourceRollsByItselfOnlyWhereItIsFollowed rotates a
// secret while the commit stays the same, and reconciles.
func TestASecretThatChangedAtItsSourceRollsByItselfOnlyWhereItIsFollowed(t *testing.T) {
	runs := func(s *daemon, want string) {
		s.t.Helper()
		for _, name := range two {
			if got := s.world.Host(name).Env("web", "KEY"); got != want {
				s.t.Errorf("%s runs with the key %q, want %q", name, got, want)
			}
		}
		s.runs("v1")
	}
	rotate := func(s *daemon, to string) {
		s.key = to
		s.look(release.CauseReconcile)
		s.pass(calm)
	}
	t.Run("followed", func(t *testing.T) {
		scenario(t, two, func(s *daemon) {
			s.push(commit{sha: "c1", image: "v1", more: "  follow: [secrets]\n"})
			s.pass(calm)
			runs(s, "first")
			rotate(s, "second")
			runs(s, "second")
			s.last(release.Succeeded)
			s.quiet()
		})
	})
	t.Run("left to the next commit, or a person", func(t *testing.T) {
		scenario(t, two, func(s *daemon) {
			s.push(v("1"))
			s.pass(calm)
			rotate(s, "second")
			runs(s, "first")
			s.ask(release.Request{})
			s.pass(calm)
			runs(s, "second")
			rotate(s, "third")
			runs(s, "second")
			s.push(commit{sha: "c3", image: "v1", env: "red"})
			s.pass(calm)
			runs(s, "third")
			rotate(s, "fourth")
			s.push(commit{sha: "d3", image: "v1", env: "red"}) // only words changed
			s.pass(calm)
			runs(s, "fourth")
			if r := s.last(release.Succeeded); r.Revision.SHA != s.tip.revision().SHA {
				s.t.Errorf("it came with %s", r.Revision.Short())
			}
			s.quiet()
		})
	})
}

// newer is what is told to be newer than what runs.
func newer(s *daemon, what string) (told bool) {
	for _, e := range s.world.Memory.Events() {
		if e.Key == release.Newer+what+"/shop" {
			told = e.Kind == release.EventAlert
		}
	}
	return told
}

// keys checks with which key every web container runs.
func keys(s *daemon, want ...string) {
	s.t.Helper()
	for i, name := range s.world.Hosts() {
		if got := s.world.Host(name).Env("web", "KEY"); got != want[i%len(want)] {
			s.t.Errorf("%s runs with the key %q, want %q", name, got, want[i%len(want)])
		}
	}
}

func TestASecretThatBreaksTheServiceGoesBackEverywhereAndNothingIsQuarantined(t *testing.T) {
	for _, more := range []string{"", "  follow: [secrets]\n"} {
		t.Run(more, func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				s.world.Push("acme/shop:v1", fleettest.App{Rejects: []string{"bad"}})
				s.push(commit{sha: "c1", image: "v1", more: more})
				s.pass(calm)
				s.key = "bad"
				s.push(commit{sha: "d1", image: "v1", more: more})
				s.pass(calm)
				s.runs("v1")
				keys(s, "first")
				r := s.last(release.RolledBack)
				if !strings.Contains(r.Reason, "v1 with changed secrets failed; back on v1 on 2 hosts") {
					t.Errorf("it says %q", r.Reason)
				}
				if !newer(s, "secrets") {
					t.Error("nobody is told that other secrets are there")
				}
				before := len(s.world.Memory.Releases())
				s.pass(40 * time.Minute) // within the rest
				if n := len(s.world.Memory.Releases()) - before; n > 0 {
					t.Errorf("%d more tries at once", n)
				}
				s.key = "mended"
				s.push(commit{sha: "d2", image: "v1", more: more})
				s.pass(calm)
				s.runs("v1")
				keys(s, "mended")
				s.last(release.Succeeded)
				if newer(s, "secrets") {
					t.Error("it is told still that other secrets are there")
				}
				s.quiet()
			})
		})
	}
}

func TestChangedSecretsWaitForAHostThatIsAway(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.world.Host("b").SetDown(true)
		s.key = "second"
		s.push(commit{sha: "d1", image: "v1"})
		s.pass(calm)
		if got := s.world.Host("a").Env("web", "KEY"); got != "first" {
			t.Errorf("a went ahead with the key %q", got)
		}
		if r := s.last(release.Waiting); r.Failure == nil || r.Failure.Class != release.World {
			t.Errorf("failure %+v", r.Failure)
		}
		s.world.Host("b").SetDown(false)
		s.pass(calm)
		s.runs("v1")
		keys(s, "second")
		s.last(release.Succeeded)
		s.quiet()
	})
}

func TestChangedSecretsAreBroughtToTheirEndAfterACrash(t *testing.T) {
	for at := 1; at < 60; at += 3 {
		scenario(t, two, func(s *daemon) {
			s.push(v("1"))
			s.pass(calm)
			s.key = "second"
			s.world.SetCrash(fleettest.Crash{At: len(s.world.Effects()) + at})
			s.push(commit{sha: "d1", image: "v1"})
			s.pass(calm)
			s.stop()
			s.world.SetCrash(fleettest.Crash{})
			s.start()
			s.pass(calm)
			s.runs("v1")
			keys(s, "second")
			for _, r := range s.world.Memory.Releases() {
				if r.Status != release.Succeeded || history.Mends(r) {
					t.Errorf("effect %d: %s is %s (%s), by %v", at, r.ID, r.Status, r.Reason, r.Cause)
				}
			}
			s.quiet()
		})
	}
}

func TestMendingAContainerBringsNoOtherTheChangedSecrets(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.key = "second"
		s.world.Host("b").Remove("shop-web")
		s.pass(calm)
		s.runs("v1")
		keys(s, "first", "second")
		if r := s.last(release.Succeeded); len(r.Hosts) != 2 || r.Hosts[0].State != history.StateNew || r.Hosts[1].State != history.StateNew {
			t.Errorf("hosts %+v", r.Hosts)
		}
		s.quiet()
		s.key = "third"
		s.world.Host("a").Halt("shop-web")
		s.pass(calm)
		s.runs("v1")
		keys(s, "third", "second")
		s.ask(release.Request{})
		s.pass(calm)
		keys(s, "third")
		s.quiet()
	})
}

// images returns the digest that each host's web container runs, each once.
func images(s *daemon) (list []string) {
	for _, name := range s.world.Hosts() {
		if d := s.world.Host(name).Digest("web"); !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	return list
}

// TestATagThatMovedRollsByItselfOnlyWhereItIsFollowed pushes other images under
// the tag of a commit that stays the same.
func TestATagThatMovedRollsByItselfOnlyWhereItIsFollowed(t *testing.T) {
	for name, tc := range map[string]struct {
		more  string
		comes bool // by itself
	}{"followed": {"  follow: [tag]\n", true}, "left to the next commit, or a person": {"", false}} {
		t.Run(name, func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				s.push(commit{sha: "c1", image: "v1", more: tc.more})
				s.pass(calm)
				move := func(app fleettest.App) (moved bool) {
					t.Helper()
					was := images(s)
					s.world.Push("acme/shop:v1", app)
					s.pass(calm)
					s.runs("v1")
					if len(images(s)) != 1 {
						t.Errorf("the hosts run %v", images(s))
					}
					return !slices.Equal(images(s), was)
				}
				if move(fleettest.App{}) != tc.comes || newer(s, "tag") == tc.comes {
					t.Errorf("it runs %v, and is told: %t", images(s), newer(s, "tag"))
				}
				if r := s.last(release.Succeeded); tc.comes && (r.Cause.Detail != history.DetailTag || r.Revision.SHA != s.tip.revision().SHA) {
					t.Errorf("release %+v", r)
				}
				s.quiet()
				s.ask(release.Request{})
				s.pass(calm)
				if newer(s, "tag") {
					t.Error("a person's word does not bring it")
				}
				was := images(s)
				if move(fleettest.App{Status: 503}) {
					t.Error("an image that fails stays")
				}
				if tc.comes {
					s.last(release.RolledBack)
				}
				s.quiet()
				if move(fleettest.App{}) != tc.comes {
					t.Errorf("the next one: %v after %v", images(s), was)
				}
				s.push(commit{sha: "d1", image: "v1", more: tc.more})
				s.pass(calm)
				if slices.Equal(images(s), was) || newer(s, "tag") {
					t.Errorf("after the next commit it runs %v, and is told: %t", images(s), newer(s, "tag"))
				}
				s.quiet()
			})
		})
	}
}

func TestARegistryThatIsDownKeepsNoFollowedTagFromBeingMended(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(commit{sha: "c1", image: "v1", more: "  follow: [tag]\n"})
		s.pass(calm)
		s.world.SetRegistry(false)
		s.world.Host("a").Halt("shop-web")
		s.pass(calm)
		s.runs("v1")
		if n := s.world.Memory.Alerts(); n != 0 {
			t.Errorf("%d alerts", n)
		}
	})
}
