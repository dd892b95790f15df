package policy_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/deployer/policy"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

func TestTraefiksSocketIsTheOperatorsToGive(t *testing.T) {
	judge := func(more string, p policy.Policy) error {
		d, _, err := spec.Load(fstest.MapFS{"deploy.yml": {Data: []byte("service: shop\nimage: acme/shop\nservers: {web: [a]}\nx-fairlead: {proxy: traefik}\n" + more)}}, spec.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return policy.Check(d, p)
	}
	err := judge("", policy.Policy{Mode: policy.Strict})
	if err == nil || !strings.Contains(err.Error(), "socket") || !strings.Contains(err.Error(), "allow: [") {
		t.Errorf("its socket: %v", err)
	}
	for more, p := range map[string]policy.Policy{
		"traefik: {args: {providers.docker: false}}": {Mode: policy.Strict},
		"": {Mode: policy.Strict, Allow: []string{"socket"}},
	} {
		if err := judge(more, p); err != nil {
			t.Errorf("%q: %v", more, err)
		}
	}
	if err := judge("traefik: {env: {secret: [TOKEN]}}", policy.Policy{Mode: policy.Strict}); err == nil || !strings.Contains(err.Error(), "socket") {
		t.Errorf("its socket beside a secret: %v", err)
	}
	if err := judge("traefik: {options: {privileged: true}, args: {providers.docker: false}}", policy.Policy{Mode: policy.Strict}); err == nil {
		t.Error("a privileged Traefik")
	}
}
