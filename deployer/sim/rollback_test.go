package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// TestAPersonsRollbackGoesWhereAHostAnswers goes back while one of the hosts is
// dead: those that serve badly do not wait for it, and it follows.
func TestAPersonsRollbackGoesWhereAHostAnswers(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.push(v("2"))
		s.pass(calm)
		s.world.Host("b").SetDown(true)
		s.ask(release.Request{Rollback: true})
		time.Sleep(2 * time.Minute)
		if got := s.world.Host("a").Serving(web); got != "v1" {
			t.Errorf("a serves %q two minutes after it was asked for", got)
		}
		asked := 0
		for _, r := range s.world.Memory.Releases() {
			if r.Cause.Kind != release.CauseManual {
				continue
			}
			asked++
			if r.Status != release.Succeeded || states(r)["b"] != "skipped" || !strings.Contains(detail(r, "b"), "unreachable") {
				t.Errorf("the rollback is %s, hosts %+v", r.Status, r.Hosts)
			}
		}
		if asked != 1 {
			t.Errorf("one wish became %d releases", asked)
		}
		if n := s.world.Memory.Alerts(); n != 1 {
			t.Errorf("%d alerts about the dead host", n)
		}
		s.world.Push("acme/shop:v3", fleettest.App{})
		s.push(v("3")) // held: nobody follows Git
		s.pass(calm)
		s.stop()
		s.start()
		s.world.Host("b").SetDown(false)
		s.pass(calm)
		s.runs("v1")
		if n := s.world.Memory.Alerts(); n != 0 {
			t.Errorf("%d alerts after it came back", n)
		}
		s.quiet()
	})
}

// TestARollbackWaitsWhereNoHostAnswersAndIsNotForgotten asks for one that nobody can carry out now.
func TestARollbackWaitsWhereNoHostAnswersAndIsNotForgotten(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.push(v("2"))
		s.pass(calm)
		for _, name := range two {
			s.world.Host(name).SetDown(true)
		}
		s.ask(release.Request{Rollback: true})
		s.pass(calm)
		if r := s.last(release.Waiting); r.Failure == nil || r.Failure.Class != release.World || r.Failure.Next == "" {
			t.Errorf("failure %+v", r.Failure)
		}
		s.world.Push("acme/shop:v3", fleettest.App{})
		s.push(v("3"))
		s.pass(calm)
		s.stop() // it is not forgotten
		s.start()
		s.pass(calm)
		for _, name := range two {
			s.world.Host(name).SetDown(false)
		}
		s.pass(calm)
		s.runs("v1")
		asked := 0
		for _, r := range s.world.Memory.Releases() {
			if r.Cause.Kind == release.CauseManual {
				asked++
			}
		}
		if asked != 1 {
			t.Errorf("one wish became %d releases", asked)
		}
		s.quiet()
	})
}

// TestARetainedContainerThatIsRemovedInTheWatchIsMadeAgain removes what a
// release would go back to, which then fails.
func TestARetainedContainerThatIsRemovedInTheWatchIsMadeAgain(t *testing.T) {
	next := map[string]commit{
		"of another version":       v("3"),
		"of another configuration": {sha: "c4", image: "v2", env: "broken"},
	}
	for name, c := range next {
		t.Run(name, func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				s.push(v("1"))
				s.pass(calm)
				s.push(commit{sha: "c2", image: "v2", env: "red"})
				s.pass(calm)
				s.world.Push("acme/shop:v3", fleettest.App{CrashAfter: 12 * time.Second, ExitCode: 1, OnlyOn: []string{"b"}})
				s.push(c)
				for r := s.world.Memory.Last(); r.Revision.SHA != c.revision().SHA || r.Status != release.Watching; r = s.world.Memory.Last() {
					time.Sleep(100 * time.Millisecond)
				}
				s.world.Gaps = true // a person takes it away
				for _, host := range two {
					s.world.Host(host).RemoveOld("shop-web")
				}
				if c.image == "v2" {
					s.world.Mend("acme/shop:v2", fleettest.App{Status: 500, OnlyOn: []string{"b"}})
					time.Sleep(8 * time.Second)
					s.world.Mend("acme/shop:v2", fleettest.App{})
				}
				s.pass(calm)
				s.runs("v2")
				s.last(release.RolledBack)
				for _, host := range two {
					if got := s.world.Host(host).Env("web", "COLOUR"); got != "red" {
						t.Errorf("%s has the colour %q", host, got)
					}
				}
				s.quiet()
			})
		})
	}
}
