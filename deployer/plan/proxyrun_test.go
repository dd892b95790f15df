package plan_test

import (
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/plan/boot"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

func TestWhichProxyIsBootedIsSaidByItsImageOrItsKind(t *testing.T) {
	const named = "proxy: {host: a.example.com, run: {registry: registry.example.com, version: v1.0.0}}\n"
	for yaml, want := range map[string]string{
		"proxy: {host: a.example.com}\n": "",
		named:                            "registry.example.com/basecamp/kamal-proxy:v1.0.0",
		named + "x-fairlead: {proxy: fairlead}\n":                             "",
		"proxy: {host: a.example.com}\nx-fairlead: {proxy: kamal-proxy}\n":    "basecamp/kamal-proxy:v0.9.2",
		"proxy: {host: a.example.com, run: {repository: acme/their-proxy}}\n": "acme/their-proxy:v0.9.2",
	} {
		d, _, err := spec.Load(fstest.MapFS{"deploy.yml": {Data: []byte("service: shop\nimage: acme/shop\nservers: {web: [a], job: {hosts: [b]}}\n" + yaml)}}, spec.Options{})
		if err != nil {
			t.Fatal(err)
		}
		run, ok, _ := boot.On(d, "a", "", nil)
		if !ok || run.Image != want {
			t.Errorf("%s: %t, %q, want %q", yaml, ok, run.Image, want)
		}
		if run, _, _ := boot.On(d, "a", "fairlead", nil); run.Image != "" {
			t.Errorf("%s: told to use Fairlead's: %q", yaml, run.Image)
		}
		if run, _, _ := boot.On(d, "a", "kamal-proxy", nil); run.Image == "" {
			t.Errorf("%s: told to use kamal-proxy: Fairlead's", yaml)
		}
		if _, ok, _ := boot.On(d, "b", "", nil); ok {
			t.Errorf("%s: a proxy on b, where nothing is proxied", yaml)
		}
	}
}

func TestARouteIsKnownFromTheProxyThenFromItsContainerThenByKamalsDefaults(t *testing.T) {
	table := plan.Live{Service: "shop-web", Part: true, Route: &plan.Route{Service: "shop-web", Hosts: []string{"a.example.com"}, TLS: true, Port: 3000}}
	plain := table.Whole("")
	if plain.HealthPath != "/up" || plain.ForwardHeaders || !plain.TLS || plain.Port != 3000 || !plain.BufferRequests || plain.DeployTimeout <= 0 {
		t.Errorf("without a label: %+v", plain)
	}
	known := plan.Route{Service: "shop-web", HealthPath: "/health", Port: 80, ResponseTimeout: 7}
	if r := table.Whole(known.Label()); r.HealthPath != "/health" || r.ResponseTimeout != 7 || r.Port != 3000 || r.Hosts[0] != "a.example.com" {
		t.Errorf("with a label: %+v", r)
	}
}
