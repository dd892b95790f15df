package spec

import (
	"slices"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

// readRoles reads servers: a list of hosts, or a map of roles.
func (l *loader) readRoles() {
	servers := l.root.Get("servers")
	if servers.Kind() == schema.List {
		r := Role{Name: "web", Scale: 1, Strategy: StrategyAll}
		r.Hosts = readHosts(servers)
		l.readRole(&r, l.reader.At(nil, "servers.web"))
		l.d.Roles = []Role{r}
		return
	}
	servers.Each(func(name string, v schema.Value) {
		if !servicePattern.MatchString(name) {
			servers.AtKey(name).Fail("use letters, digits, - and _", "%q cannot be a role", name)
			return
		}
		r := Role{Name: name, Scale: 1, Strategy: StrategyAll}
		if v.Kind() == schema.Map {
			l.readRole(&r, v)
		} else {
			r.Hosts = readHosts(v)
			l.readRole(&r, l.reader.At(nil, v.Path))
		}
		l.d.Roles = append(l.d.Roles, r)
	})
	slices.SortStableFunc(l.d.Roles, func(a, b Role) int {
		return boolOrder(a.Name == l.d.PrimaryRole) - boolOrder(b.Name == l.d.PrimaryRole)
	})
}

func boolOrder(first bool) int {
	if first {
		return -1
	}
	return 0
}

// readRole reads a role's own settings over the root's. v is absent for a role
// that is only a list of hosts.
func (l *loader) readRole(r *Role, v schema.Value) {
	r.Primary = r.Name == l.d.PrimaryRole
	r.Labels, r.Restart, r.AssetPath = mergeMaps(l.d.Labels, nil), "unless-stopped", l.d.AssetPath
	r.Logging = l.d.Logging
	v.Object(schema.Fields{
		"hosts":        func(v schema.Value) { r.Hosts = readHosts(v) },
		"cmd":          func(v schema.Value) { r.Cmd = readCommand(v) },
		"env":          func(v schema.Value) { r.Env = l.readEnv(v, false) },
		"labels":       func(v schema.Value) { r.Labels = mergeMaps(l.d.Labels, readLabels(v)) },
		"logging":      func(v schema.Value) { r.Logging = mergeLogging(l.d.Logging, readLogging(v), l.root.Get("logging")) },
		"options":      func(v schema.Value) { r.Options, r.Restart = readOptions(v) },
		"proxy":        nil,
		"asset_path":   func(v schema.Value) { r.AssetPath = readAssetPath(v) },
		"stop_timeout": func(v schema.Value) { r.StopTimeout = v.Duration() },
	})
	l.readRoleProxy(r, v)
	r.StopTimeout = l.stopTimeout(r, !v.Get("stop_timeout").Absent())
}

// readRoleProxy decides whether the role is proxied: where it says so, else
// when it is the primary role.
func (l *loader) readRoleProxy(r *Role, v schema.Value) {
	own, root := v.Get("proxy"), l.root.Get("proxy")
	switch {
	case own.Absent():
		r.Proxied = r.Primary
	case own.Kind() == schema.Map:
		r.Proxied = true
	default:
		r.Proxied = own.Bool()
	}
	if !r.Proxied {
		return
	}
	node := root.Node
	if own.Kind() == schema.Map {
		node = mergeProxyNodes(root.Node, own.Node)
	}
	p := l.readProxy(l.reader.At(node, schema.Join(schema.Join("servers", r.Name), "proxy")))
	r.Proxy = &p
}

// stopTimeout is Kamal's: docker's 10 seconds behind the proxy, which has
// drained the container, else what it needs to finish its work.
func (l *loader) stopTimeout(r *Role, written bool) time.Duration {
	switch {
	case written:
		return r.StopTimeout
	case !l.root.Get("stop_timeout").Absent():
		return l.d.StopTimeout
	case r.Proxied:
		return 10 * time.Second
	}
	return l.d.DrainTimeout
}

// readLogging reads driver and options, options default to what Kamal sets
// only where nothing is written at all.
func readLogging(v schema.Value) Logging {
	g := Logging{Options: map[string]string{}}
	v.Object(schema.Fields{
		"driver": func(v schema.Value) { g.Driver = v.Text() },
		"options": func(v schema.Value) {
			g.Options = v.Pairs()
		},
	})
	if v.Kind() != schema.Map {
		return defaultLogging()
	}
	return g
}

func defaultLogging() Logging {
	return Logging{Options: map[string]string{"max-size": "10m"}}
}

// mergeLogging merges a role's logging over the root's as it is written; the
// default is no part of it.
func mergeLogging(root, role Logging, written schema.Value) Logging {
	if written.Absent() {
		return role
	}
	out := Logging{Driver: root.Driver, Options: mergeMaps(root.Options, role.Options)}
	if role.Driver != "" {
		out.Driver = role.Driver
	}
	return out
}

func mergeMaps(base, over map[string]string) map[string]string {
	out := make(map[string]string, len(base)+len(over))
	for _, m := range []map[string]string{base, over} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}
