package watcher

import (
	"errors"
	"slices"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
)

// submits tells whether a cause asks for a submission even of a commit that
// was submitted before.
func submits(c release.Cause) bool {
	switch c.Kind {
	case release.CauseStart, release.CauseReconcile, release.CauseManual, release.CauseRetry:
		return true
	}
	return false
}

// stronger returns the cause that a look for both is put down to: a person
// before a push, a push before a timer; the later of equals.
func stronger(a, b release.Cause) release.Cause {
	if rank(a) > rank(b) {
		return a
	}
	return b
}

func rank(c release.Cause) int {
	order := []release.CauseKind{"", release.CausePoll, release.CauseSchedule, release.CauseWebhook, release.CausePush,
		release.CauseReconcile, release.CauseStart, release.CauseRetry, release.CauseManual}
	return slices.Index(order, c.Kind)
}

// rewritten says how a new tip is not a descendant of the last one, as far as
// the commits seen tell; "" when it is, or nobody knows.
func rewritten(last, now mirror.Snapshot, recent []string) string {
	switch {
	case last.Revision.Ref != now.Revision.Ref, slices.Contains(now.Parents, last.Revision.SHA):
		return ""
	case slices.Contains(recent, now.Revision.SHA), slices.Contains(last.Parents, now.Revision.SHA):
		return "rewound from " + last.Revision.Short()
	case len(now.Parents) == 0, slices.Equal(now.Parents, last.Parents):
		return "force-pushed over " + last.Revision.Short()
	}
	return ""
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// state is the text of a release.Look for an outcome.
func state(err error) string {
	if err == nil {
		return "ok"
	}
	if t, ok := errors.AsType[*mirror.Trouble](err); ok {
		return t.Error()
	}
	return "failed: " + err.Error()
}

// answered tells whether the server works and only the ref is not there: then
// polling goes on as usual.
func answered(err error) bool {
	return errors.Is(err, mirror.ErrRefMissing) || errors.Is(err, mirror.ErrEmpty)
}
