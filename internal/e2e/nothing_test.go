package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
)

// visits is what a host's proxy answers under a name.
func (s *scenario) visits(h *fleet.Host, name string) int {
	s.Helper()
	other := *s
	other.service = strings.TrimSuffix(name, ".example.com")
	return other.status(h)
}

func TestAServerIsSetUpFromNothingAndNothingIsLeftWhenItsLastServiceGoes(t *testing.T) {
	t.Parallel()
	one, two := begin(t, "none1"), begin(t, "none2")
	one.onNewHost()
	two.hosts = one.hosts
	h := one.hosts[0]
	one.image("v1", nil)
	two.image("v1", nil)
	two.clearBeside(h, "side")
	first, second := alone(one), alone(two)
	nothing := func(of string) {
		t.Helper()
		for _, line := range []string{
			"docker ps -aq --filter label=service=" + of, "docker images -q '*/" + of + "'", "ls -d .kamal/*/" + of + " .kamal/*/*/" + of + " .kamal/lock-* 2>/dev/null || true",
		} {
			if got := one.shell(line); got != "" {
				t.Errorf("%s says %q", line, got)
			}
		}
	}
	if got := one.shell("docker ps -aq; docker images -q; ls -a .kamal 2>/dev/null || true"); got != "" {
		t.Fatalf("the server begins with %s", got)
	}
	first.writes(one.file("v1").with("x-fairlead", "{ window: 1s }").with("hooks", `{ docker-setup: { run: host, commands: ["echo $KAMAL_SUBCOMMAND >> set-up"] } }`))
	second.writes(two.file("v1").with("x-fairlead", "{ window: 1s }").with("accessories", "{ side: { image: "+two.service+":v1, host: "+h.Addr+
		", registry: { server: "+shared.fleet.Registry+", username: "+registryUser+", password: [REGISTRY_PASSWORD] }, proxy: { host: side.example.com, app_port: 80 } } }"))
	first.wants(0, "is live on 1 host", "setup")
	one.answers("v1")
	first.wants(0, "", "deploy")
	if got := one.shell("cat set-up"); got != "bootstrap" {
		t.Errorf("docker-setup ran as %q", got)
	}

	// Whoever has the lock is waited for, or named; nobody deploys meanwhile.
	second.wants(0, "not locked", "lock", "status")
	second.wants(0, "is locked on 1 host", "lock", "acquire", "-m", "moving house")
	second.wants(0, "moving house", "lock", "status")
	second.wants(1, "moving house", "setup")
	if got := two.containers(h); len(got) > 0 {
		t.Errorf("there is %s under a lock", got[0].Name)
	}
	second.wants(0, "freed the lock", "lock", "release")
	second.wants(0, "is live on 1 host", "setup")
	two.answers("v1")
	if got := two.visits(h, "side.example.com"); got != http.StatusOK {
		t.Errorf("the accessory answers %d", got)
	}

	leave := two.visitors()
	first.wants(0, "stays: other services are here", "remove", "-y")
	nothing(one.service)
	leave()
	first.wants(0, "", "remove", "-y")
	two.answers("v1")
	second.wants(0, "kamal-proxy: removed", "remove", "-y")
	nothing(two.service)
	if got := one.shell("docker ps -aq; docker images -q; docker ps -aq --filter name=kamal-proxy"); got != "" {
		t.Errorf("of the last service there is left %s", one.shell("docker ps -a; docker images"))
	}
	second.wants(0, "", "remove", "-y")
	first.wants(0, "is live on 1 host", "setup")
	one.answers("v1")
}
