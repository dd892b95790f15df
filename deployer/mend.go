package deployer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/release"
)

// heals decides which hosts are mended now, and leaves the others as they are.
// The error says why all of them wait.
func (a *attempt) heals(p plan.Plan) error {
	hosts := history.Hosts(p)
	a.waits = history.Heals(a.deploy.XFairlead.SelfHeal, a.recent, a.good, p, time.Now())
	if len(a.waits) > 0 {
		a.drift = history.Drift(p, a.waits)
		if len(a.waits) == len(hosts) {
			return &waitError{reason: a.drift}
		}
	}
	for _, name := range hosts {
		if a.waits[name] == "" && history.RanOn(a.good[0], name) && !history.Mends(a.r) {
			a.r.Cause.Kind, a.r.Cause.Detail = release.CauseReconcile, history.DetailDrift
		}
	}
	a.desired = a.desired.Without(a.waits)
	return nil
}

// lockSome locks the hosts that let themselves be locked; the others are left
// out. One that somebody else has is an error all the same.
func (a *attempt) lockSome(ctx context.Context) (*lock.Held, map[string]rollout.Host, error) {
	_, files := a.rolloutHosts()
	held, bad := a.d.keeper.TakeSome(ctx, a.r.Lane, files, a.owner())
	var err error
	for _, e := range bad {
		if errors.As(e, new(*lock.HeldError)) {
			err = e
		}
	}
	if err = cmp.Or(err, a.hosts.PassOver(bad)); err == nil {
		err = a.leaveOut()
	}
	if err == nil && held == nil {
		err = errors.Join(slices.Collect(maps.Values(bad))...)
	}
	if err != nil && held != nil {
		a.free(ctx, held)
	}
	hosts, _ := a.rolloutHosts()
	return held, hosts, err
}

// mendEach mends hosts side by side, each by itself and to its own end: what is
// wrong with one keeps no other waiting.
func (w *work) mendEach(ctx context.Context, p plan.Plan) error {
	if err := w.save(ctx, release.Preparing, "mending "+strings.Join(history.Hosts(p), ", ")); err != nil {
		return err
	}
	hosts := history.Hosts(p)
	if len(w.desired.Only(nil, hosts).Units) == 0 || len(hosts) == 0 { // what is there is watched all the same
		hosts = append(hosts, w.desired.Hosts()...)
	}
	bad := map[string]error{}
	rollout.OnEach(hosts, bad, func(host string) error { return w.run.Do(ctx, p.On(host, false)) })
	if ctx.Err() == nil && len(bad) < len(hosts) {
		w.r.Live = time.Now()
		if err := w.save(ctx, release.Watching, fmt.Sprintf("mended, watched for %s", w.desired.Policy.Window)); err != nil {
			return err
		}
		rollout.OnEach(hosts, bad, func(host string) error {
			return w.run.Watch(ctx, p.Watches(host), w.desired.Policy.Window)
		})
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	unwell := maps.Clone(bad)
	rollout.OnEach(hosts, bad, func(host string) error { return w.run.Do(ctx, p.On(host, true)) })
	for name, err := range bad {
		if unwell[name] == nil { // what should have been stopped or removed is seen and done next time
			w.log.Warn("clean-up is not complete", "release", w.r.ID, "host", name, "error", err)
		}
	}
	if len(unwell) > 0 {
		return w.mendBack(ctx, unwell)
	}
	w.outcome(history.StateNew)
	return w.save(ctx, release.Succeeded, w.live())
}

// mendBack takes the hosts that could not be mended back to what they had, and
// ends the release.
func (w *work) mendBack(ctx context.Context, bad map[string]error) error {
	unwell := maps.Clone(w.waits)
	if unwell == nil {
		unwell = map[string]string{}
	}
	var all []error
	for _, name := range slices.Sorted(maps.Keys(bad)) {
		f := rollout.Explain(bad[name])
		unwell[name] = f.Step + ": " + f.Message
		all = append(all, bad[name])
	}
	w.r.Failure = rollout.Explain(errors.Join(all...))
	tried := w.desired
	w.waits, w.desired = unwell, tried.Without(unwell)
	w.outcome(history.StateNew)
	w.desired = tried
	if err := w.save(ctx, release.RollingBack, "mending did not work: "+w.r.Failure.Error()); err != nil {
		return err
	}
	return w.back(ctx)
}

// unmended ends a release that did not mend all hosts. left is what is left to
// do on the way back, which here is no worse than before.
func (w *work) unmended(ctx context.Context, left error) error {
	reason := "mending what runs did not work: " + w.r.Failure.Error()
	if left != nil {
		reason += "; nor did going back there: " + left.Error()
	}
	if len(w.r.Hosts) == 0 {
		w.outcome("old")
	}
	return w.save(ctx, release.Failed, reason)
}
