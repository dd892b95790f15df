package history_test

import (
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/release"
)

func TestAQuarantineSaysWhatFailedSinceWhenAndWhichCommandLiftsIt(t *testing.T) {
	lane, id := release.Lane{Service: "shop"}, release.ID("20261123-061502-9c1e0aa-3f2a")
	failed := release.Release{
		ID: id, Version: "v3", Status: release.RolledBack, Ended: time.Date(2026, 11, 23, 6, 15, 30, 0, time.UTC),
		Failure: &release.Failure{Host: "web1", Step: "await health", Message: "shop-web-v3 exited with code 1"},
	}
	for _, c := range []struct {
		name   string
		recent []release.Release
		want   string
	}{
		{"one of the last", []release.Release{{ID: "other", Version: "v2"}, failed},
			"quarantined: v3 with this configuration failed at 2026-11-23 06:15 UTC (web1: await health: shop-web-v3 exited with code 1) and is not tried again by itself; push a change, or `fairlead retry shop`"},
		{"long ago", nil,
			"quarantined: this image with this configuration failed as 20261123-061502-9c1e0aa-3f2a and is not tried again by itself; push a change, or `fairlead retry shop`"},
	} {
		if got := history.Quarantined(lane, id, c.recent); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestWhatGivesWayIsToldByWhomAndForWhat(t *testing.T) {
	open := release.Release{Revision: release.Revision{SHA: "1111111aaaa"}}
	ana := release.Cause{Kind: release.CauseManual, Actor: "ana"}
	same, newer := open.Revision, release.Revision{SHA: "2222222bbbb"}
	for want, by := range map[string]release.Request{
		"superseded by 2222222":                           {Revision: newer},
		"begun anew":                                      {Revision: same},
		"superseded: ana has it tried again":              {Revision: same, Cause: ana, Retry: true},
		"superseded: ana follows Git again":               {Revision: same, Cause: ana, Resume: true},
		"superseded: ana asked for `rollback v1`":         {Revision: same, Cause: ana, Rollback: true, Version: "v1"},
		"superseded: ana asked for `deploy --version v1`": {Revision: same, Cause: ana, Version: "v1"},
		"superseded: ana asked for a deploy of 1111111":   {Revision: same, Cause: ana},
		"superseded: ana asked for `app scale web=3`":     {Revision: same, Cause: ana, Scale: map[string]int{"web": 3}},
	} {
		if got := history.Superseded(open, by); got != want {
			t.Errorf("%+v: %q, want %q", by, got, want)
		}
	}
}

func TestWhoAsksForAVersionThatIsNowhereHearsWhichThereAre(t *testing.T) {
	lane, back := release.Lane{Service: "shop"}, release.Request{Rollback: true, Version: "v9"}
	versions := func(names ...string) (good []release.Release) {
		for _, v := range names {
			good = append(good, release.Release{Version: v})
		}
		return good
	}
	for _, c := range []struct {
		asked release.Request
		good  []release.Release
		want  string
	}{
		{back, versions("v5", "v4", "v5", "v4", "v3"), "go back to one that worked: v4, v3 (`fairlead rollback shop VERSION`)"},
		{back, versions("v9", "v8", "v7", "v6", "v5", "v4", "v3"), "go back to one that worked: v8, v7, v6, v5, v4 (`fairlead rollback shop VERSION`)"},
		{back, []release.Release{{Version: "v2", Previous: "v1"}}, "go back to one that worked: v1 (`fairlead rollback shop VERSION`)"},
		{back, versions("v5"), "no earlier version of shop worked; push a commit that mends it"},
		{release.Request{Version: "v9"}, versions("v5"), "push that version's image, or ask for one that exists; `fairlead history shop` shows those that ran"},
	} {
		if got := history.Instead(c.asked, lane, c.good); got != c.want {
			t.Errorf("%+v: %q, want %q", c.asked, got, c.want)
		}
	}
	if got := history.Unknown(back, lane, "acme/shop:v9").Error(); got != "shop never ran v9, and there is no image acme/shop:v9" {
		t.Error(got)
	}
}
