package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer"
	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// adopt puts a version on all hosts beside what runs, with its traffic, in an
// instant, as somebody does who has the lock.
func adopt(s *daemon, version, name string) {
	s.t.Helper()
	deploy, _, err := spec.Load(commit{sha: "k", image: version}.files(s.world.Hosts()), spec.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	want, err := plan.Want(deploy, plan.Inputs{Version: version, Secrets: map[string]secret.Value{"KEY": secret.New(s.key)}})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, u := range want.Units {
		s.world.Host(u.Host).Adopt("shop-"+u.Role+"-"+name, u.Spec, u.Route)
	}
}

// Between a look at the hosts and their locks somebody else may end what he did:
// here he goes back from the very version that is asked for. What runs once the
// hosts are locked counts.
func TestWhatRunsOnceTheHostsAreLockedCounts(t *testing.T) {
	met := 0
	for d := time.Duration(0); d < 300*time.Millisecond; d += 10 * time.Millisecond {
		scenario(t, two, func(s *daemon) {
			s.mode = deployer.ModeDeploy
			s.push(v("1"))
			s.pass(calm)
			s.torn = true
			adopt(s, "v2", "v2")
			time.Sleep(time.Minute)
			s.push(v("2"))
			time.Sleep(d)
			if len(s.world.Host("a").Locks())+len(s.world.Host("b").Locks()) > 0 {
				s.pass(calm)
				return
			}
			met++
			for _, name := range two {
				s.world.Host(name).Halt("-v2")
			}
			adopt(s, "v1", "v1-again")
			s.pass(4 * time.Minute)
			s.runs("v2")
			if r := s.last(release.Succeeded); r.Failure != nil || r.Version != "v2" {
				t.Errorf("%s after the push: %+v", d, r)
			}
		})
	}
	if met < 5 {
		t.Errorf("%d changes met the instant", met)
	}
}

// What the way back has done is looked at once more before it is told: a host
// whose container ends meanwhile is not called back.
func TestNothingIsToldToBeBackThatIsNot(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		failsOnA(s)
		s.torn = true
		back := func(e fleettest.Effect) bool {
			return e.Host == "b" && strings.HasPrefix(e.Call, "switch ") && strings.HasSuffix(e.Call, "shop-web-v2")
		}
		for begin, n := time.Now(), len(s.world.Effects()); ; time.Sleep(time.Millisecond) {
			if all := s.world.Effects()[n:]; slices.ContainsFunc(all, back) {
				break
			}
			if time.Since(begin) > time.Minute {
				t.Fatalf("b is not switched back: %v", s.world.Effects()[n:])
			}
		}
		s.world.Host("b").Halt("shop-web-v2")
		for s.world.Memory.Last().Status == release.RollingBack {
			time.Sleep(time.Millisecond)
		}
		s.last(release.RolledBack)
		if got := s.world.Host("b").Serving(web); got != "v2" {
			t.Errorf("it is told to be back, and b serves %q", got)
		}
		s.pass(calm)
		s.runs("v2")
	})
}
