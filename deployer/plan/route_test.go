package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

// routed is the unit's route with changes.
func routed(d plan.Desired, change func(*plan.Route)) plan.Desired {
	for _, u := range d.Units {
		*u.Route = plan.Route{
			Service: u.Route.Service, Port: 3000, Hosts: []string{"shop.example.com"}, HealthPath: "/up", HealthInterval: time.Second, HealthTimeout: 5 * time.Second,
			ResponseTimeout: 30 * time.Second, DeployTimeout: 30 * time.Second, DrainTimeout: 30 * time.Second, ForwardHeaders: true, BufferMemory: 1 << 20,
		}
		change(u.Route)
		u.Spec.Labels[plan.LabelRoute] = u.Route.Label()
	}
	return d
}

func asItIs(*plan.Route) {}

func TestAnOptionOfTheProxyChangesTheRouteAlone(t *testing.T) {
	const (
		nothing   = ""
		route     = "change route"
		container = "replace container"
	)
	for name, c := range map[string]struct {
		change         func(*plan.Route)
		own, kamal     string // what Fairlead's own proxy makes of it, and kamal-proxy
		field, was, is string
	}{
		"nothing": {asItIs, nothing, nothing, "", "", ""},
		"another name": {func(r *plan.Route) { r.Hosts = append(r.Hosts, "www.example.com") }, route, route,
			"proxy.hosts", "shop.example.com", "shop.example.com, www.example.com"},
		"every name":            {func(r *plan.Route) { r.Hosts = nil }, route, route, "proxy.hosts", "shop.example.com", "*"},
		"a path":                {func(r *plan.Route) { r.PathPrefixes = []string{"/api"} }, route, container, "proxy.path_prefixes", "/", "/api"},
		"the port":              {func(r *plan.Route) { r.Port = 4000 }, route, route, "proxy.app_port", "3000", "4000"},
		"TLS":                   {func(r *plan.Route) { r.TLS = true }, route, container, "proxy.ssl", "false", "true"},
		"the answer's time":     {func(r *plan.Route) { r.ResponseTimeout = time.Minute }, route, container, "proxy.response_timeout", "30s", "1m0s"},
		"the health check":      {func(r *plan.Route) { r.HealthPath = "/health" }, route, container, "proxy.healthcheck.path", "/up", "/health"},
		"a limit":               {func(r *plan.Route) { r.MaxRequestBody = 4096 }, route, container, "proxy.buffering.max_request_body", "0", "4096"},
		"how long a drain is":   {func(r *plan.Route) { r.DrainTimeout = time.Minute }, nothing, container, "drain_timeout", "30s", "1m0s"},
		"a name in capitals":    {func(r *plan.Route) { r.Hosts = []string{"SHOP.example.com"} }, nothing, nothing, "", "", ""},
		"a slash too many":      {func(r *plan.Route) { r.PathPrefixes = []string{"/"} }, nothing, nothing, "", "", ""},
		"the default, unsaid":   {func(r *plan.Route) { r.BufferMemory = 0 }, nothing, nothing, "", "", ""},
		"Kamal's usual headers": {func(r *plan.Route) { r.LogRequest = []string{"Cache-Control", "Last-Modified", "User-Agent"} }, nothing, nothing, "", "", ""},
		"a redirect of no TLS":  {func(r *plan.Route) { r.TLSRedirect = true }, nothing, nothing, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for proxy, want := range map[string]string{"own": c.own, "kamal": c.kamal} {
				m := newModel()
				m.tells, m.lists = proxy == "own", proxy == "kamal"
				m.reach(routed(desired("r1", "v1", webA), asItIs))
				d := routed(desired("r2", "v1", webA), c.change)
				p := plan.Make(d, m.observed())
				if want == nothing {
					if !p.Empty() {
						t.Errorf("%s: it would\n%s\n%s", proxy, text(p), reasons(p))
					}
					continue
				}
				expected := release.Change{Host: "a", Role: "web", Step: want, Field: c.field, Was: c.was, Want: c.is}
				if len(p.Changes) == 0 || p.Changes[0] != expected || want == route && len(p.Changes) > 1 {
					t.Errorf("%s: changes %+v, want %+v", proxy, p.Changes, expected)
				}
				if made := strings.Contains(text(p), "create"); made != (want == container) {
					t.Errorf("%s: it would\n%s", proxy, text(p))
				}
				m.do(p, -1)
				if again := plan.Make(d, m.observed()); !again.Empty() {
					t.Errorf("%s: planned again after it was done:\n%s\n%s", proxy, text(again), reasons(again))
				}
			}
		})
	}
}

func TestARouteThatChangedGoesBackWithItsOptions(t *testing.T) {
	for _, proxy := range []string{"own", "kamal"} {
		m := newModel()
		m.tells, m.lists = proxy == "own", proxy == "kamal"
		m.reach(routed(desired("r1", "v1", webA, webB), asItIs))
		d := routed(desired("r2", "v1", webA, webB), func(r *plan.Route) { r.Hosts = []string{"other.example.com"} })
		base := plan.BaselineOf(d, m.observed(), after(past("r1", "v1"), "a", "b"))
		m.do(plan.Make(d, m.observed()), 3) // switched on a
		p := plan.Back(d, m.observed(), base)
		same(t, proxy, text(p), "back a: switch shop-web to shop-web-v1")
		s, ok := p.Stages[0].Steps["a"][0].(plan.Switch)
		if !ok || s.Route.Hosts[0] != "shop.example.com" || s.Route.DeployTimeout != 30*time.Second || s.Route.DrainTimeout != 30*time.Second {
			t.Errorf("%s: back to %+v", proxy, s.Route)
		}
		m.do(p, -1)
		if again := plan.Back(d, m.observed(), base); !again.Empty() {
			t.Errorf("%s: planned back again:\n%s", proxy, text(again))
		}
	}
}

func TestWhatKamalsCertificateIsCannotBeSeenAndIsLetBe(t *testing.T) {
	m := newModel()
	m.tells = true
	tls := func(cert string) func(*plan.Route) {
		return func(r *plan.Route) { r.TLS, r.TLSCert, r.TLSKey = true, cert+"/cert.pem", cert+"/key.pem" }
	}
	const folder = "/home/kamal-proxy/.apps-config/shop/tls/"
	m.reach(routed(desired("", "v1", webA), tls(folder+"web")))
	for i := range m.hosts["a"].Containers {
		delete(m.hosts["a"].Containers[i].Spec.Labels, plan.LabelRoute)
	}
	if p := plan.Make(routed(desired("r1", "v1", webA), tls(folder+"web-0123456789ab")), m.observed()); !p.Empty() {
		t.Errorf("it would\n%s\n%s", text(p), reasons(p))
	}
	m.reach(routed(desired("r1", "v2", webA), tls(folder+"web-0123456789ab")))
	p := plan.Make(routed(desired("r2", "v2", webA), tls(folder+"web-ba9876543210")), m.observed())
	if len(p.Changes) != 2 || p.Changes[0].Step != "change route" || p.Changes[0].Field != "proxy.ssl.certificate_pem" {
		t.Errorf("another certificate of ours: %+v", p.Changes)
	}
}

// share is a desired state whose web is tried out on a share of the clients.
func share(d plan.Desired) plan.Desired {
	for i := range d.Units {
		if d.Units[i].Kind == plan.Proxied {
			d.Units[i].Share, d.Units[i].CanaryFor = 10, time.Minute
		}
	}
	return d
}

func TestAShareIsTriedOutOnAllHostsBeforeAnySwitches(t *testing.T) {
	m := newModel()
	m.tells = true
	m.reach(share(desired("r1", "v1", webA, jobA, webB)))
	d := share(desired("r2", "v2", webA, jobA, webB))
	p := plan.Make(d, m.observed())
	same(t, "plan", text(p), `prepare a: make network kamal, pull acme/shop:v2, create shop-web-v2, create shop-worker-v2
		prepare b: make network kamal, pull acme/shop:v2, create shop-web-v2
		start a: start shop-web-v2, await health of shop-web-v2
		start b: start shop-web-v2, await health of shop-web-v2
		split a: send 10% of shop-web to shop-web-v2
		split b: send 10% of shop-web to shop-web-v2
		switch a: switch shop-web to shop-web-v2
		switch b: switch shop-web to shop-web-v2
		follow a: start shop-worker-v2, await health of shop-worker-v2, stop shop-worker-v1
		finish a: stop shop-web-v1, tag acme/shop:latest
		finish b: stop shop-web-v1, tag acme/shop:latest`)
	if st := p.Stages[2]; len(st.Watch) != 2 || st.Window != time.Minute {
		t.Errorf("watched: %d for %s", len(st.Watch), st.Window)
	}
	base := plan.BaselineOf(d, m.observed(), after(past("r1", "v1"), "a", "b"))
	m.do(p, 12) // a is split
	same(t, "gone on with", text(plan.Make(d, m.observed())), `start a: await health of shop-web-v2
		start b: await health of shop-web-v2
		split a: send 10% of shop-web to shop-web-v2
		split b: send 10% of shop-web to shop-web-v2
		switch a: switch shop-web to shop-web-v2
		switch b: switch shop-web to shop-web-v2
		follow a: start shop-worker-v2, await health of shop-worker-v2, stop shop-worker-v1
		finish a: stop shop-web-v1, tag acme/shop:latest
		finish b: stop shop-web-v1, tag acme/shop:latest`)
	same(t, "the old commit again", text(plan.Make(share(desired("r3", "v1", webA, jobA, webB)), m.observed())), `switch a: send all of shop-web to its old container
		finish a: stop shop-web-v2, tag acme/shop:latest
		finish b: stop shop-web-v2`)
	same(t, "back", text(plan.Back(d, m.observed(), base)), `back a: send all of shop-web to its old container, stop shop-web-v2, prune 1 container
		back b: stop shop-web-v2`)
}

func TestNobodyTriesOutWhatHasNothingToBeComparedWith(t *testing.T) {
	for name, world := range map[string]func(m *model){
		"the first deploy":      func(*model) {},
		"an old one that ended": func(m *model) { m.container("a", "shop-web-v1").State.Status = container.Exited },
		"a container that was stopped by hand": func(m *model) {
			m.reach(share(desired("r2", "v2", webA)))
			m.container("a", "shop-web-v2").State.Status = container.Exited
		},
	} {
		m := newModel()
		m.tells = true
		if name != "the first deploy" {
			m.reach(share(desired("r1", "v1", webA)))
		}
		world(m)
		if p := plan.Make(share(desired("r2", "v2", webA)), m.observed()); strings.Contains(text(p), "split") {
			t.Errorf("%s:\n%s", name, text(p))
		}
	}
	m := newModel()
	m.tells = true
	m.reach(share(desired("r1", "v1", webA)))
	m.reach(share(desired("r2", "v2", webA)))
	back := plan.Retained(share(desired("r3", "v1", webA)), m.observed(), past("r1", "v1"))
	if p := plan.Make(back, m.observed()); strings.Contains(text(p), "split") {
		t.Errorf("a rollback:\n%s", text(p))
	}
}

func TestACanaryByShareIsRefusedWhereTheProxyCannot(t *testing.T) {
	for name, c := range map[string]struct {
		proxy func(h *plan.Host)
		words string
	}{
		"kamal-proxy": {func(h *plan.Host) { h.Proxy.Ours = false },
			"x-fairlead.roles.web.canary.percent needs Fairlead's own proxy, and on a runs kamal-proxy: say how many hosts go first (canary: 1), or strategy: all"},
		"an older one of ours": {func(h *plan.Host) { h.Routes[0].Splits = false },
			"x-fairlead.roles.web.canary.percent needs a newer proxy than the one on a"},
	} {
		m := newModel()
		m.tells = true
		m.reach(desired("r1", "v1", webA))
		c.proxy(m.hosts["a"])
		if p := plan.Make(share(desired("r2", "v1", webA)), m.observed()); p.Refused != "" {
			t.Errorf("%s: refused though nothing changes: %s", name, p.Refused)
		}
		p := plan.Make(share(desired("r2", "v2", webA)), m.observed())
		if !strings.HasPrefix(p.Refused, c.words) || len(p.Stages) > 0 {
			t.Errorf("%s: %q\n%s", name, p.Refused, text(p))
		}
	}
}

func TestASummaryReadsAsASentence(t *testing.T) {
	m := newModel()
	for want, d := range map[string]plan.Desired{
		"boot 1 proxy, create 1 container on 1 host":     desired("r1", "v1", webA),
		"boot 2 proxies, create 3 containers on 2 hosts": desired("r1", "v1", webA, jobA, webB),
		"create 1 container on 1 host":                   desired("r1", "v1", jobA),
	} {
		got := plan.Make(d, m.observed()).Summary()
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
