package sim

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
)

// TestTheLockOfADeadInstallationIsFreeWithinAMinute kills one at every effect
// of its rollout, for ever, when another has something to deploy.
func TestTheLockOfADeadInstallationIsFreeWithinAMinute(t *testing.T) {
	last, died := effectsOfADeploy(t), 0
	for n := 1; n <= last; n++ {
		synctest.Test(t, func(t *testing.T) {
			s := begin(t, 1, two...)
			r := s.rival()
			s.world.SetCrash(fleettest.Crash{At: n})
			s.push(v("1"))
			for end := time.Now().Add(calm); !s.world.Crashed() && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
			defer r.stop()
			defer s.stop()
			if !s.world.Crashed() { // this one has fewer effects
				return
			}
			died++
			r.push(v("2"))
			time.Sleep(time.Minute)
			if !slices.ContainsFunc(s.world.Effects(), func(e fleettest.Effect) bool {
				return strings.HasPrefix(e.Call, "save "+v("2").revision().Short()+" as preparing")
			}) {
				t.Errorf("the first installation died at %d, and a minute later the other has not begun", n)
			}
		})
	}
	if died < last*9/10 {
		t.Errorf("it died at %d of %d effects", died, last)
	}
}
