package dialect

import (
	"strconv"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

// kamal1Port is healthcheck.port's default in Kamal 1.
const kamal1Port = "3000"

// healthcheck translates Kamal 1's root and role healthcheck: path, interval
// and port to the proxy, cmd to x-fairlead.roles.R.health, attempts to
// deploy_timeout.
func (t *translator) healthcheck() {
	if f, ok := t.root.Take("healthcheck"); ok && !t.value(f.Value).Absent() {
		t.warn(f.Value, "read as proxy.healthcheck, proxy.app_port and deploy_timeout")
		t.oneHealthcheck(f.Value, t.root, t.primaryRole(), kamal1Port)
	}
	t.eachRole(func(name string, role *schema.Node) {
		if f, ok := role.Take("healthcheck"); ok && !t.value(f.Value).Absent() {
			t.warn(f.Value, "read as proxy.healthcheck and proxy.app_port of the role")
			t.oneHealthcheck(f.Value, role, name, "")
		}
	})
}

func (t *translator) primaryRole() string {
	if v := t.value(t.root.Get("primary_role")); v.Kind() == schema.Scalar {
		return v.Text()
	}
	return "web"
}

// oneHealthcheck translates n, which belongs to owner: the root or a role.
func (t *translator) oneHealthcheck(n, owner *schema.Node, role, defaultPort string) {
	attempts, interval := 0, 1.0
	proxied := n.Get("path") != nil || n.Get("port") != nil || n.Get("interval") != nil || defaultPort != ""
	proxy := &schema.Node{Kind: schema.Map}
	if proxied {
		p := owner.Get("proxy")
		if v := t.value(p); p != nil && v.IsBool() {
			proxied = v.Bool()
			owner.Take("proxy")
			if !proxied {
				owner.Set("proxy", p)
			}
		}
		if proxied {
			if proxy = owner.Child("proxy", n); proxy == nil {
				return // whoever reads proxy says so
			}
		}
	}
	check := func() *schema.Node { return proxy.Child("healthcheck", n) }
	set := func(key string) func(schema.Value) {
		return func(v schema.Value) {
			if c := check(); c != nil {
				c.SetDefault(key, v.Node)
			}
		}
	}
	ignored := func(v schema.Value) { v.Warn("ignored: only Kamal 1 needs it") }
	t.value(n).Object(schema.Fields{
		"path": set("path"),
		"interval": func(v schema.Value) {
			interval = v.Duration().Seconds()
			set("interval")(v)
		},
		"port":         func(v schema.Value) { proxy.SetDefault("app_port", v.Node) },
		"max_attempts": func(v schema.Value) { attempts = v.Int(1, 1000) },
		"cmd":          func(v schema.Value) { t.healthCommand(role, v.Node) },
		"cord":         ignored, "log_lines": ignored, "exposed_port": ignored,
	})
	if defaultPort != "" && proxied && proxy.SetDefault("app_port", schema.NewText(defaultPort, n)) {
		t.warn(n, "has no port: Kamal 1's %s is meant", defaultPort)
	}
	if seconds := int(float64(attempts) * interval); seconds > 30 && owner == t.root {
		t.root.SetDefault("deploy_timeout", schema.NewText(strconv.Itoa(seconds), n.Get("max_attempts")))
	}
}

// healthCommand puts a command to x-fairlead.roles.ROLE.health.cmd.
func (t *translator) healthCommand(role string, cmd *schema.Node) {
	at := t.root.Child("x-fairlead", cmd)
	for _, key := range []string{"roles", role, "health"} {
		if at == nil {
			return
		}
		at = at.Child(key, cmd)
	}
	if at != nil {
		at.SetDefault("cmd", cmd)
	}
}
