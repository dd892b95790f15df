package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// migrates has a hook of two commands before the switch, and others around it.
const migrates = `hooks:
  pre-deploy: [bin/migrate, bin/seed]
  post-app-boot: [bin/warm]
  post-deploy: [bin/clear]
  on-failure: [bin/tell]
  on-rollback: [bin/undo]
`

func hooked(n string) commit {
	c := with(n, migrates)
	c.alone = true
	return c
}

// ranHooks are the hooks whose containers were started since, without the
// names of their releases.
func ranHooks(s *daemon, since int) (names []string) {
	for _, name := range s.world.Hooks()[since:] {
		for _, r := range s.world.Memory.Releases() {
			name = strings.Replace(name, "-"+string(r.ID), "", 1)
		}
		names = append(names, strings.TrimPrefix(name, "shop-hook-"))
	}
	return names
}

// noHooksLeft fails where any container of a hook is on any host.
func noHooksLeft(s *daemon) {
	s.t.Helper()
	for _, name := range s.world.Hosts() {
		if left := s.world.Host(name).HooksLeft(); len(left) > 0 {
			s.t.Errorf("%s still has %v", name, left)
		}
	}
}

// hookStories are rollouts with hooks, for deaths to come into.
func hookStories() map[string]story {
	ran := func(s *daemon, want ...string) {
		s.t.Helper()
		if got := ranHooks(s, 0); !slices.Equal(got, want) {
			s.t.Errorf("ran %v, want %v", got, want)
		}
		noHooksLeft(s)
	}
	before := func(app fleettest.App) func(*daemon) {
		return func(s *daemon) {
			s.push(commit{sha: "c1", image: "v1", alone: true})
			s.pass(calm)
			s.world.Push("acme/shop:v3", app)
		}
	}
	return map[string]story{
		"deploy with hooks": {
			before: before(fleettest.App{}),
			do: func(s *daemon) {
				c := hooked("3")
				c.script = "#!/bin/sh\n"
				s.push(c)
			},
			end: func(s *daemon) {
				s.runs("v3")
				s.last(release.Succeeded)
				ran(s, "pre-deploy-1", "pre-deploy-2", "pre-app-boot", "post-app-boot", "post-deploy")
			},
		},
		"deploy whose hook fails": {
			before: before(fleettest.App{Hooks: map[string]fleettest.Hook{"pre-deploy 2": {ExitCode: 3}}}),
			do:     func(s *daemon) { s.push(hooked("3")) },
			end: func(s *daemon) {
				s.runs("v1")
				s.last(release.RolledBack)
				ran(s, "pre-deploy-1", "pre-deploy-2", "on-failure", "on-rollback")
			},
		},
		"deploy whose hook hangs": {
			before: before(fleettest.App{Hooks: map[string]fleettest.Hook{"pre-deploy 1": {Takes: 100 * time.Hour}}}),
			do: func(s *daemon) {
				c := hooked("3")
				c.more = "  hooks: {pre-deploy: {deadline: 1m}}\n" + c.more
				s.push(c)
			},
			end: func(s *daemon) {
				s.runs("v1")
				s.last(release.RolledBack)
				ran(s, "pre-deploy-1", "on-failure", "on-rollback")
			},
		},
	}
}

func TestHooksRunInTheirOrderOnceOnOneHost(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(hooked("1"))
		s.pass(calm)
		s.runs("v1")
		if got := ranHooks(s, 0); !slices.Equal(got, []string{"pre-deploy-1", "pre-deploy-2", "post-app-boot", "post-deploy"}) {
			t.Errorf("ran %v", got)
		}
		noHooksLeft(s)
		r := s.last(release.Succeeded)
		if len(r.Hooks) != 4 || r.Hooks[0].Command != "bin/migrate" || r.Hooks[0].Host != "a" || r.Hooks[0].Ended.IsZero() || !slices.Equal(r.Hooks[0].Output, []string{"the last line"}) {
			t.Errorf("recorded: %+v", r.Hooks)
		}
		s.quiet()

		since := len(s.world.Hooks())
		s.world.Host("a").Halt("shop-web") // which is mended, and no release of its own
		s.pass(calm)
		s.runs("v1")
		if got := ranHooks(s, since); len(got) > 0 {
			t.Errorf("mending ran %v", got)
		}
	})
}

func TestAHookThatFailsKeepsTheOldVersionAndIsAVerdict(t *testing.T) {
	cases := map[string]struct {
		hook     string
		how      fleettest.Hook
		says     string
		switched bool
	}{
		"before the start":      {"pre-deploy 1", fleettest.Hook{ExitCode: 3}, "hook pre-deploy 1 ended with exit status 3 (bin/migrate)", false},
		"after the switch":      {"post-app-boot", fleettest.Hook{ExitCode: 1}, "hook post-app-boot ended with exit status 1 (bin/warm)", true},
		"by taking for ever":    {"pre-deploy 2", fleettest.Hook{Takes: 1000 * time.Hour}, "hook pre-deploy 2 was stopped: it took longer than 30m0s (bin/seed)", false},
		"by its end being late": {"pre-deploy 2", fleettest.Hook{Takes: 30 * time.Minute}, "hook pre-deploy 2 was stopped: it took longer than 30m0s (bin/seed)", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				s.world.Push("acme/shop:v3", fleettest.App{Hooks: map[string]fleettest.Hook{c.hook: c.how}})
				s.push(hooked("1"))
				s.pass(calm)
				s.push(hooked("3"))
				s.pass(3 * calm)
				s.runs("v1")
				r := s.last(release.RolledBack)
				if r.Failure == nil || r.Failure.Class != release.Verdict || r.Failure.Host != "a" || r.Failure.Message != c.says {
					t.Errorf("failure %+v", r.Failure)
				}
				if !strings.Contains(r.Reason, "did (pre-deploy") || !strings.HasSuffix(r.Reason, "is not undone") {
					t.Errorf("nothing is said of what hooks did: %s", r.Reason)
				}
				if switched(s, "v3") != c.switched {
					t.Errorf("v3 had the traffic: %t", switched(s, "v3"))
				}
				noHooksLeft(s)
				s.quiet()
				since := len(s.world.Hooks())
				d := hooked("3")
				d.sha = "d3" // only words changed
				s.push(d)
				s.pass(calm)
				if r := s.last(release.Waiting); !strings.Contains(r.Reason, "quarantined") || len(s.world.Hooks()) > since {
					t.Errorf("%s, %v", r.Reason, s.world.Hooks()[since:])
				}
				s.world.Mend("acme/shop:v3", fleettest.App{})
				s.ask(release.Request{Retry: true})
				s.pass(calm)
				s.runs("v3")
			})
		})
	}
}

func TestAHookAfterTheEndTakesNothingBack(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.world.Push("acme/shop:v3", fleettest.App{Hooks: map[string]fleettest.Hook{"post-deploy": {ExitCode: 1}}})
		s.push(hooked("3"))
		s.pass(calm)
		s.runs("v3")
		if r := s.last(release.Succeeded); !strings.Contains(r.Reason, "hook post-deploy ended with exit status 1") {
			t.Errorf("it is not told: %s", r.Reason)
		}
	})
}

// TestAHookIsRunOnceAcrossADeathAtAnyEffect kills the daemon before and after
// each effect of rollouts with hooks; the fake engine counts the starts.
func TestAHookIsRunOnceAcrossADeathAtAnyEffect(t *testing.T) {
	dieEverywhere(t, hookStories(), count)
}

func TestAHostThatGoesAwayWhileAHookRunsIsWaitedFor(t *testing.T) {
	for _, away := range []time.Duration{10 * time.Second, time.Hour} {
		t.Run(away.String(), func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				s.world.Push("acme/shop:v3", fleettest.App{Hooks: map[string]fleettest.Hook{"pre-deploy 1": {Takes: 10 * time.Minute}}})
				s.push(hooked("1"))
				s.pass(calm)
				s.push(hooked("3"))
				time.Sleep(time.Minute)
				s.world.Host("a").SetDown(true)
				time.Sleep(away)
				s.world.Host("a").SetDown(false)
				s.pass(2 * calm)
				s.runs("v3")
				s.last(release.Succeeded)
				noHooksLeft(s)
			})
		})
	}
}

func TestAHookWhoseContainerSomebodyRemovedIsNotRunAgain(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.world.Push("acme/shop:v3", fleettest.App{Hooks: map[string]fleettest.Hook{"pre-deploy 1": {Takes: 10 * time.Minute}}})
		s.push(hooked("1"))
		s.pass(calm)
		s.push(hooked("3"))
		time.Sleep(time.Minute)
		s.world.Host("a").Remove("shop-hook-pre-deploy")
		s.pass(calm)
		s.runs("v1")
		if r := s.last(release.RolledBack); !strings.Contains(r.Failure.Message, "somebody removed its container") {
			t.Errorf("failure %+v", r.Failure)
		}
	})
}

func TestAHookOfASupersededReleaseEndsBeforeTheNextBegins(t *testing.T) {
	for name, next := range map[string]commit{"newer": hooked("4"), "what runs": hooked("1")} {
		t.Run(name, func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				s.world.Push("acme/shop:v3", fleettest.App{Hooks: map[string]fleettest.Hook{"pre-deploy 1": {Takes: 10 * time.Minute}}})
				s.world.Push("acme/shop:v4", fleettest.App{})
				s.push(hooked("1"))
				s.pass(calm)
				s.push(hooked("3"))
				time.Sleep(time.Minute)
				s.process.Kill()
				s.stop()
				s.tip = next
				s.start()
				time.Sleep(5 * time.Minute)
				if left := s.world.Host("a").HooksLeft(); len(left) != 1 || !strings.Contains(left[0], "pre-deploy-") {
					t.Errorf("while it runs a has %v", left)
				}
				s.pass(calm)
				s.runs(next.image)
				noHooksLeft(s)
			})
		})
	}
}

func TestAPersonsRollbackRunsWhatIsForGoingBackAndSaysWhatIsNotUndone(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		for _, n := range []string{"1", "2"} {
			c := hooked(n)
			c.script = "#!/bin/sh\n" // a file runs on the way back, too: it can look where it goes
			s.push(c)
			s.pass(calm)
		}
		since := len(s.world.Hooks())
		s.ask(release.Request{Rollback: true})
		s.pass(calm)
		s.runs("v1")
		if got := ranHooks(s, since); !slices.Equal(got, []string{"pre-app-boot", "on-rollback"}) {
			t.Errorf("ran %v", got)
		}
		all := s.world.Memory.Releases()
		i := slices.IndexFunc(all, func(r release.Release) bool { return r.Cause.Kind == release.CauseManual })
		if r := all[i]; r.Status != release.Succeeded || !strings.Contains(r.Reason, "what its hooks did (pre-deploy, pre-app-boot, post-app-boot, post-deploy) is not undone") {
			t.Errorf("reason %q", r.Reason)
		}
		noHooksLeft(s)
	})
}

func TestAPersonCanDeployWithoutHooks(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.world.Push("acme/shop:v3", fleettest.App{Hooks: map[string]fleettest.Hook{"pre-deploy 1": {ExitCode: 1}}})
		s.push(hooked("1"))
		s.pass(calm)
		s.push(hooked("3"))
		s.pass(calm)
		s.last(release.RolledBack)
		since := len(s.world.Hooks())
		s.ask(release.Request{Retry: true, SkipHooks: true})
		s.pass(calm)
		s.runs("v3")
		if got := ranHooks(s, since); len(got) > 0 {
			t.Errorf("ran %v", got)
		}
	})
}

func TestHooksUnderRandomFaultsAreStillRunOnce(t *testing.T) {
	for n := range 40 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			scenarioOf(t, uint64(n+1), two, func(s *daemon) {
				s.world.Push("acme/shop:v3", fleettest.App{})
				s.push(hooked("1"))
				s.pass(calm)
				s.world.SetFaults(fleettest.Faults{Before: .05, Lost: .05, Hang: .01, Partial: .03, Stale: .05, Slow: .1})
				s.push(hooked("3"))
				s.pass(2 * calm)
				s.world.SetFaults(fleettest.Faults{})
				s.pass(2 * calm)
				s.push(hooked("2"))
				s.pass(2 * calm)
				s.runs("v2")
				noHooksLeft(s)
			})
		})
	}
}
