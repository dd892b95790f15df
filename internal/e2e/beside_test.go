package e2e_test

import (
	"net/http"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

func TestAnAccessoryBehindTheProxyIsUpAwayWhileItIsStoppedAndUpAgain(t *testing.T) {
	t.Parallel()
	s := begin(t, "routed")
	h := s.hosts[0]
	s.clearBeside(h, "side")
	s.image("v1", nil)
	s.start()
	s.ends(s.push(s.file("v1").with("x-fairlead", "{ window: 1s }").with("accessories", "{ side: { image: "+s.service+":v1, registry: { server: "+
		shared.fleet.Registry+", username: "+registryUser+", password: [REGISTRY_PASSWORD] }, host: "+h.Addr+
		", proxy: { host: routed-side.example.com, app_port: 80, healthcheck: { path: /up, interval: 1, timeout: 2 } } } }")), release.Succeeded)
	answers := func(want int, after string) {
		t.Helper()
		if got := s.visits(h, "routed-side.example.com"); got != want {
			t.Errorf("after %s the accessory answers %d, want %d", after, got, want)
		}
		s.answers("v1")
	}
	answers(http.StatusOK, "deploy")
	first := s.id(h, "routed-side")
	s.says(0, "routed-side", "accessory", "boot", "side") // it is there
	if s.id(h, "routed-side") != first {
		t.Error("boot replaced the accessory that ran")
	}
	s.says(0, "stopped", "accessory", "stop", "side")
	answers(http.StatusNotFound, "stop")
	s.says(0, "routed-side: runs", "accessory", "start", "side")
	answers(http.StatusOK, "start")
	s.says(0, "routed-side: runs", "accessory", "restart", "side")
	answers(http.StatusOK, "restart")
	if s.id(h, "routed-side") != first {
		t.Error("a restart made another container")
	}
	s.says(0, "routed-side: runs", "accessory", "reboot", "all")
	answers(http.StatusOK, "reboot")
	s.says(0, "removed", "accessory", "remove", "side", "-y")
	answers(http.StatusNotFound, "remove")
}
