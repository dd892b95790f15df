package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// What random schedules have found where tags moved and secrets changed: each a
// story of its own, as short as it could be made.

// never fails where a release has come to a status.
func (s *daemon) never(status release.Status) {
	s.t.Helper()
	for _, r := range s.world.Memory.Releases() {
		if r.Status == status {
			s.t.Errorf("%s is %s: %s", r.ID, r.Status, r.Reason)
		}
	}
}

// until waits for something that is about to happen.
func (s *daemon) until(what string, so func() bool) {
	s.t.Helper()
	for begin := time.Now(); !so(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > calm {
			s.t.Fatalf("never came: %s", what)
		}
	}
}

// did tells whether an effect on a host was begun.
func (s *daemon) did(host, call string) func() bool {
	return func() bool {
		return slices.ContainsFunc(s.world.Effects(), func(e fleettest.Effect) bool { return e.Host == host && e.Call == call })
	}
}

// mended leaves v1 after a release that only started what somebody had stopped,
// and returns its images.
func (s *daemon) mended(halted string) (ran []string) {
	s.t.Helper()
	s.push(v("1"))
	s.pass(calm)
	ran = images(s)
	s.world.Host("a").Halt(halted)
	s.pass(calm)
	s.last(release.Succeeded)
	return ran
}

// hasImages fails where the hosts run others.
func (s *daemon) hasImages(want []string) {
	s.t.Helper()
	if now := images(s); !slices.Equal(now, want) {
		s.t.Errorf("it runs %v, before it was %v", now, want)
	}
}

// madeByOneThatDied leaves v1 with the second key, made by a release whose daemon
// died while it was watched; the next commit found it as it wanted it.
func (s *daemon) madeByOneThatDied() {
	s.t.Helper()
	s.world.Push("acme/shop:v1", fleettest.App{Rejects: []string{"third"}})
	s.push(v("1"))
	s.pass(calm)
	s.dieWatched("second")
	s.tip = commit{sha: "e1", image: "v1"}
	s.start()
	s.pass(calm)
	keys(s, "second")
}

// replacedAfterAnotherTookItsName leaves v2, and of v1 what madeByOneThatDied
// made, under another name: one with the third key had taken its own, and failed.
func (s *daemon) replacedAfterAnotherTookItsName() {
	s.t.Helper()
	s.key = "third"
	s.push(commit{sha: "f1", image: "v1", env: "red"})
	s.pass(calm)
	s.last(release.RolledBack)
	s.key = "fourth"
	s.push(v("2"))
	s.pass(calm)
}

// dieWatched brings another key to v1, and kills the daemon while it is watched.
func (s *daemon) dieWatched(key string) {
	s.t.Helper()
	s.key = key
	s.push(commit{sha: "d1", image: "v1"})
	s.until("it is watched", func() bool { return s.world.Memory.Last().Status == release.Watching })
	s.process.Kill()
	s.stop()
}

// The last good release before v2 is one that only started what somebody had
// stopped: what it left was made by the one before it. A release of the same
// version and another image came between, and failed.
func TestARollbackTakesTheImageThatRanThoughItsTagHasMoved(t *testing.T) {
	for name, gone := range map[string]bool{"where its containers are there": false, "where they are not": true} {
		t.Run(name, func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				ran := s.mended("shop-web")
				s.key = "second"
				s.world.Push("acme/shop:v1", fleettest.App{Status: 503})
				s.push(commit{sha: "d1", image: "v1"})
				s.pass(calm)
				s.last(release.RolledBack)
				s.push(v("2"))
				s.pass(calm)
				s.runs("v2")
				if gone { // and is made again, with the secrets of today
					s.key = "first"
					for _, name := range two {
						s.world.Host(name).RemoveOld("_replaced_")
					}
				}
				s.ask(release.Request{Rollback: true})
				s.pass(calm)
				s.runs("v1")
				keys(s, "first")
				s.hasImages(ran)
			})
		})
	}
}

// A host is away when a person rolls back, and there again when the daemon, which
// died meanwhile, goes on. What is mended later is what was gone back to there
// too: made by a release that never ended, it can be told by its id alone.
func TestAHostThatComesBackInARollbackIsWrittenDownToo(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.madeByOneThatDied()
		s.replacedAfterAnotherTookItsName()
		s.world.Host("b").SetDown(true)
		s.ask(release.Request{Rollback: true})
		s.until("it is switched", func() bool { return s.world.Memory.Last().Status == release.Switching })
		s.process.Kill()
		s.stop()
		s.world.Host("b").SetDown(false)
		s.start()
		s.pass(calm)
		s.runs("v1")
		keys(s, "second")
		s.key = "fifth"
		s.world.Host("b").Halt("shop-web")
		s.pass(calm)
		s.runs("v1")
		keys(s, "second")
	})
}

// The last good release is one that only started what somebody had stopped. One
// after it, of the same version with another key, and maybe another image under
// the tag, was live for a moment, and its daemon died.
func TestAWayBackPassesOverWhatAnInterruptedReleaseLeft(t *testing.T) {
	for name, moved := range map[string]bool{"of the same image": false, "of another": true} {
		t.Run(name, func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				s.world.Push("acme/shop:v2", fleettest.App{Status: 503})
				ran := s.mended("shop-worker")
				if moved {
					s.world.Push("acme/shop:v1", fleettest.App{})
				}
				s.dieWatched("second")
				s.tip = v("2")
				s.start()
				s.pass(calm)
				s.last(release.RolledBack)
				s.runs("v1")
				keys(s, "first")
				s.hasImages(ran)
			})
		})
	}
}

// What a release left may have been made by one that never ended: by the second
// key, which the death of the daemon left to the next commit to watch.
func TestARollbackTakesWhatAnInterruptedReleaseMade(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.madeByOneThatDied()
		s.last(release.Succeeded)
		s.replacedAfterAnotherTookItsName()
		s.ask(release.Request{Rollback: true})
		s.pass(calm)
		s.runs("v1")
		keys(s, "second")
	})
}

func TestAMendingThatADeathInterruptedIsWatchedToItsEndThoughSecretsHaveChanged(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		s.world.Host("a").Halt("shop-worker")
		s.look(release.CauseReconcile)
		s.until("the mending is watched", func() bool { return s.world.Memory.Last().Status == release.Watching })
		s.process.Kill()
		s.stop()
		s.key = "second"
		s.start()
		s.pass(calm)
		s.runs("v1")
		keys(s, "first")
		r := s.last(release.Succeeded)
		if !strings.Contains(r.Reason, "on 2 hosts") {
			t.Errorf("it says %q", r.Reason)
		}
		s.quiet()
	})
}

func TestWhatAReleaseCouldNotStopIsStoppedLaterThoughSecretsHaveChanged(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		for range 3 {
			s.world.FailNext("b", "stop shop-web-v1", false)
		}
		s.push(v("2"))
		s.until("v2 is live", func() bool {
			r := s.world.Memory.Last()
			return r.Version == "v2" && r.Status == release.Succeeded
		})
		if up := s.world.Host("b").Running("web"); len(up) != 2 {
			t.Fatalf("b runs %v", up)
		}
		s.key = "second"
		s.pass(calm)
		s.runs("v2")
		keys(s, "first")
		s.quiet()
	})
}

// What brought the changed secret failed and left its container behind; when
// the one that works ends, that is no matter of secrets.
func TestAContainerThatEndedIsMendedThoughAnotherIsThereWithTheChangedSecret(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.world.Push("acme/shop:v1", fleettest.App{Rejects: []string{"second"}, OnlyOn: []string{"a"}})
		s.push(v("1"))
		s.pass(calm)
		s.key = "second"
		s.push(commit{sha: "d1", image: "v1"})
		s.pass(calm)
		s.last(release.RolledBack)
		s.world.Host("b").Halt("shop-web")
		s.pass(calm)
		s.runs("v1")
		s.quiet()
	})
}

// An engine that fails while it starts a container for the first time may never
// be able to start it: another one is made.
func TestAContainerWhoseFirstStartBrokeOffIsMadeAnew(t *testing.T) {
	t.Run("by a mending", func(t *testing.T) {
		scenario(t, two, func(s *daemon) {
			s.push(v("1"))
			s.pass(calm)
			s.world.Host("a").Remove("shop-worker")
			s.world.Next("a", "start shop-worker-v1", fleettest.Partial)
			s.pass(calm)
			s.runs("v1")
			s.last(release.Succeeded)
			s.quiet()
		})
	})
	t.Run("by the release after it", func(t *testing.T) {
		scenario(t, two, func(s *daemon) {
			s.push(v("1"))
			s.pass(calm)
			s.world.Next("a", "start shop-worker-v2", fleettest.Partial)
			s.push(v("2"))
			s.until("its start breaks off", s.did("a", "start shop-worker-v2"))
			s.process.Kill()
			s.stop()
			s.tip = commit{sha: "d2", image: "v2"}
			s.start()
			s.pass(calm)
			s.runs("v2")
			s.last(release.Succeeded)
			s.never(release.RolledBack)
			s.quiet()
		})
	})
}

// An engine's list may show a container as running that ended a moment ago.
func TestAContainerThatALateListShowsRunningIsNoVerdict(t *testing.T) {
	t.Run("where it gets the traffic", func(t *testing.T) {
		scenario(t, two, func(s *daemon) {
			s.push(v("1"))
			s.pass(calm)
			s.push(v("2"))
			s.pass(calm)
			s.ask(release.Request{Rollback: true})
			locked := func() bool { return len(s.world.Host("a").Locks()) > 0 }
			s.until("v1 is live", func() bool {
				r := s.world.Memory.Last()
				return r.Version == "v1" && r.Status == release.Succeeded && !locked()
			})
			s.ask(release.Request{Rollback: true})
			s.until("a is locked for v2", locked)
			s.world.Next("a", "list containers", fleettest.Stale)
			s.pass(calm)
			if n := s.world.Forced(); n > 0 {
				t.Error("no list came late")
			}
			s.runs("v2")
			s.never(release.RolledBack)
			s.quiet()
		})
	})
	t.Run("where it stays as it is", func(t *testing.T) {
		scenario(t, two, func(s *daemon) {
			s.push(v("1"))
			s.pass(calm)
			s.torn = true
			for range 2 { // as the hosts are read first, and under the lock
				s.world.Next("a", "list containers", fleettest.Stale)
			}
			s.world.Host("a").Halt("shop-worker")
			slower := commit{sha: "d1", image: "v1", proxy: "  response_timeout: 60\n"}
			s.push(slower)
			s.pass(calm)
			s.runs("v1")
			s.never(release.RolledBack)
			s.last(release.Succeeded)
			s.quiet()
		})
	})
}
