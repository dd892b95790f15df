package sim

import (
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

func TestASecondRepositoryOfAServiceTouchesNothingOfTheFirst(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.push(v("2"))
		time.Sleep(4 * time.Second) // on its way
		other := v("1")
		for range 4 {
			rev := other.revision()
			rev.Repo = "copy"
			if err := s.d.Submit(s.t.Context(), release.Request{Revision: rev, Cause: release.Cause{Kind: release.CausePoll}}, other.files(two)); err != nil {
				t.Fatal(err)
			}
			s.pass(time.Minute)
		}
		s.pass(calm)
		s.runs("v2")
		for _, r := range s.world.Memory.Releases() {
			switch {
			case r.Revision.Repo == "copy" && (r.Status != release.Failed || r.Lane.Service != "copy"):
				t.Errorf("the second repository's release %s of %s is %s: %s", r.ID, r.Lane, r.Status, r.Reason)
			case r.Revision.Repo == "shop" && r.Status != release.Succeeded:
				t.Errorf("the first repository's release %s is %s: %s", r.ID, r.Status, r.Reason)
			}
		}
		s.quiet()
	})
}
