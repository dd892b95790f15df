package sim

import (
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// failsOnA has v3 live on both hosts when its verdict comes, on a.
func failsOnA(s *daemon) {
	s.world.Push("acme/shop:v3", fleettest.App{CrashAfter: 9 * time.Second, OnlyOn: []string{"a"}})
	s.push(v("2"))
	s.pass(calm)
	s.push(v("3"))
	for begin := time.Now(); s.world.Memory.Last().Status != release.RollingBack; time.Sleep(time.Millisecond) {
		if time.Since(begin) > time.Minute {
			s.t.Fatalf("no verdict came: %+v", s.world.Memory.Last())
		}
	}
}

func TestAfterADeathOnTheWayBackAHostThatIsAwayDoesNotDelayTheOthers(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		failsOnA(s)
		s.stop()
		s.world.Host("b").SetDown(true)
		s.start()
		s.pass(2 * time.Minute)
		if got := s.world.Host("a").Serving(web); got != "v2" {
			t.Errorf("a serves %s while b is away", got)
		}
		s.last(release.RollingBack)
		if n := s.world.Memory.Alerts(); n != 1 {
			t.Errorf("%d alerts", n)
		}
		s.world.Host("b").SetDown(false)
		s.pass(calm)
		s.runs("v2")
		s.last(release.RolledBack)
		s.quiet()
	})
}

func TestAHostThatSomebodyLockedDoesNotDelayTheWayBackOfTheOthers(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		failsOnA(s)
		s.stop()
		s.world.Host("b").PutLock(".kamal/lock-shop", []byte("TG9ja2VkIGJ5OiBBbmE="))
		s.start()
		s.pass(2 * time.Minute)
		if got := s.world.Host("a").Serving(web); got != "v2" {
			t.Errorf("a serves %s while b is locked", got)
		}
		s.world.Host("b").RemoveLock(".kamal/lock-shop")
		s.pass(calm)
		s.runs("v2")
		s.last(release.RolledBack)
	})
}

func TestAHoldDoesNotStopWhatIsHalfDone(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		failsOnA(s)
		if err := s.d.Hold(s.t.Context(), release.Request{Revision: release.Revision{Repo: "shop"}, Cause: release.Cause{Actor: "ana"}}, "hold"); err != nil {
			t.Fatal(err)
		}
		s.stop()
		s.start()
		s.pass(calm)
		s.runs("v2")
	})
}
