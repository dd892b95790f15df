package deployer

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/alert"
	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/deployer/image"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/release"
)

// settle records how an attempt ended, where it has not done so itself, and
// tells whether it is tried again.
func (a *attempt) settle(ctx context.Context, err error) (retry bool) {
	var rerr error
	var absent *image.AbsentError
	switch {
	case err == nil:
		retry, rerr = a.hosts.Away, a.well(ctx)
	case errors.Is(err, errUnchanged):
		retry, rerr = a.hosts.Away, errors.Join(a.unchanged(ctx), a.well(ctx))
	case errors.As(err, new(*badFileError)):
		rerr = a.refused(ctx, err)
	case errors.As(err, new(*waitError)):
		retry, rerr = a.hosts.Away, a.waiting(ctx, err.Error())
	case errors.As(err, &absent):
		retry, rerr = a.awaits(ctx, absent)
	default:
		rerr = a.world(ctx, err)
		retry = true
	}
	if rerr != nil {
		a.log.Error("release not recorded; trying again", "service", a.r.Lane.String(), "error", rerr)
		return true
	}
	return retry
}

// unchanged records once per revision that there was nothing to do.
func (a *attempt) unchanged(ctx context.Context) error {
	if !a.recorded && a.known() && !commanded(a.s.req) {
		return nil
	}
	message := "the servers already run what " + a.r.Revision.Short() + " says"
	if a.target != nil {
		message = "the servers already run " + a.r.Version
	}
	for _, name := range slices.Sorted(maps.Keys(a.hosts.Skipped)) {
		message += "; not looked at: " + name + ", " + a.hosts.Skipped[name]
	}
	return a.save(ctx, release.Unchanged, message)
}

// known tells whether the newest release of the lane is about this revision.
func (a *attempt) known() bool {
	r, ok := a.newest()
	return ok && r.Revision.SHA == a.r.Revision.SHA && r.Status.Terminal()
}

// newest is the lane's newest release that did not merely repair what was good.
func (a *attempt) newest() (release.Release, bool) { return history.Newest(a.recent) }

// refused ends a revision whose deploy.yml cannot be used; what runs stays.
func (a *attempt) refused(ctx context.Context, err error) error {
	if last, _ := a.newest(); !a.recorded && a.known() && last.Status == release.Failed && !commanded(a.s.req) {
		return nil
	}
	f := &release.Failure{Class: release.Verdict, Step: "read deploy.yml", Message: err.Error(), Next: "mend the file and push; what runs is untouched"}
	reason := "deploy.yml cannot be used; what runs is untouched"
	if errors.Is(err, fs.ErrNotExist) {
		f.Next, reason = "push the file; what runs is untouched", err.Error()+"; what runs is untouched"
	}
	if bad, ok := errors.AsType[*badFileError](err); ok && bad.step != "" {
		f.Step, f.Next, f.Logs, reason = bad.step, bad.next, bad.logs, err.Error()+"; what runs is untouched"
	}
	a.r.Failure = f
	return a.save(ctx, release.Failed, reason)
}

// waiting records a reason to wait, once per reason.
func (a *attempt) waiting(ctx context.Context, reason string) error {
	if a.recorded && a.r.Status == release.Waiting && a.r.Reason == reason {
		return nil
	}
	if last, _ := a.newest(); !a.recorded && a.known() && last.Status != release.Unchanged && last.Status != release.Succeeded {
		return nil // this very revision failed already; its end has been told
	}
	return a.save(ctx, release.Waiting, reason)
}

// world records a fault of the world and raises one alert for it.
func (a *attempt) world(ctx context.Context, err error) error {
	if a.r.Status == release.RollingBack && a.r.Failure.Class == release.Verdict {
		return a.alarm(ctx, err) // it stays on its way back
	}
	f := rollout.Explain(err)
	f.Class = release.World
	a.r.Failure = f
	if a.recorded || !a.known() || commanded(a.s.req) || a.r.Changes != nil {
		if !a.recorded || a.r.Status != release.Waiting || a.r.Reason != err.Error() {
			if serr := a.save(ctx, release.Waiting, err.Error()); serr != nil {
				return serr
			}
		}
	}
	return a.alarm(ctx, err)
}

// alarm raises one alert for a fault of the world.
func (a *attempt) alarm(ctx context.Context, err error) error {
	a.log.Warn("waiting for the world", "service", a.r.Lane.String(), "error", err)
	return a.bell().World(ctx, err)
}

// well ends what was told of the world and, unless some hosts are not as they
// should be, of a drift.
func (a *attempt) well(ctx context.Context) error {
	err := a.bell().Works(ctx)
	if a.drift != "" {
		return errors.Join(err, a.bell().Drift(ctx, a.drift))
	}
	return errors.Join(err, a.bell().Undrifted(ctx))
}

func (a *attempt) bell() alert.Bell { return alert.Bell{Alerts: a.d.o.Memory.Alerts, Lane: a.r.Lane} }
