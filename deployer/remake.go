package deployer

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

// remake makes containers again that the release should go back to and that
// somebody removed meanwhile: of what is stored of the release that had them.
// It returns what the hosts have then. What cannot be made again is an error.
func (w *work) remake(ctx context.Context, o plan.Observed) (plan.Observed, error) {
	if !w.rebase(o) {
		return o, nil
	}
	if err := w.makeAgain(ctx, o); err != nil {
		return o, fmt.Errorf("make again what ran before: %w", err)
	}
	o = w.look(ctx)
	w.rebase(o)
	return o, nil
}

// rebase turns to the containers that were made again, and tells whether any
// is missing still.
func (w *work) rebase(o plan.Observed) (missing bool) {
	var last release.ID
	if len(w.good) > 0 {
		last = w.good[0].ID
	}
	return w.base.Rebase(w.r.Lane, w.reached(o), last)
}

// reached is what of the hosts could be read and is ours to touch.
func (w *work) reached(o plan.Observed) plan.Observed {
	hosts := maps.Clone(o.Hosts)
	maps.DeleteFunc(hosts, func(name string, _ plan.Host) bool { return w.left[name] != nil })
	return plan.Observed{Hosts: hosts}
}

// makeAgain creates them, not started.
func (w *work) makeAgain(ctx context.Context, o plan.Observed) error {
	if len(w.good) == 0 {
		return fmt.Errorf("%w: it was not Fairlead's, so how it was made is not known", docker.ErrNotFound)
	}
	last := w.good[0]
	b := &attempt{d: w.d, lane: w.lane, log: w.log, settings: w.settings, mends: true, recent: w.recent, good: w.good}
	b.s = submission{release.Request{Revision: last.Revision, Destination: w.r.Lane.Destination, Cause: release.Cause{Kind: release.CauseReconcile}}, w.s.files}
	b.r = release.Release{ID: last.ID, Lane: w.r.Lane, Revision: last.Revision, Cause: b.s.req.Cause}
	if err := b.asLeft(ctx, last); err != nil {
		return err
	}
	st := plan.Stage{Name: plan.StageBack, Steps: map[string][]plan.Step{}}
	for k, e := range w.base {
		if !e.Gone(w.r.Lane, w.reached(o), k) {
			continue
		}
		i := slices.IndexFunc(b.desired.Units, func(u plan.Unit) bool { return u.Key() == k })
		if i < 0 || e.Version != last.Version {
			return fmt.Errorf("%w: %s on %s, which the last good release did not make", docker.ErrNotFound, e.Name, k.Host)
		}
		st.Steps[k.Host] = append(st.Steps[k.Host], plan.Again(b.desired, o, b.desired.Units[i])...)
	}
	w.log.Info("making again what ran before", "service", w.r.Lane.String(), "release", last.ID)
	return w.run.Do(ctx, []plan.Stage{st})
}
