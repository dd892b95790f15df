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
	"github.com/fairlead-deploy/fairlead/internal/schedule"
	"github.com/fairlead-deploy/fairlead/release"
)

// Ongoing are the releases of a lane whose hooks may go on.
type Ongoing struct {
	lane release.Lane
	ids  []release.ID
}

// Going are the release itself and, where it mends, those that it comes in
// between: of the lane's last ones, all that are open.
func Going(r release.Release, recent []release.Release, mends bool) Ongoing {
	on := Ongoing{r.Lane, []release.ID{r.ID}}
	for _, other := range recent {
		if mends && !other.Status.Terminal() {
			on.ids = append(on.ids, other.ID)
		}
	}
	return on
}

// Left tells whether containers of hooks are on the hosts that releases left
// which do not go on.
func Left(o plan.Observed, on Ongoing) bool {
	for _, h := range o.Hosts {
		if slices.ContainsFunc(h.Beside, on.left) {
			return true
		}
	}
	return false
}

// left tells whether a container is one of them.
func (on Ongoing) left(c container.Observed) bool {
	l := c.Spec.Labels
	return l[label] != "" && l[plan.LabelService] == on.lane.Service && l[plan.LabelDestination] == on.lane.Destination &&
		!slices.Contains(on.ids, release.ID(l[plan.LabelRelease]))
}

// Sweep removes them. One that runs still is waited for until its own deadline,
// counted from now, and stopped then: its work may be half-done, and another
// release's hooks are not to come in between.
func Sweep(ctx context.Context, w *rollout.Run, o plan.Observed, on Ongoing) error {
	for _, host := range slices.Sorted(maps.Keys(o.Hosts)) {
		for _, c := range o.Hosts[host].Beside {
			h, ours := w.Hosts[host]
			if !ours || !on.left(c) {
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
		if err := schedule.Pause(ctx, lastLook); err != nil {
			return err
		}
	}
}
