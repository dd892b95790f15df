package plan_test

import (
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

func TestNoLabelOfTheFileMakesAContainerVisibleToTraefikBeforeItsSwitch(t *testing.T) {
	for _, more := range []string{
		"", "labels: {traefik.enable: true}", "servers: {web: {hosts: [h1], options: {label: traefik.enable=true}}}",
		"servers: {web: {hosts: [h1], options: {label: [Traefik.Enable=true, team=shop]}}}",
	} {
		file := "service: shop\nimage: acme/shop\nx-fairlead: {proxy: traefik}\n" + more + "\n"
		if len(more) == 0 || more[0] == 'l' {
			file += "servers: [h1]\n"
		}
		d, _, err := spec.Load(fstest.MapFS{"deploy.yml": {Data: []byte(file)}}, spec.Options{})
		if err != nil {
			t.Fatal(err)
		}
		want, err := plan.Want(d, plan.Inputs{Release: "r1", Version: "v1", Digest: digest("v1"), Home: map[string]string{"h1": "/root"}})
		if err != nil {
			t.Fatal(err)
		}
		labels := find(t, want, "h1", "web").Spec.Labels
		if _, other := labels["Traefik.Enable"]; other || labels["traefik.enable"] != "false" {
			t.Errorf("%q: %v", more, labels)
		}
	}
}
