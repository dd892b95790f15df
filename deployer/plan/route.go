package plan

import (
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan/option"
)

// told says how much the host's proxy tells of a route; live is the route, nil
// where there is none.
func (h Host) told(live *Live) option.Told {
	switch {
	case live != nil && live.Route == nil:
		return option.Nothing
	case live != nil && live.Part:
		return option.Table
	case live != nil || h.Proxy.Ours || !h.Proxy.Present: // Fairlead's own is about to be booted
		return option.Everything
	}
	return option.Nothing
}

// changed names what the proxy tells of a live route and is not as wanted.
func (h Host) changed(live *Live, want Route) []container.Change {
	if live == nil || live.Route == nil {
		return nil
	}
	list := want.Differences(*live.Route, option.Table, h.told(live))
	// What has a meaning with another option only follows that one.
	return slices.DeleteFunc(list, func(c container.Change) bool {
		return (c.Was == "" || c.Want == "") && (c.Field == option.StripPrefix || c.Field == option.Redirect)
	})
}

// overlay puts what the proxy tells of a route over what else is known of it.
func (l Live) overlay(known Route) Route {
	if l.Route == nil {
		return known
	}
	r := *l.Route
	if l.Part {
		r = known
		r.Hosts, r.PathPrefixes, r.TLS, r.Port = l.Route.Hosts, l.Route.PathPrefixes, l.Route.TLS, l.Route.Port
	}
	r.Service, r.DeployTimeout, r.DrainTimeout = known.Service, known.DeployTimeout, known.DrainTimeout
	return r
}
