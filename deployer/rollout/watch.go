package rollout

import (
	"context"
	"errors"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/internal/schedule"
)

// watchUnknown is how long a host may not answer within the watch before the
// watch ends with that as its error: no verdict comes from silence.
// One call that hangs until its deadline is outlived.
const watchUnknown = 45 * time.Second

// shortest is the least pause between two looks.
const shortest = 10 * time.Millisecond

// Watch looks at live containers until the window has passed. It returns nil
// when all kept working, at once a *StepError with a verdict when one did not,
// and one of the world when a host fell silent. A window of zero is no watch.
func (r *Run) Watch(ctx context.Context, live []plan.Watched, window time.Duration) error {
	if window <= 0 {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg abreast.Group
	errs := make([]error, len(live))
	for i, w := range live {
		wg.Go(func() {
			err := r.watch(ctx, w, window)
			if err != nil && !errors.Is(context.Cause(ctx), errHalted) {
				errs[i] = &StepError{Host: w.Unit.Host, Role: w.Unit.Role, Step: "watch " + w.Ref.Name, Err: err}
				cancel(errHalted)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// watch looks at one container. The window ends only with an answer: a host
// that fell silent near its end is waited for.
func (r *Run) watch(ctx context.Context, w plan.Watched, window time.Duration) error {
	h := r.Hosts[w.Unit.Host]
	id := r.id(w.Unit, w.Ref)
	begin, heard, restarts := time.Now(), time.Now(), health.RestartsUnknown
	var bad []string
	for {
		left := max(window-time.Since(begin), 0)
		if err := schedule.Pause(ctx, max(min(w.Unit.Health.Interval, left), shortest)); err != nil {
			return err
		}
		first := restarts == health.RestartsUnknown
		answer, err := health.Check(ctx, h.Engine, h.Prober, id, w.Unit.Health, &restarts)
		switch {
		case first && w.Kept && health.Ended(err):
			return health.ErrOutdated
		case errors.As(err, new(*health.Error)):
			return err
		case err != nil:
			if time.Since(heard) > watchUnknown {
				return err
			}
			continue
		case answer == "":
			bad = nil
		default:
			bad = append(bad, answer)
		}
		heard = time.Now()
		if len(bad) >= w.Unit.Health.Retries {
			return health.Failed(ctx, h.Engine, id, bad)
		}
		if len(bad) == 0 && time.Since(begin) >= window {
			return nil
		}
	}
}
