package plan

import (
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan/boot"
	"github.com/fairlead-deploy/fairlead/deployer/plan/seen"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// RouteFor returns the route by which a container would be served that d, a
// deploy.yml, made: as d says of its role today. Its label says how it was at the
// container's birth, and a change of the route alone makes no new container; so
// the label only counts for what d does not hold, the files of a certificate.
// false where its role is not proxied, or where only a rollout can make the
// route.
func RouteFor(d *spec.Deploy, c container.Observed) (Route, bool) {
	i := slices.IndexFunc(d.Roles, func(role spec.Role) bool { return role.Name == c.Spec.Labels[LabelRole] })
	if i < 0 || !d.Roles[i].Proxied {
		return Route{}, false
	}
	role := d.Roles[i]
	r := routeOf(d, role)
	errorPages(&r, release.Lane{Service: d.Service, Destination: d.Destination}, role.Name, d.ErrorPages)
	if role.Proxy.SSL.Custom() {
		born, ok := RouteAtBirth(c)
		if !ok || born.TLSCert == "" {
			return Route{}, false
		}
		r.TLSCert, r.TLSKey = born.TLSCert, born.TLSKey
	}
	return r, true
}

// RouteAtBirth returns the route that a container was made for, as its label
// says; false where it has none.
func RouteAtBirth(c container.Observed) (Route, bool) { return seen.RouteIn(c.Spec.Labels[LabelRoute]) }

// RouteName is the name of a role's route: SERVICE-ROLE[-DEST].
func RouteName(lane release.Lane, role string) string { return unitName(lane, role) }

// Beside returns how the proxy of a host serves an accessory, under the name of
// its container, the files that this needs, and how that proxy is booted.
func Beside(d *spec.Deploy, a spec.Accessory, secrets map[string]secret.Value) (Route, []File, ProxyRun, error) {
	role := spec.Role{Name: a.Name, Proxy: a.Proxy}
	r := routeOf(d, role)
	r.Service = a.Service
	var files []File
	if a.Proxy.SSL.Custom() {
		files = certificate(&r, release.Lane{Service: a.Service}, role, secrets)
	}
	run, err := boot.Run(d, a.Proxy.Run, secrets)
	return r, files, run, err
}
