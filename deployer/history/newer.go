package history

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

// Secrets are the secret variables whose values changed at their source since
// the last good release, sorted. good are the lane's releases that succeeded,
// newest first: on a host that the newest left out, everything is caught up.
func Secrets(p plan.Plan, d plan.Desired, good []release.Release) []string {
	names := map[string]bool{}
	for _, c := range p.Changes {
		if ofSecret(c, d, good) {
			names[strings.TrimPrefix(c.Field, "env.")] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Stale are the units of which nothing differs but the values of secrets, as
// in Secrets.
func Stale(p plan.Plan, d plan.Desired, good []release.Release) (units []plan.Key) {
	stale := map[plan.Key]bool{}
	for _, c := range p.Changes {
		k := plan.Key{Host: c.Host, Role: c.Role, Replica: c.Replica}
		others, known := stale[k]
		stale[k] = ofSecret(c, d, good) && (others || !known)
	}
	for _, u := range d.Units {
		if stale[u.Key()] {
			units = append(units, u.Key())
		}
	}
	return units
}

func ofSecret(c release.Change, d plan.Desired, good []release.Release) bool {
	name, isEnv := strings.CutPrefix(c.Field, "env.")
	i := slices.IndexFunc(d.Units, func(u plan.Unit) bool { return u.Host == c.Host && u.Role == c.Role })
	return isEnv && i >= 0 && !d.Units[i].Clear[name] && c.Was != "" && c.Want != "" && len(good) > 0 && RanOn(good[0], c.Host)
}

// Rests tells until when changed secrets that are followed are not brought once
// more, after what brought them last failed: each time twice as long. It is zero
// where that did not fail. r is what would bring them; it is made of what the
// last good release is made of, so only secrets can have failed before.
func Rests(r release.Release, recent []release.Release) (until time.Time) {
	pause := healWithin / 2
	for _, old := range recent {
		if old.ID == r.ID || Mends(old) || !old.Status.Terminal() || old.Status == release.Superseded {
			continue
		}
		if old.Identity != r.Identity || old.Failure == nil || old.Failure.Class != release.Verdict || old.Status == release.Succeeded {
			break
		}
		if until.IsZero() {
			until = old.Ended
		}
		pause = min(pause*2, healRests)
	}
	if until.IsZero() {
		return until
	}
	return until.Add(pause)
}
