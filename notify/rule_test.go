package notify_test

import (
	"testing"

	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/release"
)

func TestTheDefaultRuleTellsEndsWaitingAndAlerts(t *testing.T) {
	want := map[release.Status]bool{
		release.Queued: false, release.Planning: false, release.Waiting: true, release.Preparing: false, release.Switching: false,
		release.Watching: false, release.RollingBack: false, release.Succeeded: true, release.RolledBack: true, release.Failed: true,
		release.Superseded: true, release.NeedsHuman: true, release.Unchanged: false,
	}
	for status, wanted := range want {
		ev := release.Event{Kind: release.EventStatus, Release: &release.Release{Status: status}}
		if got, why := (notify.Rule{}).Wants(ev); got != wanted || why == "" {
			t.Errorf("%s: %t, %q", status, got, why)
		}
		if got, _ := (notify.Rule{Every: true}).Wants(ev); !got {
			t.Errorf("every: %s is missing", status)
		}
		ev.Kind = release.EventProgress
		if got, _ := (notify.Rule{Every: true}).Wants(ev); got {
			t.Errorf("progress within %s was wanted", status)
		}
	}
}

func TestNobodyIsWokenForSomethingNewer(t *testing.T) {
	for _, kind := range []release.EventKind{release.EventAlert, release.EventRecovered} {
		if wanted, why := (notify.Rule{Every: true}).Wants(release.Event{Kind: kind, Key: release.Newer + "tag/shop"}); wanted || why == "" {
			t.Errorf("%s: %t, %q", kind, wanted, why)
		}
		if wanted, _ := (notify.Rule{}).Wants(release.Event{Kind: kind, Key: "world/shop"}); !wanted {
			t.Errorf("%s of a trouble is missing", kind)
		}
	}
}

func TestRulesNarrow(t *testing.T) {
	failed := release.Event{Kind: release.EventStatus, Lane: release.Lane{Service: "shop", Destination: "production"},
		Release: &release.Release{Status: release.Failed}}
	alert := release.Event{Kind: release.EventAlert}
	laneAlert := release.Event{Kind: release.EventAlert, Lane: release.Lane{Service: "blog"}}
	for _, test := range []struct {
		name string
		rule notify.Rule
		ev   release.Event
		want bool
	}{
		{"a chosen status", notify.Rule{Statuses: []release.Status{release.Failed}}, failed, true},
		{"another status", notify.Rule{Statuses: []release.Status{release.Succeeded}}, failed, false},
		{"statuses leave alerts", notify.Rule{Statuses: []release.Status{release.Succeeded}}, alert, true},
		{"by service", notify.Rule{Services: []string{"shop"}}, failed, true},
		{"by lane", notify.Rule{Services: []string{"shop-production"}}, failed, true},
		{"another service", notify.Rule{Services: []string{"blog"}}, failed, false},
		{"an alert of no lane", notify.Rule{Services: []string{"blog"}}, alert, true},
		{"an alert of another lane", notify.Rule{Services: []string{"shop"}}, laneAlert, false},
		{"quiet", notify.Rule{Quiet: true}, alert, false},
		{"quiet tells releases", notify.Rule{Quiet: true}, failed, true},
		{"a recovery", notify.Rule{}, release.Event{Kind: release.EventRecovered}, true},
		{"a status without a release", notify.Rule{Every: true}, release.Event{Kind: release.EventStatus}, false},
	} {
		if got, why := test.rule.Wants(test.ev); got != test.want {
			t.Errorf("%s: %t (%s)", test.name, got, why)
		}
	}
}
