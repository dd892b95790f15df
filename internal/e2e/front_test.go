package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

// The front is a small program that finds its backend by docker labels, as
// Traefik does, which cannot be had here.
func TestAnAccessoryIsTheFrontOfAProxyThatPublishesNoPort(t *testing.T) {
	t.Parallel()
	s := begin(t, "front")
	s.onNewHost()
	h := s.hosts[0]
	s.clearBeside(h, "front")
	s.image("v1", nil)
	s.image("v2", nil)
	const rule = "traefik.http.routers.kamal_proxy.rule=PathPrefix(`/`)"
	file := func(version string) yml {
		return s.file(version).with("x-fairlead", "{ window: 1s }").with("readiness_delay", "1").with("accessories", "\n  front:\n"+yml{
			"image": s.service + ":v1", "host": h.Addr, "env": "{ clear: { MODE: front } }",
			"registry": "{ server: " + shared.fleet.Registry + ", username: " + registryUser + ", password: [REGISTRY_PASSWORD] }",
			"options":  "{ publish: [ '80:80', '8080:80' ] }", "volumes": "[ /var/run/docker.sock:/var/run/docker.sock ]",
		}.indented("    ")).with("proxy", "{ host: "+s.host()+", app_port: 80, healthcheck: { path: /up, interval: 1, timeout: 2 }, "+
			"run: { publish: false, options: { label: [ front.enable=true, front.port=80, '"+rule+"' ] } } }")
	}
	s.operator["reconcile"] = "1h" // which would start a proxy that is stopped
	s.start()
	s.ends(s.push(file("v1")), release.Succeeded)
	s.answers("v1")
	s.proxyIs("{{len .HostConfig.PortBindings}} {{index .Config.Labels \"front.port\"}} {{index .Config.Labels \"traefik.http.routers.kamal_proxy.rule\"}}", "0 80 PathPrefix(`/`)")
	if got := s.ask(h, "/headers"); !strings.Contains(got, "X-Forwarded-For: ") || !strings.Contains(got, "Host: "+s.host()) {
		t.Errorf("the service behind both hears\n%s", got)
	}
	leave := s.visitors()
	s.ends(s.push(file("v2")), release.Succeeded)
	leave()
	s.answers("v2")

	// The front finds the proxy by its labels, whichever container it is.
	s.says(0, "connections were refused", "proxy", "reboot", "-y")
	s.until("the front has found the new proxy", func() bool { return s.status(h) == http.StatusOK })
	s.says(0, "stopped", "proxy", "stop", "-y")
	s.statuses(http.StatusBadGateway)
	s.says(0, "started", "proxy", "start")
	s.answers("v2")
	s.says(0, "stopped", "accessory", "stop", "front")
	if out, err := h.Docker(t.Context(), "exec", s.web("v2"), "/app", "health", "/up"); err != nil {
		t.Errorf("the service ended with its front: %s", out)
	}
	s.says(0, "front-front: runs", "accessory", "start", "front")
	s.answers("v2")
}
