package deployer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/accessory"
	"github.com/fairlead-deploy/fairlead/deployer/hook"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/record"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/release"
)

// work is what an attempt does under the lock.
type work struct {
	*attempt
	run   *rollout.Run
	held  *lock.Held
	hooks *hook.Run // nil: it runs none
	// left has the hosts that are not ours to touch now, and why.
	left map[string]error
	// What the hosts run, read under the lock while it was being written.
	observed    plan.Observed
	observedErr error
}

// keep stores what the release is made of, with what a person asked for; a
// mending has the roles and hosts of what it mends.
func (a *attempt) keep(ctx context.Context, k record.Kept) error {
	if commanded(a.s.req) || a.s.req.Only() != "" {
		k.Request = &a.s.req
	}
	return k.Write(ctx, a.d.o.Memory.Effects, a.r.ID)
}

// locked does something while the lock of every host is ours.
func (a *attempt) locked(ctx context.Context, do func(context.Context, *work) error) error {
	hosts, files := a.rolloutHosts()
	var observed plan.Observed
	var unread error
	held, err := a.d.keeper.Take(ctx, a.r.Lane, files, a.owner(), func(ctx context.Context) {
		observed, unread = a.observe(ctx)
	})
	if err != nil && a.mends && !errors.As(err, new(*lock.HeldError)) && ctx.Err() == nil {
		held, hosts, err = a.lockSome(ctx)
		observed, unread = plan.Observed{}, nil
		if err == nil {
			observed, unread = a.observe(ctx)
		}
	}
	if err != nil {
		a.lane.swept = false // it may be half-taken
		return err
	}
	defer a.free(ctx, held)
	w := a.work(held, hosts)
	w.observed, w.observedErr = observed, unread
	return do(ctx, w)
}

func (a *attempt) work(held *lock.Held, hosts map[string]rollout.Host) *work {
	w := &work{attempt: a, held: held, run: &rollout.Run{
		Hosts: hosts, Journal: record.Journal{Effects: a.d.o.Memory.Effects, ID: a.r.ID}, Guard: held.Check,
		Log: a.log.With("service", a.r.Lane.String(), "release", a.r.ID),
	}}
	w.hooks = w.hooked()
	return w
}

func (a *attempt) free(ctx context.Context, held *lock.Held) {
	if err := held.Free(context.WithoutCancel(ctx)); err != nil {
		a.lane.swept = false
		a.log.Warn("lock not freed", "service", a.r.Lane.String(), "error", err)
	}
}

func (a *attempt) owner() lock.Owner {
	return lock.Owner{ID: a.d.o.Owner, Release: a.r.ID, Version: a.r.Version, Message: "Automatic deploy lock"}
}

// tidy sweeps hosts that are not otherwise looked at. It is tried again when
// it does not work.
func (a *attempt) tidy(ctx context.Context) error {
	if a.lane.swept || a.dry {
		return nil
	}
	if err := a.openSecrets(ctx); err != nil {
		return err
	}
	if err := a.connect(ctx); err != nil {
		return err
	}
	return a.sweep(ctx, a.hosts.Files())
}

// sweep frees the locks that this installation left when it died, or could not
// free when a host was away.
func (a *attempt) sweep(ctx context.Context, files map[string]lock.Files) error {
	if a.lane.swept {
		return nil
	}
	err := a.d.keeper.Sweep(ctx, a.r.Lane, files, a.owner())
	a.lane.swept = err == nil
	if errors.Is(err, lock.ErrYoung) { // nothing is wrong yet; it is looked at again
		return nil
	}
	return err
}

// forward rolls out: it plans once more, now that nobody else may change
// anything, and goes through stages, gate and watch.
func (w *work) forward(ctx context.Context) error {
	observed, err := w.observed, w.observedErr
	if err != nil {
		return err
	}
	if err := w.stopped(ctx); err != nil {
		return err
	}
	if err := w.sweepHooks(ctx, observed); err != nil {
		return err
	}
	p := w.plan(observed)
	if p.Empty() && !w.resumed && !w.begun {
		return errUnchanged
	}
	if p.Refused != "" {
		return &waitError{reason: p.Refused}
	}
	if !w.resumed {
		w.r.Changes = p.Changes
	}
	w.r.Failure, w.r.Live = nil, time.Time{}
	if err := w.baseline(ctx, observed, p); err != nil {
		return err
	}
	if w.each {
		return w.mendEach(ctx, p)
	}
	if err := w.stages(ctx, p); err != nil {
		if ctx.Err() != nil || errors.As(err, new(*accessory.Error)) {
			return err
		}
		if errors.Is(err, errNewer) {
			return w.outrun(ctx)
		}
		return w.failed(ctx, err)
	}
	if err := w.held.Still(ctx, ""); err != nil {
		return err // who slept looks again before he says anything
	}
	if err := w.run.Do(ctx, p.Finishing()); err != nil {
		// What should have been stopped or removed is seen and done next time.
		w.log.Warn("clean-up is not complete", "release", w.r.ID, "error", err)
	}
	said, err := w.hooks.Finish(ctx)
	if err != nil {
		return err
	}
	if err := w.held.Still(ctx, ""); errors.Is(err, lock.ErrLost) {
		return err
	}
	w.outcome("new")
	return w.save(ctx, release.Succeeded, w.live()+hook.Undone(w.target, w.good)+said)
}

// stopped tells of a person who stopped the service since its wishes were
// looked at: he had the lock until now.
func (w *work) stopped(ctx context.Context) error {
	h, err := w.d.o.Memory.Wishes.Held(ctx, w.r.Lane)
	if err != nil || h == nil || !h.LeavesServers() || commanded(w.s.req) || w.resumed {
		return err
	}
	return &waitError{reason: fmt.Sprintf("%s; `fairlead resume %s` goes on", h, w.r.Lane)}
}

// live says what is live where, as a message.
func (w *work) live() string {
	return w.r.LiveOn(w.s.req.Meant(w.r, w.target != nil), len(w.desired.Hosts()))
}

// baseline finds, or remembers from before a crash, what to go back to, and
// writes it down before the first effect.
func (w *work) baseline(ctx context.Context, o plan.Observed, p plan.Plan) error {
	k, err := w.remembered(ctx)
	if err != nil {
		return err
	}
	known, others := !w.each && w.base != nil && w.base.In(w.desired.Lane, o), k.Without(w.desired.Hosts())
	if known && len(others) == 0 {
		return nil
	}
	left, err := record.Left(ctx, w.d.o.Memory.Effects, w.good, w.desired.Hosts())
	if err != nil {
		return err
	}
	base := plan.BaselineOf(w.desired, o, left)
	if known {
		base = w.base.With(base, others)
	} else if !w.each || w.base.In(w.desired.Lane, o) {
		base = w.base.Over(base, w.desired.Lane, o) // besides the hosts that drifted since
	}
	w.base = base
	if was := w.base.Versions(); len(was) > 0 {
		w.r.Previous = was[0]
	}
	k = record.Kept{Baseline: &w.base, Hosts: append(k.Hosts, others...), Files: w.files(), File: w.deploy.File, Version: w.r.Version, Digest: w.r.Digest,
		Origin: w.origin, Found: k.And(p.Found()), Scale: w.scale, Brings: w.brings}
	if w.target != nil && k.Origin == "" {
		k.Origin = w.target.ID
	}
	return w.keep(ctx, k)
}

func (w *work) remembered(ctx context.Context) (record.Kept, error) {
	k, err := record.Read(ctx, w.d.o.Memory.Effects, w.r.ID)
	if err == nil && k.Baseline != nil {
		w.base = *k.Baseline
	}
	return k, err
}

// stages goes through all stages but the last, and watches.
func (w *work) stages(ctx context.Context, p plan.Plan) error {
	for _, st := range p.Stages {
		status, message := st.Tells(w.r.Version)
		if status == "" {
			continue
		}
		if w.r.Status != status {
			if err := w.save(ctx, status, message); err != nil {
				return err
			}
		}
		if st.Name != plan.StageBeside && st.Name != plan.StagePrepare {
			if err := w.hooks.Before(ctx); err != nil {
				return err
			}
		}
		if err := accessory.Blame(st, w.run.Do(ctx, []plan.Stage{st})); err != nil {
			return err
		}
		if len(st.Watch) > 0 {
			if err := w.canaries(ctx, st); err != nil {
				return err
			}
		}
	}
	if err := w.hooks.After(ctx); err != nil {
		return err
	}
	w.r.Live = time.Now()
	if err := w.save(ctx, release.Watching, fmt.Sprintf("live, watched for %s", w.desired.Policy.Window)); err != nil {
		return err
	}
	return w.run.Watch(ctx, p.Live, w.desired.Policy.Window)
}

// failed goes back, or halts where deploy.yml says so.
func (w *work) failed(ctx context.Context, cause error) error {
	w.r.Failure = rollout.Explain(cause)
	if w.r.Failure.Class == release.Verdict {
		if err := w.held.Still(ctx, w.r.Failure.Host); err != nil { // somebody else may have ended it
			w.r.Failure = rollout.Explain(&rollout.StepError{Host: w.r.Failure.Host, Step: w.r.Failure.Step, Err: err})
		}
	}
	if !w.desired.Policy.Rollback && w.r.Failure.Class == release.Verdict {
		// Another try would end alike, so it waits for a person or a change.
		if err := w.quarantine(ctx); err != nil {
			return err
		}
		w.stands(ctx)
		said, err := w.hooks.Failed(ctx, false)
		if err != nil {
			return err
		}
		return w.save(ctx, release.NeedsHuman, "halted as on_failure says: "+w.r.Failure.Error()+said)
	}
	if err := w.save(ctx, release.RollingBack, "going back: "+w.r.Failure.Error()); err != nil {
		return err
	}
	return w.back(ctx)
}
