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

// effectsOfADeploy is how many there are of a first deploy on two hosts.
func effectsOfADeploy(t *testing.T) (n int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, 1, two...)
		s.push(v("1"))
		s.pass(calm)
		n = len(s.world.Effects())
		s.stop()
	})
	return n
}

// TestARivalTakesTheLockOfADeadOne kills one installation at every effect of
// its rollout, for ever, while another waits for the lock.
func TestARivalTakesTheLockOfADeadOne(t *testing.T) {
	for n := range effectsOfADeploy(t) {
		synctest.Test(t, func(t *testing.T) {
			s := begin(t, 1, two...)
			r := s.rival()
			s.world.SetCrash(fleettest.Crash{At: n + 1})
			s.push(v("1"))
			time.Sleep(time.Millisecond)
			r.tip = v("1")
			s.pass(time.Hour) // s dies somewhere in here
			r.pass(2 * calm)
			r.runs("v1")
			for _, broken := range s.world.Violations() {
				t.Errorf("%s, the first installation died at %d", broken, n+1)
			}
			s.stop()
			r.stop()
		})
	}
}
