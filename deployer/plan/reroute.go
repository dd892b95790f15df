package plan

import (
	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/release"
)

// routeReasons says what is done about the route of a container that runs as
// wanted, and why.
func routeReasons(u Unit, c container.Observed, h Host) (action, []release.Change) {
	target, live := h.Routed(u.Route.Service)
	switch {
	case live == nil:
		return route, []release.Change{change(u, "set route", "route", "none", c.Name)}
	case !isTarget(c, target):
		return route, []release.Change{change(u, "switch route", "route", live.Target, c.Name)}
	}
	var list []release.Change
	for _, ch := range h.Changed(live, *u.Route) {
		list = append(list, change(u, "change route", ch.Field, ch.Was, ch.Want))
	}
	if len(list) > 0 {
		return route, list
	}
	if live.Split != "" {
		return unsplit, []release.Change{change(u, "end canary", "route", "a share to "+live.Split, "")}
	}
	return keep, nil
}
