package sim

import (
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

func TestWhatAPersonStoppedStaysStoppedUntilResume(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		req := release.Request{Revision: release.Revision{Repo: "shop"}, Cause: release.Cause{Actor: "ana"}}
		if err := s.d.Hold(t.Context(), req, release.WhyStopped); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b"} {
			s.world.Host(name).Halt("shop-")
		}
		s.push(v("2"))
		s.pass(calm)
		for _, name := range []string{"a", "b"} {
			if up := s.world.Host(name).Running("web"); len(up) > 0 {
				t.Errorf("%s runs %v", name, up)
			}
		}
		s.ask(release.Request{Resume: true})
		s.pass(calm)
		s.runs("v2")
	})
}

// The lock is free between a look at the wishes and the rollout that follows:
// who stops the service just then had it.
func TestAStopInTheInstantBeforeARolloutIsKept(t *testing.T) {
	met := 0
	for d := time.Duration(0); d < 600*time.Millisecond; d += 15 * time.Millisecond {
		scenario(t, two, func(s *daemon) {
			s.push(v("1"))
			s.pass(calm)
			s.push(v("2"))
			time.Sleep(d)
			if len(s.world.Host("a").Locks())+len(s.world.Host("b").Locks()) > 0 {
				s.pass(calm)
				return
			}
			req := release.Request{Revision: release.Revision{Repo: "shop"}, Cause: release.Cause{Actor: "ana"}}
			if err := s.d.Hold(t.Context(), req, release.WhyStopped); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"a", "b"} {
				s.world.Host(name).Halt("shop-")
			}
			met++
			s.pass(calm)
			for _, name := range []string{"a", "b"} {
				if up := s.world.Host(name).Running("web"); len(up) > 0 {
					t.Errorf("%s after the push: %s runs %v", d, name, up)
				}
			}
		})
	}
	if met < 2 {
		t.Error("no stop met the instant")
	}
}
