package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

var four = []string{"a", "b", "c", "d"}

func with(n, more string) commit {
	c := v(n)
	c.more = more
	return c
}

const (
	canaryOne = "  roles:\n    web: {strategy: canary}\n"
	rolling   = "  roles:\n    web: {strategy: rolling, wait: 1m}\n"
	halt      = "  on_failure: halt\n"
)

// when returns the moment at which each host sent its traffic to a version,
// and when its worker started.
func (s *daemon) when(version string) (switched map[string]time.Time, worker time.Time) {
	switched = map[string]time.Time{}
	for _, e := range s.world.Effects() {
		if strings.HasPrefix(e.Call, "switch ") && strings.HasSuffix(e.Call, version) {
			switched[e.Host] = e.At
		}
		if e.Call == "start shop-worker-"+version {
			worker = e.At
		}
	}
	return switched, worker
}

func TestARollingRoleSwitchesHostAfterHostAndTheWorkerWaitsForAll(t *testing.T) {
	scenario(t, four, func(s *daemon) {
		s.push(with("1", rolling))
		s.pass(calm)
		s.push(with("2", rolling))
		s.pass(calm)
		s.runs("v2")
		at, worker := s.when("v2")
		for i, name := range four[1:] {
			if gap := at[name].Sub(at[four[i]]); gap < time.Minute {
				t.Errorf("%s followed %s after %s", name, four[i], gap)
			}
		}
		if !worker.After(at["d"]) {
			t.Errorf("the worker started %s before the last host switched", at["d"].Sub(worker))
		}
		s.quiet()
	})
}

func TestACanaryIsWatchedBeforeTheOthersFollow(t *testing.T) {
	scenario(t, four, func(s *daemon) {
		s.push(with("1", canaryOne))
		s.pass(calm)
		s.push(with("2", canaryOne))
		s.pass(calm)
		s.runs("v2")
		s.last(release.Succeeded)
		at, worker := s.when("v2")
		for _, name := range four[1:] {
			if gap := at[name].Sub(at["a"]); gap < window {
				t.Errorf("%s followed the canary after %s", name, gap)
			}
		}
		if !worker.After(at["d"]) {
			t.Error("the worker did not wait")
		}
		s.quiet()
	})
}

func TestACanaryThatFailsIsAllThatEverSwitched(t *testing.T) {
	scenario(t, four, func(s *daemon) {
		s.world.Push("acme/shop:v3", fleettest.App{CrashAfter: 6 * time.Second, ExitCode: 1})
		s.push(with("2", canaryOne))
		s.pass(calm)
		s.push(with("3", canaryOne))
		s.pass(calm)
		s.runs("v2")
		s.last(release.RolledBack)
		if at, _ := s.when("v3"); len(at) != 1 {
			t.Errorf("%d hosts switched", len(at))
		}
		s.quiet()
	})
}

func TestANewerCommitEndsACanaryByGoingBack(t *testing.T) {
	for name, news := range map[string]func(s *daemon){
		"a commit": func(s *daemon) { s.push(with("3", canaryOne)) },
		"a person": func(s *daemon) { s.ask(release.Request{Version: "v3"}) },
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, four, func(s *daemon) {
				s.world.Push("acme/shop:v3", fleettest.App{})
				s.push(with("1", canaryOne))
				s.pass(calm)
				s.push(with("2", canaryOne))
				for !strings.Contains(s.world.Memory.Last().Reason, "canary on a") {
					time.Sleep(time.Millisecond)
				}
				time.Sleep(time.Second)
				begin := time.Now()
				news(s)
				s.pass(calm)
				s.runs("v3")
				i := slices.IndexFunc(s.world.Memory.Releases(), func(r release.Release) bool { return r.Version == "v2" })
				r := s.world.Memory.Releases()[i]
				if r.Status != release.Superseded || r.Failure != nil || r.Ended.Sub(begin) > window {
					t.Errorf("it is %s (%s) after %s, failure %v", r.Status, r.Reason, r.Ended.Sub(begin), r.Failure)
				}
				if at, _ := s.when("v2"); len(at) != 1 {
					t.Errorf("%d hosts switched to v2", len(at))
				}
				s.quiet()
			})
		})
	}
}

func TestHaltLeavesAllAsItIsAndCallsAPersonOnce(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.world.Push("acme/shop:v3", fleettest.App{CrashAfter: 6 * time.Second, ExitCode: 1, OnlyOn: []string{"b"}})
		s.push(with("2", halt))
		s.pass(calm)
		s.push(with("3", halt))
		s.pass(calm)
		r := s.last(release.NeedsHuman)
		if got := s.world.Host("a").Serving(web); got != "v3" {
			t.Errorf("a serves %s", got)
		}
		if len(r.Hosts) != 2 || r.Hosts[0].State != "new" {
			t.Errorf("hosts %v", r.Hosts)
		}
		s.quiet()
		s.world.Push("acme/shop:v4", fleettest.App{})
		s.push(with("4", halt))
		s.pass(calm)
		s.runs("v4")
		s.last(release.Succeeded)
	})
}
