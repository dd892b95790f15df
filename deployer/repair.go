package deployer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/clash"
	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/deployer/image"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/record"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/texts"
	"github.com/fairlead-deploy/fairlead/release"
)

// stays tells whether an attempt ended so that the last good release stays
// what the servers should run: a hold, a quarantine, a file that cannot be
// used, an image that is not there yet.
func (a *attempt) stays(err error) bool {
	if !a.owned || a.recorded && a.r.Status.UnderWay() || a.settings.Mode == ModeObserve || len(a.good) == 0 {
		return false
	}
	if last, _ := a.newest(); last.Status == release.NeedsHuman {
		return false
	}
	w, ok := errors.AsType[*waitError](err)
	asked := commanded(a.s.req) && a.s.req.Chooses() // for another release
	return ok && w.stays || !asked && (errors.As(err, new(*badFileError)) || errors.As(err, new(*image.AbsentError)))
}

// repair looks whether the servers still run the last good release, while the
// tip of Git waits, and mends them where they do not. It records nothing where
// nothing is to do. retry tells that the world was in the way.
func (a *attempt) repair(ctx context.Context) (retry bool) {
	b := &attempt{d: a.d, lane: a.lane, s: a.s, log: a.log, settings: a.settings, mends: true}
	err := b.contained(ctx, func(ctx context.Context) error { return b.mend(ctx, a.r.Lane) })
	switch {
	case ctx.Err() != nil || errors.Is(err, errNothingKept):
		return false
	case err == nil || errors.Is(err, errUnchanged):
		retry, err = b.hosts.Away, b.well(ctx)
	case errors.As(err, new(*waitError)):
		retry, err = b.hosts.Away, b.bell().Drift(ctx, err.Error())
	case b.recorded:
		return b.settle(ctx, err)
	default:
		err = b.alarm(ctx, err)
	}
	if err != nil {
		a.log.Warn("repair not told of", "service", a.r.Lane.String(), "error", err)
	}
	return retry
}

// errNothingKept: no release succeeded yet, or what it was made of is not known.
var errNothingKept = errors.New("nothing is kept of the last good release")

// mend is run for the last good release: as a rollback to it, by the
// containers that it left.
func (a *attempt) mend(ctx context.Context, lane release.Lane) error {
	if err := a.history(ctx, lane); err != nil {
		return err
	}
	if len(a.good) == 0 {
		return errNothingKept
	}
	now, last := time.Now(), a.good[0]
	a.s.req = release.Request{
		Revision: last.Revision, Destination: lane.Destination,
		Cause: release.Cause{Kind: release.CauseReconcile, Detail: history.DetailRepair},
	}
	a.r = release.Release{
		ID: release.NewID(now, last.Revision, a.d.draw()), Lane: lane, Revision: last.Revision,
		Cause: a.s.req.Cause, Status: release.Queued, Queued: now,
	}
	if err := a.asLeft(ctx, last); err != nil {
		return err
	}
	observed, err := a.arrive(ctx)
	if err != nil {
		return err
	}
	p := a.plan(observed)
	if err := errors.Join(a.bell().Loops(ctx, p, observed), a.tellSkipped(ctx)); err != nil || p.Empty() {
		return errors.Join(err, errUnchanged)
	}
	if p.Refused != "" {
		return &waitError{reason: p.Refused}
	}
	if err := a.heals(p); err != nil {
		return err
	}
	return a.locked(ctx, func(ctx context.Context, w *work) error { return w.forward(ctx) })
}

// asLeft makes the attempt want what an earlier release left on the servers.
func (a *attempt) asLeft(ctx context.Context, r release.Release) error {
	k, err := a.aim(ctx, r)
	if err != nil {
		return err
	}
	if len(k.Files) == 0 {
		return errNothingKept
	}
	if k.Request != nil {
		a.s.req.Roles, a.s.req.Hosts = k.Request.Roles, k.Request.Hosts
	}
	return a.want(ctx)
}

// aim makes an earlier release what the attempt goes to: its deploy.yml, and
// the containers that it, or the one that it went back to itself, had made.
func (a *attempt) aim(ctx context.Context, to release.Release) (record.Kept, error) {
	a.target, a.r.Target = &to, to.Beside(a.r.Revision)
	k, err := record.Read(ctx, a.d.o.Memory.Effects, to.ID)
	if err != nil || len(k.Files) == 0 {
		return k, err
	}
	a.origin, a.traces, a.source, a.scale = k.Origin, append(k.Found, string(k.Origin)), texts.Files(k.Files), a.s.req.Scaled(k.Scale)
	path := k.File
	if path == "" && a.deploy != nil {
		path = a.deploy.File
	}
	o := a.settings.Reading(ctx, release.Request{Destination: a.r.Lane.Destination})
	o.Path = path
	deploy, _, err := spec.Load(a.source, o)
	if err != nil {
		return k, fmt.Errorf("read the deploy.yml of %s: %w", to.ID, err)
	}
	a.deploy = deploy
	return k, nil
}

// plan plans the way from what runs to what the attempt is about.
func (a *attempt) plan(o plan.Observed) plan.Plan {
	if a.target != nil {
		a.desired = plan.Retained(a.desired, o, *a.target, a.traces...)
	}
	return a.beside(a.leaveStale(a.compare(o), o), o)
}

// compare plans without regard to what is left as it is.
func (a *attempt) compare(o plan.Observed) plan.Plan {
	a.each = a.mends
	return clash.Refuse(plan.Make(a.desired, o), a.desired, o)
}
