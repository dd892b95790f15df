package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

var lane = release.Lane{Service: "shop"}

// role describes a unit of the tests' service.
type role struct {
	host, name string
	kind       plan.Kind
	env        string // a variable's value: the configuration
}

func desired(id, version string, roles ...role) plan.Desired {
	d := plan.Desired{
		Lane: lane, Release: release.ID(id), Version: version,
		Image:    plan.Image{Name: "acme/shop", Version: version, Digest: digest(version), Latest: "latest"},
		Policy:   plan.Policy{Retain: 5, Rollback: true},
		ProxyRun: map[string]plan.ProxyRun{},
	}
	for _, r := range roles {
		d.Units = append(d.Units, unit(d, r))
	}
	return d
}

func digest(version string) string { return "sha256:" + strings.Repeat(version[len(version)-1:], 64) }

func unit(d plan.Desired, r role) plan.Unit {
	u := plan.Unit{
		Host: r.host, Role: r.name, Kind: r.kind, Name: "shop-" + r.name + "-" + d.Version, StopTimeout: 10 * time.Second,
		Clear: map[string]bool{"COLOUR": true},
		Spec: container.Spec{
			Image: d.Image.Ref(), ImageDigest: d.Image.Digest, Network: plan.Network,
			Env: map[string]secret.Value{"COLOUR": secret.New(r.env), "PASSWORD": secret.New("hunter2")},
			Labels: map[string]string{
				plan.LabelService: "shop", plan.LabelRole: r.name, plan.LabelDestination: "", plan.LabelRelease: string(d.Release),
			},
		},
	}
	if r.kind == plan.StopFirst {
		u.Spec.Labels["test.stop-first"] = "yes" // for the model: a gap is allowed
	}
	if r.kind == plan.Proxied || r.name == "web" {
		u.Route = &plan.Route{Service: "shop-" + r.name, Port: 3000}
		u.Spec.Labels[plan.LabelRoute] = u.Route.Label()
		d.ProxyRun[r.host] = plan.ProxyRun{HTTPPort: 80}
	}
	return u
}

// text writes a plan as people would: a line per stage and host.
func text(p plan.Plan) string {
	var b strings.Builder
	for _, st := range p.Stages {
		for _, host := range sortedKeys(st.Steps) {
			b.WriteString(string(st.Name) + " " + host + ":")
			for i, s := range st.Steps[host] {
				if i > 0 {
					b.WriteString(",")
				}
				b.WriteString(" " + s.String())
			}
			b.WriteString("\n")
		}
	}
	return strings.TrimSpace(b.String())
}

func reasons(p plan.Plan) string {
	var list []string
	for _, c := range p.Changes {
		list = append(list, strings.Join([]string{c.Host, c.Role, c.Step, c.Field, c.Was, c.Want}, "|"))
	}
	return strings.Join(list, "\n")
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	want = strings.TrimSpace(strings.ReplaceAll(want, "\t", ""))
	if got != want {
		t.Errorf("%s\n%s\nwant\n%s", what, got, want)
	}
}

var (
	webA = role{"a", "web", plan.Proxied, "blue"}
	webB = role{"b", "web", plan.Proxied, "blue"}
	jobA = role{"a", "worker", plan.Plain, "blue"}
)

func recoloured(r role) role { r.env = "red"; return r }

func TestPlans(t *testing.T) {
	cases := map[string]struct {
		world   func(m *model)
		want    plan.Desired
		plan    string
		reasons string
	}{
		"the first deploy boots the proxy and has a gate between the hosts": {
			world: func(*model) {},
			want:  desired("r1", "v1", webA, jobA, webB),
			plan: `prepare a: make network kamal, boot proxy, pull acme/shop:v1, create shop-web-v1, create shop-worker-v1
				prepare b: make network kamal, boot proxy, pull acme/shop:v1, create shop-web-v1
				start a: start shop-web-v1, await health of shop-web-v1
				start b: start shop-web-v1, await health of shop-web-v1
				switch a: switch shop-web to shop-web-v1
				switch b: switch shop-web to shop-web-v1
				follow a: start shop-worker-v1, await health of shop-worker-v1
				finish a: tag acme/shop:latest
				finish b: tag acme/shop:latest`,
			reasons: `a|web|create container||nothing runs|shop-web-v1
				a|worker|create container||nothing runs|shop-worker-v1
				b|web|create container||nothing runs|shop-web-v1
				a||boot proxy|proxy|not running|running
				b||boot proxy|proxy|not running|running`,
		},
		"what runs as wanted is left alone": {
			world: func(m *model) { m.reach(desired("r1", "v1", webA, jobA, webB)) },
			want:  desired("r2", "v1", webA, jobA, webB),
		},
		"a new version goes beside the old one, which stops last": {
			world: func(m *model) { m.reach(desired("r1", "v1", webA, jobA)) },
			want:  desired("r2", "v2", webA, jobA),
			plan: `prepare a: make network kamal, pull acme/shop:v2, create shop-web-v2, create shop-worker-v2
				start a: start shop-web-v2, await health of shop-web-v2
				switch a: switch shop-web to shop-web-v2
				follow a: start shop-worker-v2, await health of shop-worker-v2, stop shop-worker-v1
				finish a: stop shop-web-v1, tag acme/shop:latest`,
			reasons: `a|web|replace container|image|` + digest("v1") + `|` + digest("v2") + `
				a|worker|replace container|image|` + digest("v1") + `|` + digest("v2"),
		},
		"a changed configuration of the same version takes the old one's name": {
			world: func(m *model) { m.reach(desired("r1", "v1", webA)) },
			want:  desired("r2", "v1", recoloured(webA)),
			plan: `prepare a: make network kamal, pull acme/shop:v1, create shop-web-v1 (shop-web-v1 makes way)
				start a: start shop-web-v1, await health of shop-web-v1
				switch a: switch shop-web to shop-web-v1
				finish a: stop shop-web-v1, tag acme/shop:latest`,
			reasons: `a|web|replace container|env.COLOUR|blue|red`,
		},
		"a stopped container is started": {
			world: func(m *model) {
				m.reach(desired("r1", "v1", webA))
				m.container("a", "shop-web-v1").State.Status = container.Exited
			},
			want: desired("r2", "v1", webA),
			plan: `start a: start shop-web-v1, await health of shop-web-v1
				switch a: switch shop-web to shop-web-v1
				finish a: tag acme/shop:latest`,
			reasons: `a|web|start container|state|exited|running`,
		},
		"a container that a crash left created is used": {
			world: func(m *model) {
				m.reach(desired("r1", "v1", webA))
				m.do(plan.Make(desired("r2", "v2", webA), m.observed()), 3)
			},
			want: desired("r2", "v2", webA),
			plan: `start a: start shop-web-v2, await health of shop-web-v2
				switch a: switch shop-web to shop-web-v2
				finish a: stop shop-web-v1, tag acme/shop:latest`,
			reasons: `a|web|restart retained container|image|` + digest("v1") + `|` + digest("v2"),
		},
		"a container that a crash left without its traffic gets it": {
			world: func(m *model) {
				m.reach(desired("r1", "v1", webA))
				m.do(plan.Make(desired("r2", "v2", webA), m.observed()), 5)
			},
			want: desired("r2", "v2", webA),
			plan: `start a: await health of shop-web-v2
				switch a: switch shop-web to shop-web-v2
				finish a: stop shop-web-v1, tag acme/shop:latest`,
			reasons: `a|web|switch route|route|` + target("a", 1) + `|shop-web-v2`,
		},
		"an old container that a crash left running is stopped": {
			world: func(m *model) {
				m.reach(desired("r1", "v1", webA))
				m.do(plan.Make(desired("r2", "v2", webA), m.observed()), 6)
			},
			want:    desired("r2", "v2", webA),
			plan:    `finish a: stop shop-web-v1`,
			reasons: `a|web|stop stale container||shop-web-v1|`,
		},
		"a proxy that stopped is booted and told again": {
			world: func(m *model) {
				m.reach(desired("r1", "v1", webA))
				m.hosts["a"].Proxy.Running, m.hosts["a"].Routes = false, nil
			},
			want: desired("r2", "v1", webA),
			plan: `prepare a: make network kamal, boot proxy
				start a: await health of shop-web-v1
				switch a: switch shop-web to shop-web-v1
				finish a: tag acme/shop:latest`,
			reasons: `a|web|set route|route|none|shop-web-v1
				a||boot proxy|proxy|not running|running`,
		},
		"a changed route changes in place where the proxy tells all of it": {
			world: func(m *model) {
				m.tells = true
				m.reach(desired("r1", "v1", webA))
			},
			want: onPort(desired("r2", "v1", webA), 4000),
			plan: `start a: await health of shop-web-v1
				switch a: switch shop-web to shop-web-v1
				finish a: tag acme/shop:latest`,
			reasons: `a|web|change route|proxy.app_port|3000|4000`,
		},
		"a changed route is a new container where the proxy does not tell": {
			world: func(m *model) { m.reach(desired("r1", "v1", webA)) },
			want:  onPort(desired("r2", "v1", webA), 4000),
			plan: `prepare a: make network kamal, pull acme/shop:v1, create shop-web-v1 (shop-web-v1 makes way)
				start a: start shop-web-v1, await health of shop-web-v1
				switch a: switch shop-web to shop-web-v1
				finish a: stop shop-web-v1, tag acme/shop:latest`,
			reasons: `a|web|replace container|proxy.app_port|3000|4000`,
		},
		"a role that publishes a port stops before it starts, host by host, and keeps its route": {
			world: func(m *model) { m.reach(desired("r1", "v1", stopFirst(webA), stopFirst(webB))) },
			want:  desired("r2", "v2", stopFirst(webA), stopFirst(webB)),
			plan: `prepare a: make network kamal, pull acme/shop:v2, create shop-web-v2
				prepare b: make network kamal, pull acme/shop:v2, create shop-web-v2
				follow a: stop shop-web-v1, start shop-web-v2, await health of shop-web-v2, switch shop-web to shop-web-v2
				follow b: stop shop-web-v1, start shop-web-v2, await health of shop-web-v2, switch shop-web to shop-web-v2
				finish a: tag acme/shop:latest
				finish b: tag acme/shop:latest`,
			reasons: `a|web|replace container|image|` + digest("v1") + `|` + digest("v2") + `
				b|web|replace container|image|` + digest("v1") + `|` + digest("v2"),
		},
		"a boot limit switches in groups": {
			world: func(m *model) { m.reach(desired("r1", "v1", webA, webB)) },
			want: func() plan.Desired {
				d := desired("r2", "v2", webA, webB)
				d.Policy.Group = 1
				return d
			}(),
			plan: `prepare a: make network kamal, pull acme/shop:v2, create shop-web-v2
				prepare b: make network kamal, pull acme/shop:v2, create shop-web-v2
				start a: start shop-web-v2, await health of shop-web-v2
				switch a: switch shop-web to shop-web-v2
				start b: start shop-web-v2, await health of shop-web-v2
				switch b: switch shop-web to shop-web-v2
				finish a: stop shop-web-v1, tag acme/shop:latest
				finish b: stop shop-web-v1, tag acme/shop:latest`,
			reasons: `a|web|replace container|image|` + digest("v1") + `|` + digest("v2") + `
				b|web|replace container|image|` + digest("v1") + `|` + digest("v2"),
		},
		"force makes new containers of what runs as wanted": {
			world: func(m *model) { m.reach(desired("r1", "v1", jobA)) },
			want: func() plan.Desired {
				d := desired("r2", "v1", jobA)
				d.Force = true
				return d
			}(),
			plan: `prepare a: make network kamal, pull acme/shop:v1, create shop-worker-v1 (shop-worker-v1 makes way)
				follow a: start shop-worker-v1, await health of shop-worker-v1, stop shop-worker-v1
				finish a: tag acme/shop:latest`,
			reasons: `a|worker|replace container|container|shop-worker-v1|shop-worker-v1`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := newModel()
			c.world(m)
			p := plan.Make(c.want, m.observed())
			got := text(p)
			for _, st := range p.Stages { // a renamed container shows in no step's text
				for _, steps := range st.Steps {
					for _, s := range steps {
						if cr, ok := s.(plan.Create); ok && cr.Replaces != nil {
							got = strings.Replace(got, cr.String(), cr.String()+" ("+cr.Replaces.Name+" makes way)", 1)
						}
					}
				}
			}
			same(t, "plan", got, c.plan)
			same(t, "reasons", reasons(p), c.reasons)
			m.do(p, -1)
			if again := plan.Make(c.want, m.observed()); !again.Empty() {
				t.Errorf("planned again after it was done:\n%s", text(again))
			}
		})
	}
}

func stopFirst(r role) role { r.kind = plan.StopFirst; return r }

func onPort(d plan.Desired, port int) plan.Desired {
	for _, u := range d.Units {
		u.Route.Port = port
		u.Spec.Labels[plan.LabelRoute] = u.Route.Label()
	}
	return d
}

func TestHostsOnlyKamalDeployedPlanNothing(t *testing.T) {
	m := newModel()
	m.reach(desired("", "v1", webA, jobA))
	for i := range m.hosts["a"].Containers {
		for _, own := range []string{plan.LabelRelease, plan.LabelRevision, plan.LabelRoute} {
			delete(m.hosts["a"].Containers[i].Spec.Labels, own)
		}
	}
	if p := plan.Make(desired("r1", "v1", webA, jobA), m.observed()); !p.Empty() {
		t.Errorf("plan\n%s\n%s", text(p), reasons(p))
	}
	if where, foreign := m.observed().Foreign(); !foreign || where != "a: shop-web-v1" {
		t.Errorf("foreign: %q", where)
	}
}

func TestTheOldestContainersBeyondTheRetainedAreRemoved(t *testing.T) {
	m := newModel()
	for _, v := range []string{"v1", "v2", "v3", "v4"} {
		m.reach(desired("r-"+v, v, webA))
	}
	d := desired("r5", "v5", webA)
	d.Policy.Retain = 2
	p := plan.Make(d, m.observed())
	last := p.Stages[len(p.Stages)-1].Steps["a"]
	prune, ok := last[len(last)-1].(plan.Prune)
	if !ok || len(prune.Remove) != 2 || prune.Remove[0].Name != "shop-web-v2" || prune.Remove[1].Name != "shop-web-v1" {
		t.Errorf("removes %+v", prune.Remove)
	}
}
