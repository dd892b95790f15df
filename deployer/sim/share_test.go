package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// canaryShare sends a tenth of the clients to a new version for a minute.
const (
	canaryShare = "  roles:\n    web: {strategy: canary, canary: {percent: 10, for: 1m}}\n"
	trialTime   = time.Minute
)

// sharing is a daemon whose services have visitors, on v1.
func sharing(s *daemon) {
	s.world.Load = 30
	s.push(with("1", canaryShare))
	s.pass(calm)
	s.runs("v1")
}

// trying tells on how many hosts a share of the clients is with a version.
func (s *daemon) trying(version string) (n int) {
	for _, name := range s.named() {
		if s.world.Host(name).Trying(web) == version {
			n++
		}
	}
	return n
}

// whole checks that no host splits its clients.
func (s *daemon) whole() {
	s.t.Helper()
	for _, name := range s.named() {
		if v := s.world.Host(name).Trying(web); v != "" {
			s.t.Errorf("%s sends a share of the clients to %s", name, v)
		}
	}
}

// splitAt is when each host began to send a share of its clients to a version.
func (s *daemon) splitAt(version string) map[string]time.Time {
	at := map[string]time.Time{}
	for _, e := range s.world.Effects() {
		if strings.HasPrefix(e.Call, "split ") && strings.HasSuffix(e.Call, version) {
			at[e.Host] = e.At
		}
	}
	return at
}

func TestAShareOfTheClientsMeetsANewVersionFirst(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		sharing(s)
		if len(s.splitAt("v1")) > 0 {
			t.Error("the first version was tried out against nothing")
		}
		s.push(with("2", canaryShare))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if n := s.trying("v2"); n != 2 {
			t.Errorf("%d hosts try v2", n)
		}
		for _, name := range two {
			if got := s.world.Host(name).Serving(web); got != "v1" {
				t.Errorf("%s serves %s to most", name, got)
			}
		}
		s.pass(calm)
		s.runs("v2")
		s.whole()
		s.last(release.Succeeded)
		split := s.splitAt("v2")
		switched, worker := s.when("v2")
		for _, name := range two {
			if gap := switched[name].Sub(split[name]); gap < trialTime {
				t.Errorf("%s followed after %s", name, gap)
			}
		}
		if !worker.After(switched["a"]) {
			t.Error("the worker did not wait")
		}
		if !s.told("the canary answered 0 of") {
			t.Error("nobody was told what the canary answered")
		}
		s.quiet()
	})
}

// told tells whether some event says words.
func (s *daemon) told(words string) bool {
	return slices.ContainsFunc(s.world.Memory.Events(), func(ev release.Event) bool { return strings.Contains(ev.Message, words) })
}

func TestACanaryThatAnswersWithErrorsTakesAllBackBeforeItsTime(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.world.Push("acme/shop:v3", fleettest.App{Fails: 0.2})
		sharing(s)
		s.push(with("3", canaryShare))
		s.pass(calm)
		s.runs("v1")
		s.whole()
		r := s.last(release.RolledBack)
		if r.Failure == nil || r.Failure.Class != release.Verdict || !strings.Contains(r.Failure.Message, "with 5xx, the old containers 0 of") {
			t.Errorf("failure %+v", r.Failure)
		}
		if took := r.Ended.Sub(s.splitAt("v3")["a"]); took > trialTime {
			t.Errorf("it took %s", took)
		}
		if switched(s, "v3") {
			t.Error("v3 had all of the traffic somewhere")
		}
		s.quiet()
		s.push(commit{sha: "d3", image: "v3", more: canaryShare})
		s.pass(calm)
		if r := s.last(release.Waiting); !strings.Contains(r.Reason, "quarantined") {
			t.Errorf("reason %q", r.Reason)
		}
	})
}

func TestACanaryIsNotBlamedForWhatTheOldVersionDoesToo(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.world.Push("acme/shop:v1", fleettest.App{Fails: 0.2})
		s.world.Push("acme/shop:v3", fleettest.App{Fails: 0.2})
		sharing(s)
		s.push(with("3", canaryShare))
		s.pass(calm)
		s.runs("v3")
		s.last(release.Succeeded)
	})
}

func TestACanaryWithoutVisitorsIsJudgedByItsHealthAlone(t *testing.T) {
	for name, c := range map[string]struct {
		app  fleettest.App
		ends release.Status
		on   string
	}{
		"well":  {fleettest.App{Fails: 1}, release.Succeeded, "v3"},
		"ended": {fleettest.App{CrashAfter: 20 * time.Second, ExitCode: 1, OnlyOn: []string{"b"}}, release.RolledBack, "v1"},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				s.world.Push("acme/shop:v3", c.app)
				sharing(s)
				s.world.Load = 0.1
				s.push(with("3", canaryShare))
				s.pass(calm)
				s.runs(c.on)
				s.whole()
				s.last(c.ends)
				if c.ends == release.Succeeded && !s.told("too few to judge by") {
					t.Error("nobody was told that there were too few")
				}
				s.quiet()
			})
		})
	}
}

func TestANewerCommitEndsAShareByGoingBack(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.world.Push("acme/shop:v3", fleettest.App{})
		sharing(s)
		s.push(with("2", canaryShare))
		for s.trying("v2") < 2 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		begin := time.Now()
		s.push(with("3", canaryShare))
		s.pass(calm)
		s.runs("v3")
		s.whole()
		i := slices.IndexFunc(s.world.Memory.Releases(), func(r release.Release) bool { return r.Version == "v2" })
		if r := s.world.Memory.Releases()[i]; r.Status != release.Superseded || r.Failure != nil || r.Ended.Sub(begin) > 10*time.Second {
			t.Errorf("it is %s (%s) after %s, failure %v", r.Status, r.Reason, r.Ended.Sub(begin), r.Failure)
		}
		if switched(s, "v2") {
			t.Error("v2 had all of the traffic somewhere")
		}
		s.quiet()
	})
}

func TestAPersonsRollbackIsForAllClientsAtOnce(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		sharing(s)
		s.push(with("2", canaryShare))
		s.pass(calm)
		s.runs("v2")
		begin := time.Now()
		s.ask(release.Request{Rollback: true})
		s.pass(calm)
		s.runs("v1")
		for name, at := range s.splitAt("v1") {
			t.Errorf("%s tried v1 out at %s", name, at)
		}
		for _, r := range s.world.Memory.Releases() {
			if r.Cause.Kind == release.CauseManual && (r.Status != release.Succeeded || r.Live.Sub(begin) > trialTime) {
				t.Errorf("it is %s, live after %s", r.Status, r.Live.Sub(begin))
			}
		}
	})
}

// A split that a dead daemon left ends though its own release is not gone on with.
func TestASplitThatWasLeftBehindEnds(t *testing.T) {
	for name, then := range map[string]func(s *daemon){
		"another strategy":     func(s *daemon) { s.tip = v("3") },
		"the old commit again": func(s *daemon) { s.tip = with("1", canaryShare) },
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				s.world.Push("acme/shop:v3", fleettest.App{})
				sharing(s)
				s.push(with("2", canaryShare))
				for s.trying("v2") < 2 {
					time.Sleep(time.Millisecond)
				}
				s.process.Kill()
				s.stop()
				then(s)
				s.start()
				s.pass(2 * calm)
				s.whole()
				if name == "another strategy" {
					s.runs("v3")
				} else {
					s.runs("v1")
				}
				s.quiet()
			})
		})
	}
}

func TestADeathAtAnyEffectOfATrialIsSurvived(t *testing.T) {
	for name, st := range map[string]story{
		"all switch": {
			before: sharing,
			do:     func(s *daemon) { s.push(with("2", canaryShare)) },
			end: func(s *daemon) {
				s.runs("v2")
				s.whole()
				s.last(release.Succeeded)
			},
		},
		"all go back": {
			before: func(s *daemon) {
				s.world.Push("acme/shop:v3", fleettest.App{Fails: 0.5})
				sharing(s)
			},
			do: func(s *daemon) { s.push(with("3", canaryShare)) },
			end: func(s *daemon) {
				s.runs("v1")
				s.whole()
				s.last(release.RolledBack)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			first, last := count(t, st)
			for n := first; n <= last; n++ {
				for _, before := range []bool{true, false} {
					t.Run(fmt.Sprintf("%d/%t", n, before), func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) { die(t, st, fleettest.Crash{At: n, Before: before}) })
					})
				}
			}
		})
	}
}

func TestOnlyTheRouteChangesWhereOnlyItsOptionsDo(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(with("1", ""))
		s.pass(calm)
		before := len(s.world.Effects())
		slower := with("1", "")
		slower.sha = "c1b"
		slower.proxy = "  response_timeout: 60\n"
		s.push(slower)
		s.pass(calm)
		s.runs("v1")
		r := s.last(release.Succeeded)
		want := release.Change{Host: "a", Role: "web", Step: "change route", Field: "proxy.response_timeout", Was: "30s", Want: "1m0s"}
		if len(r.Changes) != 2 || r.Changes[0] != want {
			t.Errorf("changes %+v", r.Changes)
		}
		for _, e := range s.world.Effects()[before:] {
			if strings.HasPrefix(e.Call, "create ") || strings.HasPrefix(e.Call, "stop ") {
				t.Errorf("it did %s", e)
			}
		}
		s.quiet()
	})
}
