package daemon

import (
	"os"
	"path/filepath"
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

// What a person deploys from their own checkout, nobody has to allow them.
func TestAPersonsOwnProjectMayDoAllThatItAsksFor(t *testing.T) {
	dir := t.TempDir()
	const file = "service: shop\nimage: acme/shop\nservers: [192.0.2.1]\nbuilder: { arch: amd64 }\nhooks: { pre-build: [make], pre-deploy: [bin/migrate] }\n"
	if err := os.WriteFile(filepath.Join(dir, "deploy.yml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	checkout, err := OpenCheckout(dir, "", "")
	if err != nil {
		t.Fatal(err)
	}
	l := &Local{checkout: checkout}
	if err := policy.Check(checkout.Deploy, l.settings().Policy); err != nil {
		t.Error(err)
	}
	if err := policy.Check(checkout.Deploy, policy.Policy{}); err == nil {
		t.Error("nothing in it had to be allowed")
	}
}
