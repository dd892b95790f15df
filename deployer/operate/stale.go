package operate

import (
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

// staleOf returns the running containers of a target that are of another
// version than the current one: that which the proxy sends requests to, else
// that of the newest that runs.
func staleOf(lane release.Lane, t target, all []container.Observed, routes []plan.Live) []container.Observed {
	up := slices.DeleteFunc(of(lane, t, all), func(c container.Observed) bool { return !c.State.IsUp() })
	if len(up) < 2 {
		return nil
	}
	current := plan.VersionOf(lane, up[0])
	for _, r := range routes {
		if r.Service != plan.RouteName(lane, t.role) {
			continue
		}
		to, _, _ := strings.Cut(r.Target, ":")
		i := slices.IndexFunc(up, func(c container.Observed) bool {
			return to != "" && (strings.HasPrefix(c.ID, to) || c.Name == to)
		})
		if i >= 0 {
			current = plan.VersionOf(lane, up[i])
		}
	}
	return slices.DeleteFunc(up, func(c container.Observed) bool { return plan.VersionOf(lane, c) == current })
}

// surplus returns the stopped containers of each replica of a target beyond the newest retain
// of those that worked and the newest of those that are known to have failed,
// which tells why.
func surplus(list []container.Observed, retain int, failed []string) []container.Observed {
	var gone []container.Observed
	counts := map[string]int{}
	for _, c := range list {
		if c.State.IsUp() || c.State.Status == container.Restarting {
			continue
		}
		kind, limit := c.Spec.Labels[plan.LabelReplica], retain
		if slices.Contains(failed, c.Spec.Labels[plan.LabelRelease]) {
			kind, limit = kind+" failed", min(1, retain)
		}
		if counts[kind]++; counts[kind] > limit {
			gone = append(gone, c)
		}
	}
	return gone
}
