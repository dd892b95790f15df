package history

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/release"
)

// QuarantinedReason begins why a release waits whose like failed before.
const QuarantinedReason = "quarantined"

// Quarantined says why a release of the lane waits: one with the same image and
// configuration failed. id is that one; recent are the lane's releases.
func Quarantined(lane release.Lane, id release.ID, recent []release.Release) string {
	what, why := "this image with this configuration failed as "+string(id), ""
	for _, r := range recent {
		if r.ID != id {
			continue
		}
		what = r.Version + " with this configuration failed"
		if !r.Ended.IsZero() {
			what += " at " + r.Ended.UTC().Format("2006-01-02 15:04 MST")
		}
		if r.Failure != nil {
			why = " (" + r.Failure.Error() + ")"
		}
	}
	return fmt.Sprintf("%s: %s%s and is not tried again by itself; push a change, or `fairlead retry %s`", QuarantinedReason, what, why, lane)
}

// Superseded says what an open release gives way to.
func Superseded(r release.Release, by release.Request) string {
	switch {
	case by.Cause.Actor == "" && r.Revision.SHA == by.Revision.SHA:
		return "begun anew"
	case by.Cause.Actor == "":
		return "superseded by " + by.Revision.Short()
	case by.Retry:
		return "superseded: " + by.Cause.Actor + " has it tried again"
	case by.Resume:
		return "superseded: " + by.Cause.Actor + " follows Git again"
	case by.Chooses():
		return fmt.Sprintf("superseded: %s asked for `%s`", by.Cause.Actor, by.Wish())
	}
	return fmt.Sprintf("superseded: %s asked for a deploy of %s", by.Cause.Actor, by.Revision.Short())
}

// Unknown says that the version that a person asked for is nowhere: it was never
// live in the lane, and the registry has no image of that name.
func Unknown(asked release.Request, lane release.Lane, image string) error {
	if asked.Rollback {
		return fmt.Errorf("%s never ran %s, and there is no image %s", lane, asked.Version, image)
	}
	return fmt.Errorf("there is no image %s", image)
}

// Instead is what a person can do whose version is nowhere. good are the lane's
// releases that succeeded, newest first.
func Instead(asked release.Request, lane release.Lane, good []release.Release) string {
	back := WaysBack(good)
	switch {
	case !asked.Rollback:
		return "push that version's image, or ask for one that exists; `fairlead history " + lane.String() + "` shows those that ran"
	case back == "":
		return "no earlier version of " + lane.String() + " worked; push a commit that mends it"
	}
	return fmt.Sprintf("go back to one that worked: %s (`fairlead rollback %s VERSION`)", back, lane)
}

// choices bounds how many versions are named.
const choices = 5

// WaysBack names the versions that a person can go back to, newest first: those
// of good, but for the one that runs; "" for none.
func WaysBack(good []release.Release) string {
	var names []string
	for i, r := range good {
		if i > 0 && r.Version != good[0].Version && !slices.Contains(names, r.Version) {
			names = append(names, r.Version)
		}
	}
	if len(names) == 0 && len(good) > 0 && good[0].Previous != "" && good[0].Previous != good[0].Version {
		names = append(names, good[0].Previous) // what ran when Fairlead took over
	}
	return strings.Join(names[:min(len(names), choices)], ", ")
}
