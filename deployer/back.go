package deployer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/reach"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/internal/schedule"
	"github.com/fairlead-deploy/fairlead/release"
)

const (
	backTries = 3
	backPause = 5 * time.Second
)

// backs tells whether the attempt goes on with a release that was on its way
// back when the daemon ended.
func (a *attempt) backs() bool {
	return a.resumed && a.r.Status == release.RollingBack && a.r.Failure != nil
}

// goBack finishes the way back that another process began, at once wherever a
// host answers and its lock can be had.
func (a *attempt) goBack(ctx context.Context) error {
	if err := a.desire(ctx); err != nil {
		return err
	}
	if len(a.hosts.Absent) == 0 {
		if err := a.sweep(ctx, a.hosts.Files()); err != nil {
			a.log.Warn("old locks not looked for", "service", a.r.Lane.String(), "error", err)
		}
	}
	hosts, files := a.rolloutHosts()
	held, bad := a.d.keeper.TakeSome(ctx, a.r.Lane, files, a.owner())
	if len(bad) > 0 {
		a.lane.swept = false
	}
	if held == nil {
		return &worldError{errors.Join(slices.Collect(maps.Values(bad))...)}
	}
	defer a.free(ctx, held)
	w := a.work(held, hosts)
	w.left = bad
	return w.back(ctx)
}

// back takes every host to what ran before, and ends the release.
func (w *work) back(ctx context.Context) error {
	if _, err := w.remembered(ctx); err != nil {
		return err
	}
	f := w.r.Failure
	again := !w.brings && (history.Mends(w.r) || history.Drifted(w.r, w.good))
	if again {
		// The same has worked before, and there is no other "before": what got
		// well elsewhere stays, only unwell hosts go back.
		w.desired = w.desired.Only(nil, history.Unwell(w.r))
	}
	left := w.backAll(ctx)
	if ctx.Err() != nil {
		return left
	}
	if f.Class == release.World {
		return &worldError{errors.Join(f, left)}
	}
	if again {
		return w.unmended(ctx, left)
	}
	if err := w.quarantine(ctx); err != nil {
		return err
	}
	if err := w.held.Still(ctx, ""); errors.Is(err, lock.ErrLost) {
		return &worldError{err} // who slept looks again before he says anything
	}
	if left != nil && !final(left) {
		return &worldError{left} // the rest goes back when its host is back
	}
	said, err := w.hooks.Failed(ctx, left == nil && len(w.base) > 0)
	if err != nil {
		return err
	}
	if left != nil {
		w.stands(ctx)
		return w.save(ctx, release.NeedsHuman, fmt.Sprintf("%s failed (%s), and going back did not work everywhere: %s%s", w.what(), f.Error(), left, said))
	}
	if len(w.base) == 0 {
		w.outcome("none")
		return w.save(ctx, release.Failed, fmt.Sprintf("%s failed, and nothing ran before: %s%s", w.what(), f.Error(), said))
	}
	w.outcome("old")
	return w.save(ctx, release.RolledBack, fmt.Sprintf("%s failed; back on %s on %s: %s%s", w.what(), strings.Join(w.base.Versions(), " and "), release.Count(len(w.desired.Hosts()), "host"), f.Error(), said))
}

// final tells whether going back cannot work by waiting: what ran before is
// gone, or was seen not to work any more.
func final(err error) bool {
	return errors.Is(err, docker.ErrNotFound) || rollout.Explain(err).Class == release.Verdict
}

// worldError is a fault of the world in an attempt that goes back, or did.
type worldError struct{ err error }

func (e *worldError) Error() string { return e.err.Error() }
func (e *worldError) Unwrap() error { return e.err }

// backAll plans back and does it until nothing is left to do, a few times.
func (w *work) backAll(ctx context.Context) error {
	var left error
	for range backTries {
		observed := w.look(ctx)
		if hosts, err := observed.Unreachable(); err != nil {
			left = &reach.UnreachableError{Hosts: hosts, Err: err}
		} else {
			left = nil
		}
		observed, gone := w.remake(ctx, observed)
		left = errors.Join(left, gone)
		p := plan.Back(w.desired, observed, w.base)
		if left == nil && p.Empty() {
			return nil
		}
		stages, skipped := w.touchable(p.Stages, observed)
		if err := errors.Join(skipped, w.run.Do(ctx, stages)); err != nil {
			left = errors.Join(left, err)
		}
		if left == nil {
			continue // look once more that it is so
		}
		if !rollout.Passes(left) && !errors.Is(left, docker.ErrNotFound) { // what was there may be made again
			return left // once more would end alike
		}
		if err := schedule.Pause(ctx, backPause); err != nil {
			return err
		}
	}
	return left
}

// touchable leaves out hosts that could not be read, and those whose lock is
// not ours, which it tells.
func (w *work) touchable(stages []plan.Stage, o plan.Observed) ([]plan.Stage, error) {
	var skipped []error
	for _, st := range stages {
		for name := range st.Steps {
			if w.left[name] != nil {
				skipped = append(skipped, w.left[name])
			}
			if w.left[name] != nil || o.Hosts[name].Err != nil {
				delete(st.Steps, name)
			}
		}
	}
	return stages, errors.Join(skipped...)
}

// stands tells how each host stands where not all are alike.
func (w *work) stands(ctx context.Context) {
	o := w.look(ctx)
	w.r.Hosts = history.Standing(w.desired, o, w.plan(o), plan.Back(w.desired, o, w.base))
}
