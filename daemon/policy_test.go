package daemon

import (
	"reflect"
	"testing"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/deployer/policy"
)

func TestTheOperatorsPolicyReachesTheDeployer(t *testing.T) {
	c, err := config.Parse("fairlead.yml", "/etc/fairlead", []byte(config.Example()))
	if err != nil {
		t.Fatal(err)
	}
	s, ok := settings(c, "shop")
	want := policy.Policy{
		Mode: policy.Strict, Mounts: []string{"/srv/shop"}, Options: []string{policy.Harmless, "sysctl"},
		Registries: []string{"ghcr.io/acme", "docker.io/library"}, Allow: []string{"hooks"},
	}
	if !ok || !reflect.DeepEqual(s.Policy, want) {
		t.Errorf("got %+v; want %+v", s.Policy, want)
	}
}
