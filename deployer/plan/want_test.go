package plan_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

const shopYAML = `
service: shop
image: acme/shop
servers:
  web: [10.0.0.1, 10.0.0.2]
  worker:
    hosts: [10.0.0.1]
    cmd: bin/jobs --all
  api:
    hosts: [10.0.0.2]
    options: {publish: "8080:80"}
proxy: {host: shop.example.com, app_port: 3000}
env:
  clear: {RAILS_ENV: production}
  secret: [DATABASE_URL]
volumes: ["data:/data", "uploads/here:/uploads"]
`

func want(t *testing.T, in plan.Inputs) (plan.Desired, error) {
	t.Helper()
	files := fstest.MapFS{
		"config/deploy.yml":         {Data: []byte(shopYAML)},
		"config/deploy.staging.yml": {Data: []byte("env: {clear: {RAILS_ENV: staging}}\nboot: {parallel_roles: true}\n")},
	}
	destination := ""
	if in.Release == "staging" {
		destination = "staging"
	}
	d, _, err := spec.Load(files, spec.Options{Destination: destination})
	if err != nil {
		t.Fatal(err)
	}
	return plan.Want(d, in)
}

func inputs() plan.Inputs {
	return plan.Inputs{
		Release: "r1", Revision: release.Revision{SHA: "abc"}, Version: "v7", Digest: digest("v7"),
		Secrets: map[string]secret.Value{"DATABASE_URL": secret.New("postgres://secret")},
		Home:    map[string]string{"10.0.0.1": "/home/deploy", "10.0.0.2": "/root"},
	}
}

func find(t *testing.T, d plan.Desired, host, role string) plan.Unit {
	t.Helper()
	for _, u := range d.Units {
		if u.Host == host && u.Role == role {
			return u
		}
	}
	t.Fatalf("no unit %s on %s", role, host)
	return plan.Unit{}
}

func TestDeployYAMLBecomesUnitsAsKamalNamesThem(t *testing.T) {
	d, err := want(t, inputs())
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, u := range d.Units {
		order = append(order, u.Host+" "+u.Name+" "+string(u.Kind))
	}
	same(t, "units", strings.Join(order, "\n"), `10.0.0.1 shop-web-v7 proxied
		10.0.0.1 shop-worker-v7 without proxy
		10.0.0.2 shop-web-v7 proxied
		10.0.0.2 shop-api-v7 stop-first`)

	web := find(t, d, "10.0.0.1", "web")
	env := map[string]string{
		"RAILS_ENV": "production", "DATABASE_URL": "postgres://secret", "KAMAL_CONTAINER_NAME": "shop-web-v7",
		"KAMAL_VERSION": "v7", "KAMAL_HOST": "10.0.0.1",
	}
	for name, value := range env {
		if got := web.Spec.Env[name].Reveal(); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if len(web.Spec.Env) != len(env) {
		t.Errorf("env has %d variables, want %d", len(web.Spec.Env), len(env))
	}
	if web.Clear["DATABASE_URL"] || !web.Clear["RAILS_ENV"] {
		t.Errorf("may be shown: %v", web.Clear)
	}
	labels := web.Spec.Labels
	if labels["service"] != "shop" || labels["role"] != "web" || labels["destination"] != "" || labels[plan.LabelRelease] != "r1" || labels[plan.LabelRevision] != "abc" {
		t.Errorf("labels %v", labels)
	}
	if web.Spec.Network != "kamal" || web.Spec.Restart.Policy != "unless-stopped" || web.Spec.Image != "acme/shop:v7" || web.Spec.ImageDigest != digest("v7") {
		t.Errorf("spec %+v", web.Spec)
	}
	if m := web.Spec.Mounts; len(m) != 2 || m[0].Source != "data" || m[1].Source != "/home/deploy/uploads/here" {
		t.Errorf("mounts %+v", m)
	}
	if r := web.Route; r == nil || r.Service != "shop-web" || r.Port != 3000 || r.HealthPath != "/up" || labels[plan.LabelRoute] != r.Label() {
		t.Errorf("route %+v", r)
	}
	if w := find(t, d, "10.0.0.1", "worker"); w.Route != nil || strings.Join(w.Spec.Cmd, " ") != "bin/jobs --all" || w.Spec.Labels[plan.LabelRoute] != "" {
		t.Errorf("worker %+v", w)
	}
	if api := find(t, d, "10.0.0.2", "api"); !strings.Contains(api.Why, "port") {
		t.Errorf("why stop-first: %q", api.Why)
	}
	if len(d.ProxyRun) != 2 {
		t.Errorf("proxies on %v", d.ProxyRun)
	}
}

func TestADestinationIsInNamesLabelsAndEnvironment(t *testing.T) {
	in := inputs()
	in.Release = "staging"
	d, err := want(t, in)
	if err != nil {
		t.Fatal(err)
	}
	web := find(t, d, "10.0.0.1", "web")
	if web.Name != "shop-web-staging-v7" || web.Route.Service != "shop-web-staging" || web.Spec.Labels["destination"] != "staging" ||
		web.Spec.Env["KAMAL_DESTINATION"].Reveal() != "staging" || web.Spec.Env["RAILS_ENV"].Reveal() != "staging" || d.Image.Latest != "latest-staging" {
		t.Errorf("unit %s, route %s, labels %v, image %+v", web.Name, web.Route.Service, web.Spec.Labels, d.Image)
	}
}

func TestAMissingSecretIsNamed(t *testing.T) {
	in := inputs()
	in.Secrets = nil
	if _, err := want(t, in); err == nil || !strings.Contains(err.Error(), "DATABASE_URL") {
		t.Errorf("error %v", err)
	}
}

func TestTheIdentityIsOfImageAndConfigurationAlone(t *testing.T) {
	identity := func(change func(*plan.Inputs)) string {
		in := inputs()
		change(&in)
		d, err := want(t, in)
		if err != nil {
			t.Fatal(err)
		}
		return d.Identity()
	}
	same := identity(func(*plan.Inputs) {})
	for name, change := range map[string]func(*plan.Inputs){
		"another release":        func(in *plan.Inputs) { in.Release = "r2" },
		"another revision":       func(in *plan.Inputs) { in.Revision.SHA = "def" },
		"another secret's value": func(in *plan.Inputs) { in.Secrets = map[string]secret.Value{"DATABASE_URL": secret.New("other")} },
	} {
		if identity(change) != same {
			t.Errorf("%s is another identity", name)
		}
	}
	for name, change := range map[string]func(*plan.Inputs){
		"another image":         func(in *plan.Inputs) { in.Digest = digest("v8") },
		"another version":       func(in *plan.Inputs) { in.Version = "v8" },
		"another configuration": func(in *plan.Inputs) { in.Home = map[string]string{"10.0.0.1": "/srv"} },
	} {
		if identity(change) == same {
			t.Errorf("%s is the same identity", name)
		}
	}
}

func TestOnlySomeRolesOrHosts(t *testing.T) {
	d, err := want(t, inputs())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		roles, hosts []string
		units        int
	}{{nil, nil, 4}, {[]string{"w*"}, nil, 3}, {[]string{"web"}, []string{"10.0.0.2"}, 1}, {[]string{"nobody"}, nil, 0}} {
		if got := len(d.Only(c.roles, c.hosts).Units); got != c.units {
			t.Errorf("%v on %v: %d units, want %d", c.roles, c.hosts, got, c.units)
		}
	}
	if len(d.Units) != 4 {
		t.Error("Only changed what it was asked of")
	}
}

func TestAllHostsPullTheSameBytesThoughTheTagMoves(t *testing.T) {
	img := plan.Image{Name: "ghcr.io/acme/shop", Version: "v7", Digest: digest("v7")}
	if got, want := img.Pull(), "ghcr.io/acme/shop@"+digest("v7"); got != want {
		t.Errorf("pulls %s, want %s", got, want)
	}
	if img.Digest = ""; img.Pull() != "ghcr.io/acme/shop:v7" {
		t.Errorf("pulls %s, which no registry knows a digest of", img.Pull())
	}
}
