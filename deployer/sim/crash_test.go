package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/deployer/fleettest/fate"
	"github.com/fairlead-deploy/fairlead/release"
)

// story is something that a daemon does and that crashes may come into.
type story struct {
	hosts  []string        // nil: two
	before func(s *daemon) // to the state in which it begins
	do     func(s *daemon)
	end    func(s *daemon) // checks, after everything came to rest
}

// on are the hosts of its world.
func (st story) on() []string {
	if st.hosts != nil {
		return st.hosts
	}
	return two
}

func stories() map[string]story {
	settled := func(c commit) func(*daemon) {
		return func(s *daemon) {
			s.push(c)
			s.pass(calm)
		}
	}
	return map[string]story{
		"first deploy": {
			before: func(*daemon) {},
			do:     func(s *daemon) { s.push(v("1")) },
			end: func(s *daemon) {
				s.runs("v1")
				s.last(release.Succeeded)
			},
		},
		"deploy": {
			before: settled(v("1")),
			do:     func(s *daemon) { s.push(v("2")) },
			end: func(s *daemon) {
				s.runs("v2")
				s.last(release.Succeeded)
			},
		},
		"changed configuration of one version": {
			before: settled(v("1")),
			do:     func(s *daemon) { s.push(commit{sha: "c2", image: "v1", env: "red"}) },
			end: func(s *daemon) {
				s.runs("v1")
				s.last(release.Succeeded)
			},
		},
		"a followed tag that moved": {
			before: settled(commit{sha: "c1", image: "v1", more: "  follow: [tag]\n"}),
			do: func(s *daemon) {
				s.world.Push("acme/shop:v1", fleettest.App{})
				s.look(release.CauseReconcile)
			},
			end: func(s *daemon) {
				s.runs("v1")
				if s.last(release.Succeeded); len(s.world.Memory.Releases()) < 2 || len(images(s)) != 1 {
					s.t.Errorf("%d releases, and the images %v", len(s.world.Memory.Releases()), images(s))
				}
			},
		},
		"stop-first roles": {
			before: func(s *daemon) {
				s.world.Gaps = true
				settled(stopFirst("1"))(s)
			},
			do: func(s *daemon) { s.push(stopFirst("2")) },
			end: func(s *daemon) {
				s.runs("v2")
				s.last(release.Succeeded)
			},
		},
		"stop-first roles that go back": {
			before: func(s *daemon) {
				s.world.Gaps = true
				s.world.Push("acme/shop:v3", fleettest.App{Status: 500, OnlyOn: []string{"b"}})
				settled(stopFirst("2"))(s)
			},
			do: func(s *daemon) { s.push(stopFirst("3")) },
			end: func(s *daemon) {
				s.runs("v2")
				s.last(release.RolledBack)
			},
		},
		"canary": {
			before: settled(with("1", canaryOne)),
			do:     func(s *daemon) { s.push(with("2", canaryOne)) },
			end: func(s *daemon) {
				s.runs("v2")
				s.last(release.Succeeded)
			},
		},
		"automatic rollback": {
			before: func(s *daemon) {
				s.world.Push("acme/shop:v3", fleettest.App{CrashAfter: 7 * time.Second, ExitCode: 1, OnlyOn: []string{"b"}})
				settled(v("2"))(s)
			},
			do: func(s *daemon) { s.push(v("3")) },
			end: func(s *daemon) {
				s.runs("v2")
				s.last(release.RolledBack)
			},
		},
		"automatic rollback to what somebody removed": {
			before: func(s *daemon) {
				s.world.Push("acme/shop:v3", fleettest.App{CrashAfter: 8 * time.Second, ExitCode: 1, OnlyOn: []string{"b"}})
				settled(v("2"))(s)
				s.world.Gaps = true // a person takes it away
			},
			do: func(s *daemon) {
				s.push(v("3"))
				time.Sleep(6 * time.Second) // it is live, and watched
				for _, name := range two {
					s.world.Host(name).RemoveOld("shop-web-v2")
				}
			},
			end: func(s *daemon) {
				s.runs("v2")
				s.last(release.RolledBack)
			},
		},
		"rollback by a person": {
			before: func(s *daemon) {
				settled(v("1"))(s)
				settled(v("2"))(s)
			},
			do: func(s *daemon) { s.ask(release.Request{Rollback: true}) },
			end: func(s *daemon) {
				if noted(s) { // else the person was never told that it was
					s.runs("v1")
				} else {
					s.runs("v2")
				}
			},
		},
		"deploy that prunes": {
			before: func(s *daemon) {
				s.world.Push("acme/shop:v3", fleettest.App{})
				settled(with("1", retainOne))(s)
				settled(with("2", retainOne))(s)
			},
			do: func(s *daemon) { s.push(with("3", retainOne)) },
			end: func(s *daemon) {
				s.runs("v3")
				s.last(release.Succeeded)
			},
		},
		"deploy that bridges assets": {
			before: func(s *daemon) {
				styled(s)
				settled(with("1", asset))(s)
			},
			do: func(s *daemon) { s.push(with("2", asset)) },
			end: func(s *daemon) {
				s.runs("v2")
				bridged(s, "v1", "v2")
			},
		},
		"first deploy that dies when it has its traffic": {
			before: func(s *daemon) {
				s.world.Push("acme/shop:v3", fleettest.App{CrashAfter: 7 * time.Second, ExitCode: 1, OnlyOn: []string{"b"}})
			},
			do:  func(s *daemon) { s.push(v("3")) },
			end: nothingRuns,
		},
		"first deploy that fails": {
			before: func(s *daemon) { s.world.Push("acme/shop:v3", fleettest.App{Status: 500}) },
			do:     func(s *daemon) { s.push(v("3")) },
			end:    nothingRuns,
		},
	}
}

// retainOne keeps one old container, and ends x-fairlead.
const retainOne = "retain_containers: 1\n"

func nothingRuns(s *daemon) {
	s.t.Helper()
	for _, name := range two {
		h := s.world.Host(name)
		if h.Serving(web) != "" || len(h.Running("web")) > 0 || len(h.Running("worker")) > 0 {
			s.t.Errorf("%s serves %q, runs %v %v", name, h.Serving(web), h.Running("web"), h.Running("worker"))
		}
	}
	s.last(release.Failed)
}

const stopFirstWeb = "  roles:\n    web: {strategy: stop-first}\n"

func stopFirst(n string) commit {
	c := v(n)
	c.more = stopFirstWeb
	return c
}

// noted tells whether what a person asked for came to be remembered.
func noted(s *daemon) bool {
	return slices.ContainsFunc(s.world.Memory.Releases(), func(r release.Release) bool { return r.Cause.Kind == release.CauseManual })
}

// count runs a story without a crash and returns at which effects it can come.
func count(t *testing.T, st story) (first, last int) { return tally(t, st, map[string]int{}) }

// covered fails where a kind of effect is in no story. What people and alerts
// do to the memory is left to the random schedules, and the split of a route to
// the tests of its own.
func covered(t *testing.T, hit map[string]int) {
	apart := []string{"hold", "unhold", "raise", "clear", "lift quarantine", "adopt", "split", "end split"}
	kinds, points := 0, 0
	for _, kind := range fate.Kinds() {
		kind = strings.TrimSpace(kind)
		points += hit[kind]
		if hit[kind] > 0 {
			kinds++
		} else if !slices.Contains(apart, kind) {
			t.Errorf("no story has the effect %q", kind)
		}
	}
	if hit[""] > 0 {
		t.Error("there are effects of no kind that fate.Kinds knows")
	}
	t.Logf("%d kinds of effect, %d points, a death before and after each", kinds, points)
}

// tally is count, and adds up of which kinds the effects are.
func tally(t *testing.T, st story, hit map[string]int) (first, last int) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, 1, st.on()...)
		st.before(s)
		first = len(s.world.Effects()) + 1
		st.do(s)
		s.pass(calm)
		last = len(s.world.Effects())
		for _, e := range s.world.Effects()[first-1:] {
			hit[e.Kind()]++
		}
		st.end(s)
		s.lawful()
		s.quiet()
		s.stop()
	})
	return first, last
}

// TestADeathAtAnyEffectIsSurvived kills the daemon before and after each
// single effect, starts another and looks where it all ends.
func TestADeathAtAnyEffectIsSurvived(t *testing.T) {
	hit := map[string]int{}
	all, played := stories(), 0
	defer func() {
		if played == len(all) { // else only some were asked for
			covered(t, hit)
		}
	}()
	dieEverywhere(t, all, func(t *testing.T, st story) (first, last int) {
		played++
		return tally(t, st, hit)
	})
}

// dieEverywhere plays each story once for each death that can come into it.
func dieEverywhere(t *testing.T, all map[string]story, count func(*testing.T, story) (first, last int)) {
	for name, st := range all {
		t.Run(name, func(t *testing.T) {
			first, last := count(t, st)
			t.Logf("%d points", 2*(last-first+1))
			for n := first; n <= last; n++ {
				for _, before := range []bool{true, false} {
					crash := fleettest.Crash{At: n, Before: before}
					t.Run(fmt.Sprintf("%d/%t", n, before), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { die(t, st, crash) })
					})
				}
			}
		})
	}
}

func die(t *testing.T, st story, crash fleettest.Crash) {
	s := begin(t, 1, st.on()...)
	st.before(s)
	s.world.SetCrash(crash)
	st.do(s)
	s.pass(calm)
	if !s.world.Crashed() {
		t.Fatal("the effect was never reached")
	}
	s.stop()
	s.start()
	s.pass(2 * calm)
	st.end(s)
	s.lawful()
	s.quiet()
	s.stop()
	if t.Failed() {
		tell(s)
	}
}
