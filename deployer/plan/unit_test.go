package plan_test

import (
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

func TestARouteIsAsDeployYMLSaysAndItsCertificateAsItWasMade(t *testing.T) {
	d := &spec.Deploy{Service: "shop", ErrorPages: map[string]string{"public/404.html": "gone"}, Roles: []spec.Role{{Name: "web", Proxied: true, Proxy: &spec.Proxy{AppPort: 3000}}, {Name: "worker"}}}
	born := plan.Route{Service: "shop-web", Port: 80, TLSCert: "/certs/a.pem", TLSKey: "/certs/a.key", ErrorPages: "/old"}
	c := func(role string, labels map[string]string) container.Observed {
		all := map[string]string{plan.LabelRole: role}
		for k, v := range labels {
			all[k] = v
		}
		return container.Observed{Spec: container.Spec{Labels: all}}
	}
	labelled := map[string]string{plan.LabelRoute: born.Label()}
	if r, ok := plan.RouteFor(d, c("web", labelled)); !ok || r.Port != 3000 || r.TLSCert != "" || r.ErrorPages == "" || r.ErrorPages == "/old" {
		t.Errorf("%+v, %t", r, ok)
	}
	for _, role := range []string{"worker", "gone"} {
		if r, ok := plan.RouteFor(d, c(role, labelled)); ok {
			t.Errorf("%s has the route %+v", role, r)
		}
	}
	d.Roles[0].Proxy.SSL = spec.SSL{Enabled: true, CertificatePEM: "CERT", PrivateKeyPEM: "KEY"}
	if !d.Roles[0].Proxy.SSL.Custom() {
		t.Fatal("that is no certificate of its own")
	}
	if r, ok := plan.RouteFor(d, c("web", labelled)); !ok || r.Port != 3000 || r.TLSCert != born.TLSCert || r.TLSKey != born.TLSKey {
		t.Errorf("with a certificate: %+v, %t", r, ok)
	}
	if r, ok := plan.RouteFor(d, c("web", nil)); ok {
		t.Errorf("a certificate that nobody made: %+v", r)
	}
}
