package deployer

import (
	"cmp"
	"context"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/deployer/hook"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

// hooked makes what runs the release's hooks; nil where it runs none. What
// mends runs none, for they ran when its release came; nor does what a person
// asked for without them.
func (w *work) hooked() *hook.Run {
	like, ok := hook.Place(w.desired)
	if !ok || len(w.tasks) == 0 || w.mends || w.s.req.SkipHooks || history.Mends(w.r) {
		return nil
	}
	return &hook.Run{
		Work: w.run, Like: like, Tasks: w.tasks, Release: &w.r, Note: w.progress,
		Hosts: w.desired.Hosts(), Roles: w.s.req.Roles, Rollback: w.s.req.Rollback, Secrets: w.secrets, Builder: w.d.o.Yard.Builder(w.deploy),
	}
}

// progress records the release as it is, with what there is to say.
func (a *attempt) progress(ctx context.Context, message string) error {
	_, err := a.d.o.Memory.Releases.Save(ctx, a.r, release.Event{At: time.Now(), Kind: release.EventProgress, Message: message})
	return err
}

// sweepHooks ends what hooks of releases that do not go on left behind.
func (w *work) sweepHooks(ctx context.Context, o plan.Observed) error {
	return hook.Sweep(ctx, w.run, o, hook.Going(w.r, w.recent, w.mends))
}

// tidied does that where nothing else is to be done. err is what the attempt
// comes to.
func (a *attempt) tidied(ctx context.Context, o plan.Observed, err error) error {
	if a.settings.Mode == ModeObserve || !hook.Left(o, hook.Going(a.r, a.recent, a.mends)) {
		return err
	}
	return a.locked(ctx, func(ctx context.Context, w *work) error { return cmp.Or(w.sweepHooks(ctx, o), err) })
}
