package dialect

import "github.com/fairlead-deploy/fairlead/deployer/spec/schema"

// rootRoles merges a root `roles:` into servers: {ROLE: {…}}. In it, `port: N`
// is the port that the proxy reaches, `port: false` means no proxy.
func (t *translator) rootRoles() {
	f, ok := t.root.Take("roles")
	if !ok || t.value(f.Value).Absent() {
		return
	}
	t.warn(f.Value, "read as settings of servers")
	servers := t.serversMap(f.Value)
	if servers == nil {
		return
	}
	t.value(f.Value).Each(func(name string, v schema.Value) {
		if v.Absent() {
			return
		}
		if v.Kind() != schema.Map {
			v.Fail("as in web: {cmd: bin/server, port: 3000}", "must be a map of keys and values")
			return
		}
		settings := *v.Node
		t.port(&settings)
		role := roleMap(servers.Get(name), v.Node)
		servers.Set(name, schema.Merge(&settings, role))
	})
}

// serversMap returns servers with roles as keys; a bare list is the role web.
func (t *translator) serversMap(at *schema.Node) *schema.Node {
	servers := t.root.Get("servers")
	switch {
	case servers == nil || servers.Kind == schema.Null:
		servers = schema.NewMap(at)
	case servers.Kind == schema.List:
		web := servers
		servers = schema.NewMap(web)
		servers.Path = ""
		servers.Set("web", web)
	case servers.Kind != schema.Map:
		return nil // whoever reads servers says so
	}
	t.root.Set("servers", servers)
	return servers
}

// roleMap returns a role written as a list of hosts as a map.
func roleMap(role, at *schema.Node) *schema.Node {
	switch {
	case role == nil || role.Kind == schema.Null:
		return schema.NewMap(at)
	case role.Kind != schema.List:
		return role
	}
	m := schema.NewMap(role)
	m.Set("hosts", role)
	return m
}

func (t *translator) port(role *schema.Node) {
	f, ok := role.Take("port")
	if !ok {
		return
	}
	v := t.value(f.Value)
	switch {
	case v.Absent():
	case v.IsBool() && v.Bool():
		v.Fail("write the app's port, or false", "true is no port")
	case v.IsBool():
		role.SetDefault("proxy", f.Value)
	default:
		if proxy := role.Child("proxy", f.Value); proxy != nil {
			proxy.SetDefault("app_port", f.Value)
		}
	}
}

// rolesOfServers translates Kamal 1's keys of a role.
func (t *translator) rolesOfServers() {
	t.eachRole(func(_ string, role *schema.Node) {
		if f, ok := role.Take("traefik"); ok {
			t.warn(f.Value, "read as proxy")
			role.SetDefault("proxy", f.Value)
		}
		if f, ok := role.Take("stop_wait_time"); ok {
			t.warn(f.Value, "read as stop_timeout")
			role.SetDefault("stop_timeout", f.Value)
		}
	})
}
