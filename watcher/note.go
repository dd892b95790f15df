package watcher

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
)

// note keeps the outcome of a look: counts failures, logs a change of state
// once, and saves it when it changed or the saved one is old.
func (l *lane) note(ctx context.Context, snap mirror.Snapshot, err error) {
	now := time.Now()
	l.asked = 0
	switch {
	case err == nil || answered(err):
		l.failures = 0
	default:
		l.failures++
		if t, ok := errors.AsType[*mirror.Trouble](err); ok {
			l.asked = t.RetryAfter
		}
	}
	if err == nil {
		l.okFrom = now
	}
	look := release.Look{Repo: l.repo.Name, At: now, Tip: snap.Revision.SHA, State: state(err), OKFrom: l.okFrom}
	if err != nil && !answered(err) && l.seen != nil {
		look.Tip = l.seen.Revision.SHA
	}
	if l.with.Noted != nil {
		l.with.Noted(look)
	}
	same := look.State == l.saved.State && look.Tip == l.saved.Tip
	if kindOf(look.State) != kindOf(l.saved.State) {
		l.tell(look)
	}
	if same && now.Sub(l.saved.At) < saveEvery {
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, saveTimeout, errors.New("saving a look took too long"))
	defer cancel()
	if err := l.with.Looks.SaveLook(ctx, look); err != nil {
		l.log.Error("look was not saved", "err", err)
	}
	l.saved = look
}

// kindOf is the part of a state that does not vary from try to try.
func kindOf(state string) string {
	kind, _, _ := strings.Cut(state, ":")
	return kind
}

func (l *lane) tell(now release.Look) {
	switch {
	case now.State != "ok":
		l.log.Warn("repository could not be read", "state", now.State)
	case l.saved.State != "":
		l.log.Info("repository could be read again", "was", l.saved.State)
	default:
		l.log.Info("repository was read", "tip", now.Tip)
	}
}
