package sim

import (
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// TestAHostsWrongClockChangesNoOutcome has the hosts' clocks apart from ours and
// from each other's, through a deploy, one that goes back, a death of the daemon
// and a removal by hand.
func TestAHostsWrongClockChangesNoOutcome(t *testing.T) {
	for _, skews := range [][2]time.Duration{{24 * time.Hour, -24 * time.Hour}, {-10 * 365 * 24 * time.Hour, 0}, {time.Hour, 10 * 365 * 24 * time.Hour}} {
		t.Run(skews[0].String()+" and "+skews[1].String(), func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				for i, name := range two {
					s.world.Host(name).Skew = skews[i]
				}
				s.world.Push("acme/shop:v3", fleettest.App{CrashAfter: 9 * time.Second, ExitCode: 1, OnlyOn: []string{"b"}})
				s.world.Push("acme/shop:v4", fleettest.App{Boot: 3 * time.Second})
				s.push(v("1"))
				s.pass(calm)
				s.push(v("2"))
				s.pass(calm)
				s.runs("v2")
				s.push(v("3"))
				s.pass(calm)
				s.runs("v2")
				if r := s.last(release.RolledBack); r.Failure == nil || r.Failure.Host != "b" {
					t.Errorf("failure %+v", r.Failure)
				}
				s.push(v("4"))
				time.Sleep(time.Second)
				s.process.Kill()
				s.stop()
				s.start()
				s.pass(calm)
				s.runs("v4")
				s.last(release.Succeeded)
				s.world.Host("a").Halt("shop-worker")
				s.world.Host("b").Remove("shop-web")
				s.pass(calm)
				s.runs("v4")
				s.quiet()
				if n := s.world.Memory.Alerts(); n != 0 {
					t.Errorf("%d alerts", n)
				}
			})
		})
	}
}
