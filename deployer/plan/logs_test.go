package plan_test

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

func TestLogsAndLabelsAreTheRolesOverThoseOfAll(t *testing.T) {
	for name, tt := range map[string]struct{ more, web, jobs string }{
		"nothing said": {"", "{ map[max-size:10m]} ", "{ map[max-size:10m]} "},
		"for all":      {"logging: {driver: local, options: {max-size: 5m}}\nlabels: {team: a}\n", "{local map[max-size:5m]} a", "{local map[max-size:5m]} a"},
		"for one": {"logging: {options: {max-size: 5m, max-file: 3}}\nlabels: {team: a}\nroles: {jobs: {logging: {driver: json-file, options: {max-file: 9}}, labels: {team: b}}}\n",
			"{ map[max-file:3 max-size:5m]} a", "{json-file map[max-file:9 max-size:5m]} b"},
	} {
		file := "service: shop\nimage: acme/shop\nservers: {web: [h1], jobs: {hosts: [h1], cmd: jobs}}\n" + tt.more
		d, _, err := spec.Load(fstest.MapFS{"config/deploy.yml": {Data: []byte(file)}}, spec.Options{})
		if err != nil {
			t.Fatal(err)
		}
		want, err := plan.Want(d, plan.Inputs{Release: "r1", Version: "v1", Digest: digest("v1"), Home: map[string]string{"h1": "/root"}})
		if err != nil {
			t.Fatal(err)
		}
		for role, said := range map[string]string{"web": tt.web, "jobs": tt.jobs} {
			s := find(t, want, "h1", role).Spec
			if got := fmt.Sprintf("%v %s", s.Log, s.Labels["team"]); got != said {
				t.Errorf("%s: %s has %s, want %s", name, role, got, said)
			}
		}
	}
}
