package sim

import (
	"flag"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

var stride = flag.Int("sim.stride", 16, "of the pairs of crashes every so many; 1 is all")

// TestWhateverHostsFailAllStayAlike lets each of the 2^6 sets of six hosts
// fail: the version dies there in the window, or they go away while it starts.
func TestWhateverHostsFailAllStayAlike(t *testing.T) {
	six := []string{"a", "b", "c", "d", "e", "f"}
	for mask := range 1 << len(six) {
		var some []string
		for i, name := range six {
			if mask&(1<<i) != 0 {
				some = append(some, name)
			}
		}
		t.Run(fmt.Sprintf("%06b", mask), func(t *testing.T) {
			t.Parallel()
			scenario(t, six, func(s *daemon) {
				app := fleettest.App{}
				if mask != 0 {
					app = fleettest.App{CrashAfter: 6 * time.Second, ExitCode: 1, OnlyOn: some}
				}
				s.world.Push("acme/shop:v3", app)
				s.push(v("1"))
				s.pass(calm)
				s.push(v("2"))
				time.Sleep(2 * time.Second)
				for _, name := range some {
					s.world.Host(name).SetDown(true)
				}
				s.pass(calm)
				for _, name := range some {
					s.world.Host(name).SetDown(false)
				}
				s.pass(calm)
				s.runs("v2")
				s.push(v("3"))
				s.pass(calm)
				if mask == 0 {
					s.runs("v3")
					return
				}
				s.runs("v2")
				s.last(release.RolledBack)
			})
		})
	}
}

// TestTwoDeathsAreSurvived kills the daemon at an effect, and the next one at
// another: in a deploy and in one that goes back, of one role on two hosts.
func TestTwoDeathsAreSurvived(t *testing.T) {
	for name, st := range ofOneRole() {
		first, last := count(t, st)
		pairs := 0
		t.Run(name, func(t *testing.T) {
			for n := first; n <= last; n++ {
				for gap := 1 + n%*stride; gap <= last-first+1; gap += *stride {
					pairs++
					t.Run(fmt.Sprintf("%d+%d", n, gap), func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) { dieTwice(t, st, n, gap) })
					})
				}
			}
		})
		t.Logf("%s: %d pairs", name, pairs)
	}
}

// ofOneRole are a deploy and one that goes back, without a worker.
func ofOneRole() map[string]story {
	alone := func(n string) commit { return commit{sha: "c" + n, image: "v" + n, alone: true} }
	settled := func(s *daemon, c commit) {
		s.push(c)
		s.pass(calm)
	}
	return map[string]story{
		"deploy": {
			before: func(s *daemon) { settled(s, alone("1")) },
			do:     func(s *daemon) { s.push(alone("2")) },
			end: func(s *daemon) {
				s.runs("v2")
				s.last(release.Succeeded)
			},
		},
		"automatic rollback": {
			before: func(s *daemon) {
				s.world.Push("acme/shop:v3", fleettest.App{CrashAfter: 7 * time.Second, ExitCode: 1, OnlyOn: []string{"b"}})
				settled(s, alone("2"))
			},
			do: func(s *daemon) { s.push(alone("3")) },
			end: func(s *daemon) {
				s.runs("v2")
				s.last(release.RolledBack)
			},
		},
	}
}

func dieTwice(t *testing.T, st story, at, gap int) {
	s := begin(t, 1, two...)
	st.before(s)
	s.world.SetCrash(fleettest.Crash{At: at})
	st.do(s)
	s.pass(calm)
	s.stop()
	s.world.SetCrash(fleettest.Crash{At: at + gap})
	s.start()
	s.pass(calm)
	s.stop()
	s.world.SetCrash(fleettest.Crash{})
	s.start()
	s.pass(2 * calm)
	st.end(s)
	s.lawful()
	s.quiet()
	s.stop()
	if t.Failed() && *verbose {
		tell(s)
	}
}
