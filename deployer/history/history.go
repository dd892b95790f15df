// Package history decides what a lane's earlier releases mean for the present:
// whether a difference is a drift, whether it may be mended now, and which
// release to go back to.
//
// It is pure: releases and plans in, reasons out. Reading and recording
// releases belongs to package deployer.
package history

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

// What a release of the reconciling was about, in its Cause.Detail: something
// that changed on the servers, not in Git.
const (
	DetailDrift  = "drift"  // from what the tip says
	DetailRepair = "repair" // from the last good release, while the tip waits
)

// What a release of the reconciling brought that is followed: something that
// changed at its source, neither in Git nor on the servers.
const (
	DetailTag     = "tag"     // the tag of the image names another one
	DetailSecrets = "secrets" // secrets have other values
)

// What keeps going wrong on the servers is mended at most so often: a fight
// with somebody's script, or a container that always ends, is for a person.
const (
	healLimit  = 3
	healWithin = time.Hour
	// healRests is the longest rest after mendings that failed, each twice as
	// long as the one before.
	healRests = 24 * time.Hour
)

// Mends tells whether a release is about a drift.
func Mends(r release.Release) bool {
	return r.Cause.Kind == release.CauseReconcile && (r.Cause.Detail == DetailDrift || r.Cause.Detail == DetailRepair)
}

// Newest is the newest release that did not merely repair what was good.
func Newest(recent []release.Release) (release.Release, bool) {
	for _, r := range recent {
		if r.Cause.Detail != DetailRepair || !Mends(r) {
			return r, true
		}
	}
	return release.Release{}, false
}

// Ends are the releases that succeeded, and those of the recent ones that
// failed.
func Ends(recent, succeeded []release.Release) (good, failed []string) {
	for _, r := range succeeded {
		good = append(good, string(r.ID))
	}
	for _, r := range recent {
		if r.Status == release.RolledBack || r.Status == release.Failed || r.Status == release.NeedsHuman {
			failed = append(failed, string(r.ID))
		}
	}
	return good, failed
}

// Drifted tells whether a plan is about what changed on the servers, not about
// what changed in Git: the same as the last release that succeeded is wanted.
func Drifted(r release.Release, good []release.Release) bool {
	return len(good) > 0 && good[0].Identity == r.Identity && good[0].Version == r.Version
}

// Heals decides about a drift, host by host, so that one that cannot be mended
// keeps no other waiting. It returns the hosts of the plan that wait, with the
// reason; the others are to be mended. A host that the last good release left
// out is no drift: it is caught up. recent and good are the lane's releases,
// newest first.
func Heals(selfHeal bool, recent, good []release.Release, p plan.Plan, now time.Time) (waits map[string]string) {
	waits = map[string]string{}
	for _, host := range Hosts(p) {
		if len(good) > 0 && !RanOn(good[0], host) {
			continue
		}
		if why := heals(selfHeal, recent, host, now); why != "" {
			waits[host] = why
		}
	}
	return waits
}

func heals(selfHeal bool, recent []release.Release, host string, now time.Time) (waits string) {
	if !selfHeal {
		return "`fairlead deploy` mends it, or x-fairlead.self_heal: true does each time"
	}
	if rest, why := resting(recent, host, now); rest {
		return "mending it failed (" + why + "); find out why, then `fairlead deploy`"
	}
	mended := 0
	for _, r := range recent {
		if Mends(r) && !r.Started.IsZero() && r.Status != release.Unchanged && now.Sub(r.Queued) < healWithin && changed(r, host) {
			mended++
		}
	}
	if mended >= healLimit {
		return fmt.Sprintf("mended %d times within an hour, and there it is again; find out who or what does it, then `fairlead deploy`", mended)
	}
	return ""
}

func changed(r release.Release, host string) bool {
	return slices.ContainsFunc(r.Changes, func(c release.Change) bool { return c.Host == host })
}

// Drift says what is missing where, and why it is not mended: of a plan on
// hosts that wait, each with its reason.
func Drift(p plan.Plan, waits map[string]string) string {
	var parts []string
	for _, host := range slices.Sorted(maps.Keys(waits)) {
		parts = append(parts, fmt.Sprintf("%s would %s: %s", host, Missing(p, host), waits[host]))
	}
	return "drift: " + strings.Join(parts, "; ")
}

// Missing says in a few words what a plan would do on a host, such as "start
// container web (exited)".
func Missing(p plan.Plan, host string) string {
	var parts []string
	for _, c := range p.Changes {
		if c.Host != host {
			continue
		}
		part := strings.TrimSpace(c.Step + " " + c.Role)
		switch {
		case c.Field == "state":
			part += " (" + c.Was + ")"
		case strings.HasPrefix(c.Step, "replace"):
			part += " (" + c.Field + ")"
		}
		if !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return "clean up"
	}
	return strings.Join(parts, ", ")
}

// resting tells whether the last mendings of a host ended with a verdict, so
// that another try would end alike, and what the last one said.
func resting(recent []release.Release, host string, now time.Time) (rest bool, why string) {
	var last release.Release
	pause := healWithin / 2
	for _, r := range recent {
		if !Mends(r) || !r.Status.Terminal() || r.Status == release.Superseded {
			continue
		}
		bad, said := failedOn(r, host)
		if !bad && !changed(r, host) {
			continue // it was about others
		}
		if !bad {
			break
		}
		if last.ID == "" {
			last, why = r, said
		}
		pause = min(pause*2, healRests)
	}
	return last.ID != "" && now.Sub(last.Ended) < pause, why
}

// failedOn tells whether a mending ended with a verdict on a host.
func failedOn(r release.Release, host string) (bool, string) {
	f := r.Failure
	if r.Status == release.Succeeded || f == nil || f.Class != release.Verdict {
		return false, ""
	}
	for _, h := range r.Hosts {
		if h.Host == host && h.State == StateUnwell && changed(r, host) {
			return true, h.Detail
		}
	}
	return f.Host == host, f.Error()
}

// Calm tells that no container was restarted by its engine a moment ago.
func Calm(o plan.Observed, now time.Time) bool {
	for _, h := range o.Hosts {
		for _, c := range h.Containers {
			if c.State.IsUp() && c.State.RestartCount > 0 && now.Sub(c.State.StartedAt) < 2*time.Minute {
				return false
			}
		}
	}
	return true
}

// Target picks from releases that succeeded, newest first, the one to
// go back to.
func Target(good []release.Release, version string) (release.Release, bool) {
	var current *release.Release
	for i, r := range good {
		if version != "" {
			if r.Version == version {
				return r, true
			}
			continue
		}
		if current != nil && r.Only != "" { // a part of the servers ran it, never all
			continue
		}
		if current == nil {
			current = &good[i]
			continue
		}
		if r.Identity != current.Identity {
			return r, true
		}
	}
	return release.Release{}, false
}
