package history

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

func TestADriftIsWhatGitDidNotCause(t *testing.T) {
	good := []release.Release{{Identity: "a", Version: "v1"}}
	for want, r := range map[bool]release.Release{true: {Identity: "a", Version: "v1"}, false: {Identity: "b", Version: "v1"}} {
		if Drifted(r, good) != want {
			t.Errorf("Drifted(%+v) = %t", r, !want)
		}
	}
	if Drifted(release.Release{Identity: "a"}, nil) {
		t.Error("a first release is no drift")
	}
}

// drifted is a plan that does something on hosts.
func drifted(hosts ...string) (p plan.Plan) {
	for _, host := range hosts {
		p.Changes = append(p.Changes, release.Change{Host: host, Role: "web", Step: "start container", Field: "state", Was: "exited", Want: "running"})
	}
	return p
}

func TestADriftIsMendedThriceAnHourAndThenWaits(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	heal := func(ago time.Duration) release.Release {
		return release.Release{
			Cause: release.Cause{Kind: release.CauseReconcile, Detail: DetailDrift}, Status: release.Succeeded,
			Queued: now.Add(-ago), Started: now.Add(-ago), Changes: drifted("a").Changes,
		}
	}
	recent := []release.Release{heal(time.Minute), heal(10 * time.Minute), heal(2 * time.Hour),
		{Cause: release.Cause{Kind: release.CausePoll}, Status: release.Succeeded, Queued: now}}
	both := drifted("a", "b")
	if waits := Heals(true, recent, nil, both, now); len(waits) > 0 {
		t.Errorf("the third time is mended; it says %q", waits)
	}
	waits := Heals(true, append(recent, heal(20*time.Minute)), nil, both, now)
	if !strings.Contains(waits["a"], "mended 3 times") || len(waits) != 1 {
		t.Errorf("the fourth time waits, on that host alone; it says %v", waits)
	}
	if why := Drift(both, waits); !strings.HasPrefix(why, "drift: a would start container web (exited): mended 3 times") || strings.Contains(why, "b would") {
		t.Errorf("it says %q", why)
	}
	if waits := Heals(false, nil, nil, both, now); len(waits) != 2 || !strings.Contains(waits["b"], "self_heal") {
		t.Errorf("without self_heal it only tells; it says %v", waits)
	}
	good := []release.Release{{Hosts: []release.HostOutcome{{Host: "a", State: StateNew}, {Host: "b", State: StateSkipped}}}}
	if waits := Heals(false, nil, good, both, now); len(waits) != 1 || waits["a"] == "" {
		t.Errorf("a host that was left out is caught up; it says %v", waits)
	}
}

func TestAMendingThatFailedRestsLongerEachTime(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	tried := func(ago time.Duration, status release.Status) release.Release {
		return release.Release{
			ID: "r", Cause: release.Cause{Kind: release.CauseReconcile, Detail: DetailRepair}, Status: status,
			Queued: now.Add(-ago), Ended: now.Add(-ago), Changes: drifted("a", "b").Changes,
			Failure: &release.Failure{Class: release.Verdict, Host: "a", Message: "exited"},
		}
	}
	other := tried(time.Minute, release.Failed)
	other.Failure, other.Changes = &release.Failure{Class: release.Verdict, Host: "c"}, drifted("c").Changes
	cases := []struct {
		recent []release.Release
		waits  bool
	}{
		{[]release.Release{tried(59*time.Minute, release.Failed)}, true},
		{[]release.Release{tried(61*time.Minute, release.Failed)}, false},
		{[]release.Release{tried(61*time.Minute, release.Failed), tried(3*time.Hour, release.NeedsHuman)}, true},
		{[]release.Release{tried(121*time.Minute, release.Failed), tried(3*time.Hour, release.NeedsHuman)}, false},
		{[]release.Release{tried(61*time.Minute, release.Failed), tried(3*time.Hour, release.Succeeded), tried(4*time.Hour, release.Failed)}, false},
		{[]release.Release{other, tried(59*time.Minute, release.Failed)}, true},
	}
	for i, c := range cases {
		waits := Heals(true, c.recent, nil, drifted("a", "b"), now)
		if (waits["a"] != "") != c.waits {
			t.Errorf("case %d: %q", i, waits)
		}
		if waits["b"] != "" {
			t.Errorf("case %d: b waits for what a has: %q", i, waits)
		}
	}
	both := tried(59*time.Minute, release.Failed)
	both.Hosts = []release.HostOutcome{{Host: "a", State: StateUnwell, Detail: "exited"}, {Host: "b", State: StateUnwell, Detail: "no answer"}}
	if waits := Heals(true, []release.Release{both}, nil, drifted("a", "b"), now); !strings.Contains(waits["b"], "no answer") {
		t.Errorf("a mending that failed on both: %q", waits)
	}
}

func TestABareRollbackSkipsWhatOnlyAPartOfTheServersRan(t *testing.T) {
	is := func(id release.ID, identity, only string) release.Release {
		return release.Release{ID: id, Identity: identity, Version: "v-" + string(id), Only: only}
	}
	for name, tc := range map[string]struct {
		good    []release.Release
		version string
		to      release.ID
	}{
		"the one before":                 {[]release.Release{is("c", "3", ""), is("b", "2", ""), is("a", "1", "")}, "", "b"},
		"the same once more":             {[]release.Release{is("c", "2", ""), is("b", "2", ""), is("a", "1", "")}, "", "a"},
		"one on a part of the servers":   {[]release.Release{is("c", "3", ""), is("b", "2", "web"), is("a", "1", "")}, "", "a"},
		"from one on a part":             {[]release.Release{is("c", "3", "on h1"), is("b", "2", "web"), is("a", "1", "")}, "", "a"},
		"only parts before":              {[]release.Release{is("c", "3", ""), is("b", "2", "on h1")}, "", ""},
		"one on a part, asked for":       {[]release.Release{is("c", "3", ""), is("b", "2", "web"), is("a", "1", "")}, "v-b", "b"},
		"a version that never succeeded": {[]release.Release{is("c", "3", "")}, "v9", ""},
	} {
		if got, ok := Target(tc.good, tc.version); got.ID != tc.to || ok != (tc.to != "") {
			t.Errorf("%s: it goes to %q (%t), want %q", name, got.ID, ok, tc.to)
		}
	}
}
