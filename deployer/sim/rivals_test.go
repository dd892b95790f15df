package sim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
)

func TestOfTwoInstallationsOnlyOneRollsOutAtATime(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		r := s.rival()
		defer r.stop()
		for _, n := range []string{"1", "2"} {
			s.push(v(n))
			r.push(v(n))
			s.pass(calm)
			s.runs("v" + n)
		}
		s.quiet()
	})
}

// TestARivalTakesTheLockOfADeadOne kills one installation at every effect of
// its rollout, for ever, while another waits for the lock.
func TestARivalTakesTheLockOfADeadOne(t *testing.T) {
	last := 0
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, 1, two...)
		s.push(v("1"))
		s.pass(calm)
		last = len(s.world.Effects())
		s.stop()
	})
	for n := 1; n <= last; n++ {
		synctest.Test(t, func(t *testing.T) {
			s := begin(t, 1, two...)
			r := s.rival()
			s.world.SetCrash(fleettest.Crash{At: n})
			s.push(v("1"))
			time.Sleep(time.Millisecond)
			r.tip = v("1")
			s.pass(time.Hour) // s dies somewhere in here
			r.pass(2 * calm)
			r.runs("v1")
			for _, broken := range s.world.Violations() {
				t.Errorf("%s, the first installation died at %d", broken, n)
			}
			s.stop()
			r.stop()
		})
	}
}
