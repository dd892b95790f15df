package notify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/release"
)

// Rule says which events a channel sends. Its zero value is the default: every
// end of a release except "unchanged", waiting, alerts and recoveries.
type Rule struct {
	// Statuses replaces the default ones.
	Statuses []release.Status
	// Services limits the channel to these services ("shop") or lanes
	// ("shop-production"). Empty: all. Alerts without a lane pass.
	Services []string
	// Every sends each change of status, for channels that edit one message.
	Every bool
	// Quiet leaves out alerts and recoveries.
	Quiet bool
}

// Wants tells whether the channel sends an event, and why.
func (r Rule) Wants(ev release.Event) (bool, string) {
	if len(r.Services) > 0 && ev.Lane != (release.Lane{}) &&
		!slices.Contains(r.Services, ev.Lane.Service) && !slices.Contains(r.Services, ev.Lane.String()) {
		return false, fmt.Sprintf("%s is not one of the channel's services", ev.Lane)
	}
	if strings.HasPrefix(ev.Key, release.Newer) {
		return false, "no trouble: status shows what is newer"
	}
	switch ev.Kind {
	case release.EventAlert, release.EventRecovered:
		return !r.Quiet, "alerts and recoveries"
	case release.EventStatus:
		if ev.Release == nil {
			return false, "a status without a release"
		}
		return r.wantsStatus(ev.Release.Status)
	}
	return false, "progress within a status"
}

func (r Rule) wantsStatus(s release.Status) (bool, string) {
	switch {
	case r.Every:
		return true, "every status"
	case len(r.Statuses) > 0:
		return slices.Contains(r.Statuses, s), "the channel's statuses"
	case s == release.Unchanged:
		return false, "nothing changed"
	}
	return s.Terminal() || s == release.Waiting, "ends and waiting, by default"
}
