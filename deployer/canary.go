package deployer

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/release"
)

// errNewer ends the watch of canaries: something newer is asked for.
var errNewer = errors.New("something newer was asked for")

// canaries watches what a stage tries out, before the rest follows: hosts that
// went first, or a share of the clients.
func (w *work) canaries(ctx context.Context, st plan.Stage) error {
	if err := w.save(ctx, release.Switching, st.Trial()); err != nil {
		return err
	}
	watching, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	w.lane.queue.OnNews(cmp.Or(w.tip, w.r.Revision.SHA), func() { stop(errNewer) })
	defer w.lane.queue.OnNews("", nil)
	var err error
	if st.Name == plan.StageSplit {
		var counted rollout.Tally
		counted, err = w.run.Canary(watching, st.Watch, st.Window)
		if err == nil {
			err = w.save(ctx, release.Switching, counted.Passed())
		}
	} else {
		err = w.run.Watch(watching, st.Watch, st.Window)
	}
	if errors.Is(context.Cause(watching), errNewer) {
		return errNewer
	}
	return err
}

// outrun ends a release whose canaries were watched when something newer was
// asked for: they go back, and no verdict is spoken.
func (w *work) outrun(ctx context.Context) error {
	if err := w.save(ctx, release.RollingBack, "the canary ends: "+errNewer.Error()); err != nil {
		return err
	}
	left := w.backAll(ctx)
	if ctx.Err() != nil {
		return left
	}
	reason := "the canary was ended by something newer; back on " + strings.Join(w.base.Versions(), " and ")
	w.outcome("old")
	if left != nil { // what is newer goes to all hosts all the same
		reason = "the canary was ended by something newer, and going back did not work everywhere: " + left.Error()
		w.outcome("unknown")
	}
	return w.save(ctx, release.Superseded, reason)
}
