package history

import (
	"slices"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

func TestAChangedSecretIsNoDriftButAChangedClearValueIs(t *testing.T) {
	d := plan.Desired{Units: []plan.Unit{{Host: "a", Role: "web", Clear: map[string]bool{"COLOUR": true}}, {Host: "b", Role: "web"}}}
	good := []release.Release{{Hosts: []release.HostOutcome{{Host: "a", State: StateNew}, {Host: "b", State: StateSkipped}}}}
	change := func(field, was, want string) release.Change {
		return release.Change{Host: "a", Role: "web", Field: field, Was: was, Want: want}
	}
	secret, clear := change("env.PASSWORD", "[redacted]", "[redacted]"), change("env.COLOUR", "red", "blue")
	late := secret
	late.Host = "b"
	for name, tc := range map[string]struct {
		changes []release.Change
		names   []string
		stale   bool // nothing else is to be done there
	}{
		"a secret's value":                   {[]release.Change{secret}, []string{"PASSWORD"}, true},
		"a clear value":                      {[]release.Change{clear}, nil, false},
		"a variable that is gone":            {[]release.Change{change("env.PASSWORD", "", "[redacted]")}, nil, false},
		"a secret and the image":             {[]release.Change{secret, change("image", "a", "b")}, []string{"PASSWORD"}, false},
		"the image and a secret":             {[]release.Change{change("image", "a", "b"), secret}, []string{"PASSWORD"}, false},
		"a secret where it is caught up":     {[]release.Change{late}, nil, false},
		"a secret of a unit nobody asks for": {[]release.Change{{Host: "a", Role: "worker", Field: "env.PASSWORD", Was: "x", Want: "y"}}, nil, false},
		"nothing":                            {nil, nil, false},
	} {
		p := plan.Plan{Changes: tc.changes}
		if got := Secrets(p, d, good); !slices.Equal(got, tc.names) {
			t.Errorf("%s: %v", name, got)
		}
		if got := Stale(p, d, good); (len(got) > 0) != tc.stale || tc.stale && got[0] != (plan.Key{Host: "a", Role: "web"}) {
			t.Errorf("%s: stale %v", name, got)
		}
	}
}

func TestSecretsThatFailedRestLongerEachTime(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	is := func(status release.Status, identity string, ago time.Duration) release.Release {
		r := release.Release{ID: release.ID(ago.String()), Identity: identity, Status: status, Ended: now.Add(-ago)}
		if status != release.Succeeded {
			r.Failure = &release.Failure{Class: release.Verdict}
		}
		return r
	}
	drift := is(release.Failed, "a", time.Minute)
	drift.Cause = release.Cause{Kind: release.CauseReconcile, Detail: DetailDrift}
	for name, tc := range map[string]struct {
		recent []release.Release
		rests  time.Duration // from now
	}{
		"nothing failed":               {[]release.Release{is(release.Succeeded, "a", time.Minute)}, 0},
		"it failed":                    {[]release.Release{is(release.RolledBack, "a", time.Minute), is(release.Succeeded, "a", time.Hour)}, 59 * time.Minute},
		"it failed twice":              {[]release.Release{is(release.RolledBack, "a", time.Minute), is(release.NeedsHuman, "a", time.Hour)}, 119 * time.Minute},
		"it failed before it worked":   {[]release.Release{is(release.Succeeded, "a", time.Minute), is(release.RolledBack, "a", time.Hour)}, 0},
		"something else failed":        {[]release.Release{is(release.RolledBack, "b", time.Minute)}, 0},
		"a mending failed":             {[]release.Release{drift}, 0},
		"a mending failed after it":    {[]release.Release{drift, is(release.RolledBack, "a", time.Hour/2)}, time.Hour / 2},
		"it fails for days, each hour": {slices.Repeat([]release.Release{is(release.RolledBack, "a", time.Hour)}, 20), 23 * time.Hour},
	} {
		got := Rests(release.Release{ID: "now", Identity: "a"}, tc.recent)
		if want := now.Add(tc.rests); tc.rests == 0 && !got.IsZero() || tc.rests > 0 && !got.Equal(want) {
			t.Errorf("%s: until %s", name, got)
		}
	}
}
