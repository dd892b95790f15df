package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// TestARollbackTargetThatIsBrokenTooIsTriedOnceAndTold has v3 die while it is
// watched, when v2 does not work any more either: a database that is gone.
func TestARollbackTargetThatIsBrokenTooIsTriedOnceAndTold(t *testing.T) {
	broken := map[string]fleettest.App{
		"is unhealthy":  {Status: 500},
		"exits at once": {CrashAfter: time.Millisecond, ExitCode: 1},
	}
	for name, app := range broken {
		t.Run(name, func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				s.world.Gaps = true // nothing works, whatever is done
				s.world.Push("acme/shop:v3", fleettest.App{CrashAfter: 9 * time.Second, ExitCode: 1})
				s.push(v("2"))
				s.pass(calm)
				s.push(v("3"))
				time.Sleep(6 * time.Second)
				s.world.Mend("acme/shop:v2", app)
				s.pass(2 * calm)
				r := s.last(release.NeedsHuman)
				if !strings.Contains(r.Reason, "going back did not work") || r.Failure == nil || r.Failure.Class != release.Verdict {
					t.Errorf("it is told as %q, failure %+v", r.Reason, r.Failure)
				}
				tries, told := 0, 0
				for _, e := range s.world.Effects() {
					if strings.HasPrefix(e.Call, "intend b: switch ") && strings.HasSuffix(e.Call, "v2") {
						tries++
					}
				}
				for _, ev := range s.world.Memory.Events() {
					if ev.Release != nil && ev.Release.Status == release.NeedsHuman {
						told++
					}
				}
				if tries > 2 || told != 1 { // one of them is the first deploy's
					t.Errorf("b was switched to v2 %d times, and a person called %d times", tries, told)
				}
				s.quiet()
				s.world.Push("acme/shop:v4", fleettest.App{})
				s.push(v("4"))
				s.pass(calm)
				s.runs("v4")
				s.last(release.Succeeded)
			})
		})
	}
}

// TestASwitchThatTimesOutAfterItsEffectIsReadBack loses the replies of a
// host's next switches, forward and on the way back. That nothing stops which
// has the traffic is a rule of the world.
func TestASwitchThatTimesOutAfterItsEffectIsReadBack(t *testing.T) {
	for lost := range 4 {
		for _, bad := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d/%t", lost+1, bad), func(t *testing.T) {
				scenario(t, two, func(s *daemon) {
					app := fleettest.App{}
					if bad {
						app = fleettest.App{CrashAfter: 9 * time.Second, ExitCode: 1, OnlyOn: []string{"a"}}
					}
					s.world.Push("acme/shop:v3", app)
					s.push(v("2"))
					s.pass(calm)
					for range lost + 1 {
						s.world.Next("b", "switch ", fleettest.Lost)
					}
					s.push(v("3"))
					s.pass(calm)
					if bad {
						s.runs("v2")
						s.last(release.RolledBack)
					} else {
						s.runs("v3")
						s.last(release.Succeeded)
					}
					if n := s.world.Forced(); n > 0 {
						t.Errorf("%d replies were not lost", n)
					}
					s.quiet()
				})
			})
		}
	}
}
