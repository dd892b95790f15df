package sim

import (
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

// TestOneErrorOfAnEngineDoesNotTakeARolloutBack lets each kind of call fail
// once, before and after it had its effect.
func TestOneErrorOfAnEngineDoesNotTakeARolloutBack(t *testing.T) {
	for _, call := range []string{
		"pull ", "create ", "start ", "inspect shop-web-v2", "switch ", "stop ", "tag ", "get /up",
	} {
		for _, lost := range []bool{false, true} {
			name := call + "fails"
			if lost {
				name = call + "loses its reply"
			}
			t.Run(name, func(t *testing.T) {
				scenario(t, two, func(s *daemon) {
					s.push(v("1"))
					s.pass(calm)
					s.world.FailNext("b", call, lost)
					s.push(v("2"))
					s.pass(calm)
					s.runs("v2")
					for _, ev := range s.world.Memory.Events() {
						if r := ev.Release; r != nil && r.Version == "v2" && (r.Status == release.RollingBack || r.Status == release.Waiting) {
							t.Errorf("the release is %s: %s", r.Status, r.Reason)
						}
					}
					if n := s.world.Forced(); n > 0 {
						t.Errorf("%d faults never came", n)
					}
					s.quiet()
				})
			})
		}
	}
}
