package sim

import (
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// TestTenThousandReconcilesReplaceNothing lets a fleet be looked after for a
// month and more while the daemon stops, is killed and starts, engines stop and
// come back, and hosts are away: no container is replaced. (A route that an
// engine lost with its proxy is set again, to the same container.)
func TestTenThousandReconcilesReplaceNothing(t *testing.T) {
	scenario(t, four[:3], func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.push(v("2"))
		s.pass(calm)
		s.runs("v2")
		before, looks := len(s.world.Effects()), 0
		for i := range 1000 {
			h := s.world.Host(four[i%3])
			var end func()
			switch i % 7 {
			case 0:
				s.stop()
				time.Sleep(time.Duration(i) * time.Second)
				s.start()
			case 1:
				s.process.Kill()
				s.stop()
				s.start()
			case 2:
				h.SetEngineStopping(true)
				end = func() { h.SetEngineStopping(false) }
			case 3:
				h.SetDown(true)
				end = func() { h.SetDown(false) }
			case 4: // it reboots
				h.SetDown(true)
				h.SetEngineStopping(true)
				end = func() {
					h.SetEngineStopping(false)
					h.SetDown(false)
				}
			}
			for n := range 10 {
				s.look(release.CauseReconcile)
				time.Sleep(time.Minute)
				looks++
				if end != nil && n == 4 {
					end()
				}
			}
		}
		s.pass(calm)
		s.runs("v2")
		for _, e := range s.world.Effects()[before:] {
			switch e.Kind() {
			case "create", "rename", "remove", "stop", "remove route", "pull":
				t.Errorf("in %d reconciles: %s, %s", looks, e, e.At)
			}
		}
		t.Logf("%d reconciles", looks)
		s.quiet()
	})
}
