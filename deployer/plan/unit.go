package plan

import (
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
)

// RouteFor returns the route by which a container that exists was, or would
// be, served: as its label says, else as deploy.yml says of its role today.
// false where its role is not proxied, or where only a rollout can make the
// route (a certificate of its own).
func RouteFor(d *spec.Deploy, c container.Observed) (Route, bool) {
	if r, ok := routeIn(c.Spec.Labels[LabelRoute]); ok {
		return r, true
	}
	i := slices.IndexFunc(d.Roles, func(role spec.Role) bool { return role.Name == c.Spec.Labels[LabelRole] })
	if i < 0 || !d.Roles[i].Proxied || d.Roles[i].Proxy.SSL.Custom() {
		return Route{}, false
	}
	return routeOf(d, d.Roles[i]), true
}

// RouteName is the name of a role's route: SERVICE-ROLE[-DEST].
func RouteName(lane release.Lane, role string) string { return unitName(lane, role) }
