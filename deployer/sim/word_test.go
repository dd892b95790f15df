package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer"
	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

func TestInObserveModeNothingIsDone(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.stop()
		s.mode = deployer.ModeObserve
		s.start()
		s.push(v("1"))
		s.pass(calm)
		if r := s.last(release.Waiting); !strings.Contains(r.Reason, "observe mode") || len(r.Changes) == 0 {
			t.Errorf("release %+v", r)
		}
		for _, e := range s.world.Effects() {
			if e.Host != "memory" && !strings.Contains(e.Call, ".kamal") {
				t.Errorf("done: %s", e)
			}
		}
	})
}

func TestAPersonsWordToGoOnIsForLaterCommitsToo(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.kamal("v1")
		s.world.Push("acme/shop:v3", fleettest.App{Status: 503})
		s.push(v("3"))
		s.pass(calm)
		s.ask(release.Request{Resume: true})
		s.pass(calm)
		s.runs("v1") // Kamal's containers again
		s.push(v("2"))
		s.pass(calm)
		s.runs("v2")
	})
}

func TestAHoldDoesNotStopARolloutThatADeathInterrupted(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.push(v("2"))
		for begin := time.Now(); s.world.Memory.Last().Status != release.Watching; time.Sleep(time.Millisecond) {
			if time.Since(begin) > time.Minute {
				t.Fatalf("it was never live: %+v", s.world.Memory.Last())
			}
		}
		if err := s.d.Hold(t.Context(), release.Request{Revision: release.Revision{Repo: "shop"}, Cause: release.Cause{Actor: "ana"}}, "hold"); err != nil {
			t.Fatal(err)
		}
		s.stop()
		s.start()
		s.pass(calm)
		s.runs("v2")
	})
}
