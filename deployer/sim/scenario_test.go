package sim

import (
	"flag"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

var (
	verbose = flag.Bool("sim.v", false, "print the deployer's log")
	seeds   = flag.Int("sim.n", 100, "how many random schedules")
	seed    = flag.Uint64("sim.seed", 1, "the first schedule's seed")
)

// scenario runs f in a bubble with a daemon, and stops the daemon.
func scenario(t *testing.T, hosts []string, f func(s *daemon)) {
	t.Helper()
	scenarioOf(t, 1, hosts, f)
}

// scenarioOf is scenario with a seed of its own.
func scenarioOf(t *testing.T, seed uint64, hosts []string, f func(s *daemon)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, seed, hosts...)
		f(s)
		s.lawful()
		s.stop()
	})
}

var two = []string{"a", "b"}

func v(n string) commit { return commit{sha: "c" + n, image: "v" + n} }

func TestACommitGoesToAllHosts(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		for _, n := range []string{"1", "2"} {
			s.push(v(n))
			s.pass(calm)
			s.runs("v" + n)
			r := s.last(release.Succeeded)
			if r.Version != "v"+n || r.Live.IsZero() || r.Ended.Sub(r.Live) < window {
				t.Errorf("release %+v was not watched for %s", r, window)
			}
		}
		s.quiet()
	})
}

func TestAVersionThatIsBrokenOnOneHostGoesBackOnAll(t *testing.T) {
	broken := map[string]fleettest.App{
		"is unhealthy":             {Status: 503, OnlyOn: []string{"b"}},
		"never answers":            {Boot: time.Hour, OnlyOn: []string{"b"}},
		"exits at once":            {CrashAfter: time.Millisecond, ExitCode: 1, OnlyOn: []string{"b"}},
		"is killed in the window":  {CrashAfter: 9 * time.Second, ExitCode: 137, OOM: true, OnlyOn: []string{"b"}},
		"crashes only as a worker": {CrashAfter: 9 * time.Second, ExitCode: 1, OnlyOn: []string{"a"}},
	}
	for name, app := range broken {
		t.Run(name, func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				s.world.Push("acme/shop:v3", app)
				s.push(v("2"))
				s.pass(calm)
				s.push(v("3"))
				s.pass(calm)
				s.runs("v2")
				r := s.last(release.RolledBack)
				if r.Failure == nil || r.Failure.Class != release.Verdict || r.Failure.Host != app.OnlyOn[0] || r.Previous != "v2" {
					t.Errorf("failure %+v, previous %s", r.Failure, r.Previous)
				}
				if switched(s, "v3") != (app.CrashAfter > time.Second) {
					t.Errorf("v3 had the traffic somewhere: %t", switched(s, "v3"))
				}
				s.quiet()

				s.push(commit{sha: "d3", image: "v3"}) // only words changed
				s.pass(calm)
				s.runs("v2")
				if r := s.last(release.Waiting); !strings.Contains(r.Reason, "quarantined") {
					t.Errorf("reason %q", r.Reason)
				}
				s.quiet()
			})
		})
	}
}

// switched tells whether any host ever sent traffic to a version: nothing
// does before all hosts are ready.
func switched(s *daemon, version string) bool {
	return slices.ContainsFunc(s.world.Effects(), func(e fleettest.Effect) bool {
		return strings.HasPrefix(e.Call, "switch ") && strings.HasSuffix(e.Call, version)
	})
}

func TestRetryGivesAQuarantinedVersionAnotherChance(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.world.Push("acme/shop:v3", fleettest.App{Boot: time.Hour})
		s.push(v("2"))
		s.pass(calm)
		s.push(v("3"))
		s.pass(calm)
		s.last(release.RolledBack)
		s.world.Mend("acme/shop:v3", fleettest.App{})
		s.pass(calm)
		s.runs("v2")
		s.ask(release.Request{Retry: true})
		s.pass(calm)
		s.runs("v3")
		s.last(release.Succeeded)
		s.quiet()
	})
}

func TestAHostThatIsAwayChangesNothingUntilItIsBack(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.world.Host("b").SetDown(true)
		s.push(v("2"))
		s.pass(calm)
		if got := s.world.Host("a").Serving(web); got != "v1" {
			t.Errorf("a serves %s", got)
		}
		if r := s.last(release.Waiting); r.Failure == nil || r.Failure.Class != release.World {
			t.Errorf("failure %+v", r.Failure)
		}
		if n := s.world.Memory.Alerts(); n != 1 {
			t.Errorf("%d alerts", n)
		}
		s.world.Host("b").SetDown(false)
		s.pass(calm)
		s.runs("v2")
		s.last(release.Succeeded)
		if n := s.world.Memory.Alerts(); n != 0 {
			t.Errorf("%d alerts after it came back", n)
		}
		s.quiet()
	})
}

func TestAHostThatGoesAwayInTheMiddleIsWaitedFor(t *testing.T) {
	for _, after := range []time.Duration{50 * time.Millisecond, time.Second, 3900 * time.Millisecond, 8 * time.Second, 20 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				s.push(v("1"))
				s.pass(calm)
				s.push(v("2"))
				time.Sleep(after)
				s.world.Host("b").SetDown(true)
				s.pass(calm)
				s.world.Host("b").SetDown(false)
				s.pass(calm)
				s.runs("v2")
				s.last(release.Succeeded)
				s.quiet()
			})
		})
	}
}

func TestAVerdictIsCarriedOutOnAHostThatComesBack(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.world.Push("acme/shop:v3", fleettest.App{CrashAfter: 9 * time.Second, OnlyOn: []string{"a"}})
		s.push(v("2"))
		s.pass(calm)
		s.push(v("3"))
		time.Sleep(8 * time.Second) // switched on both
		s.world.Host("b").SetDown(true)
		s.pass(calm)
		if got := s.world.Host("a").Serving(web); got != "v2" {
			t.Errorf("a serves %s while b is away", got)
		}
		s.last(release.RollingBack)
		s.world.Host("b").SetDown(false)
		s.pass(calm)
		s.runs("v2")
		s.last(release.RolledBack)
		s.quiet()
	})
}

func TestARegistryThatIsDownIsWaitedFor(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.world.SetRegistry(false)
		s.push(v("2"))
		s.pass(calm)
		s.runs("v1")
		s.last(release.Waiting)
		s.world.SetRegistry(true)
		s.pass(calm)
		s.runs("v2")
	})
}

func TestACommitWithoutAnImageWaitsForIt(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		c := commit{sha: "abcdef1"}
		s.push(c)
		s.pass(calm)
		s.last(release.Waiting)
		if n := s.world.Memory.Alerts(); n != 0 {
			t.Errorf("%d alerts for a build that has not pushed yet", n)
		}
		s.world.Push("acme/shop:"+c.revision().SHA, fleettest.App{})
		s.pass(calm)
		s.runs(c.revision().SHA)
		s.last(release.Succeeded)
	})
}

func TestARollbackByAPersonHoldsUntilResume(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.push(v("2"))
		s.pass(calm)
		s.ask(release.Request{Rollback: true})
		s.pass(calm)
		s.runs("v1")
		for _, r := range s.world.Memory.Releases() {
			if r.Cause.Kind == release.CauseManual && r.Status != release.Succeeded {
				t.Errorf("the rollback is %s: %s", r.Status, r.Reason)
			}
		}
		s.world.Push("acme/shop:v3", fleettest.App{})
		s.push(v("3"))
		s.pass(calm)
		s.runs("v1")
		if r := s.last(release.Waiting); !strings.Contains(r.Reason, "held by ana") {
			t.Errorf("reason %q", r.Reason)
		}
		s.quiet()
		s.ask(release.Request{Resume: true})
		s.pass(calm)
		s.runs("v3")
		s.last(release.Succeeded)
		s.quiet()
	})
}

func TestARollbackThatIsImpossibleHoldsNothing(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.ask(release.Request{Rollback: true})
		s.pass(calm)
		s.last(release.Failed)
		s.ask(release.Request{Version: "v9"})
		s.pass(calm)
		s.last(release.Failed)
		s.push(v("2"))
		s.pass(calm)
		s.runs("v2")
	})
}

func TestARollbackAfterManyQuietCommitsStillFindsItsWay(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.push(v("2"))
		s.pass(calm)
		for i := range 30 {
			s.push(commit{sha: "d" + string(rune('a'+i%26)) + string(rune('a'+i/26)), image: "v2"})
			s.pass(time.Minute)
		}
		s.ask(release.Request{Rollback: true})
		s.pass(calm)
		s.runs("v1")
	})
}

func TestANewerCommitTakesThePlaceOfOneThatWaits(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.world.Host("b").SetDown(true)
		s.push(v("2"))
		s.pass(calm)
		s.world.Push("acme/shop:v3", fleettest.App{})
		s.push(v("3"))
		s.pass(calm)
		s.world.Host("b").SetDown(false)
		s.pass(calm)
		s.runs("v3")
		all := s.world.Memory.Releases()
		if all[1].Status != release.Superseded || all[2].Status != release.Succeeded || len(all) != 3 {
			t.Errorf("releases %v", all)
		}
	})
}

func TestOfManyCommitsDuringARolloutOnlyTheNewestFollows(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		time.Sleep(time.Second)
		for range 20 {
			s.push(commit{sha: "middle", image: "v1", env: "green"})
		}
		s.push(v("2"))
		s.pass(calm)
		s.runs("v2")
		if all := s.world.Memory.Releases(); len(all) != 2 || all[0].Status != release.Succeeded {
			t.Errorf("releases %v", all)
		}
	})
}

func TestAStopInTheMiddleIsResumed(t *testing.T) {
	for _, after := range []time.Duration{20 * time.Millisecond, 200 * time.Millisecond, 2 * time.Second, 4 * time.Second, 9 * time.Second, 15 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				s.push(v("1"))
				s.pass(calm)
				s.push(v("2"))
				time.Sleep(after)
				s.stop()
				s.lawful() // no lock is left either
				time.Sleep(time.Hour)
				s.start()
				s.pass(calm)
				s.runs("v2")
				if all := s.world.Memory.Releases(); len(all) != 2 || all[1].Status != release.Succeeded {
					t.Errorf("releases %v", all)
				}
				s.quiet()
			})
		})
	}
}

func TestWhatKamalDeployedIsNotTouchedBeforeAPersonSaysSo(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.kamal("v1")
		s.push(v("2"))
		s.pass(calm)
		s.runs("v1")
		if r := s.last(release.Waiting); !strings.Contains(r.Reason, "first contact") || len(r.Changes) == 0 {
			t.Errorf("release %+v", r)
		}
		s.quiet()
		s.ask(release.Request{Resume: true})
		s.pass(calm)
		s.runs("v2")
		s.quiet()
	})
}

func TestABrokenVersionGoesBackToWhatKamalDeployed(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.kamal("v1")
		s.world.Push("acme/shop:v3", fleettest.App{Status: 500, OnlyOn: []string{"b"}})
		s.push(v("3"))
		s.ask(release.Request{Resume: true})
		s.pass(calm)
		s.runs("v1")
		s.last(release.RolledBack)
	})
}

func TestALockOfKamalsIsWaitedForAndLeftAlone(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.world.Host("b").PutLock(".kamal/lock-shop", []byte("TG9ja2VkIGJ5OiBBbmE="))
		s.push(v("2"))
		s.pass(calm)
		s.runs("v1")
		if r := s.last(release.Waiting); !strings.Contains(r.Reason, "locked by Ana") {
			t.Errorf("reason %q", r.Reason)
		}
		if locks := s.world.Host("a").Locks(); len(locks) > 0 {
			t.Errorf("a stays locked: %v", locks)
		}
		s.world.Host("b").RemoveLock(".kamal/lock-shop")
		s.pass(calm)
		s.runs("v2")
	})
}

func TestAContainerThatAHumanStoppedOrRemovedComesBack(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.world.Host("a").Halt("shop-worker")
		s.world.Host("b").Remove("shop-web")
		s.pass(calm)
		s.runs("v1")
		s.quiet()
	})
}
