package hook

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/release"
)

// Left tells whether containers of hooks are on the hosts that releases left
// which do not go on: all but those that keep has.
func Left(lane release.Lane, o plan.Observed, keep []release.ID) bool {
	for _, h := range o.Hosts {
		if slices.ContainsFunc(h.Beside, func(c container.Observed) bool { return left(lane, c, keep) }) {
			return true
		}
	}
	return false
}

func left(lane release.Lane, c container.Observed, keep []release.ID) bool {
	l := c.Spec.Labels
	return l[label] != "" && l[plan.LabelService] == lane.Service && l[plan.LabelDestination] == lane.Destination &&
		!slices.Contains(keep, release.ID(l[plan.LabelRelease]))
}

// Sweep removes them. One that runs still is waited for until its own deadline,
// counted from now, and stopped then: its work may be half-done, and another
// release's hooks are not to come in between.
func Sweep(ctx context.Context, w *rollout.Run, lane release.Lane, o plan.Observed, keep []release.ID) error {
	for _, host := range slices.Sorted(maps.Keys(o.Hosts)) {
		for _, c := range o.Hosts[host].Beside {
			h, ours := w.Hosts[host]
			if !ours || !left(lane, c, keep) {
				continue
			}
			if err := outlive(ctx, w, h, c); err != nil {
				return &rollout.StepError{Host: host, Step: "end hook " + c.Name, Err: err}
			}
		}
	}
	return nil
}

func outlive(ctx context.Context, w *rollout.Run, h rollout.Host, c container.Observed) error {
	limit, err := time.ParseDuration(c.Spec.Labels[labelDeadline])
	if err != nil {
		limit = deadline
	}
	begin, heard := time.Now(), time.Now()
	for {
		now, err := h.Engine.Inspect(ctx, c.ID)
		switch {
		case errors.Is(err, docker.ErrNotFound):
			return nil
		case err == nil && (!now.State.IsUp() || time.Since(begin) >= limit):
			if now.State.IsUp() {
				err = effect(ctx, w, h.Name, "stop "+c.Name, func() error { return h.Containers.Stop(ctx, c.ID, grace) })
			}
			if err == nil {
				err = effect(ctx, w, h.Name, "remove "+c.Name, func() error { return h.Cleaner.Remove(ctx, c.ID) })
			}
			if err == nil {
				return nil
			}
		case err == nil:
			heard = time.Now()
		}
		if err != nil && (!rollout.Passes(err) || time.Since(heard) > silence) {
			return err
		}
		if err := rollout.Wait(ctx, lastLook); err != nil {
			return err
		}
	}
}
