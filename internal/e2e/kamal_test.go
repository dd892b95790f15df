package e2e_test

import (
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/release"
)

// byKamal makes on the scenario's hosts what `kamal setup` leaves there (Kamal
// 2.12: lib/kamal/commands/{app,proxy}.rb): network, proxy, container, route.
func (s *scenario) byKamal(version string) {
	s.Helper()
	ctx, name := s.Context(), s.web(version)
	image := shared.fleet.Registry + "/" + s.service + ":" + version
	for _, h := range s.hosts {
		s.do(h.Load(ctx, fleet.Image{
			Binary: s.daemon.Program, Path: "/usr/local/bin/kamal-proxy", Cmd: []string{"run"},
			Labels: map[string]string{"org.opencontainers.image.title": "kamal-proxy"},
		}, "basecamp/kamal-proxy:v0.9.2"))
		for _, line := range []string{
			"docker login -u " + registryUser + " -p " + registryPassword + " " + shared.fleet.Registry,
			"docker network create kamal",
			"mkdir -p .kamal/proxy/apps-config",
			"docker run --name kamal-proxy --network kamal --detach --restart unless-stopped" +
				" --volume kamal-proxy-config:/home/kamal-proxy/.config/kamal-proxy" +
				" --volume $PWD/.kamal/proxy/apps-config:/home/kamal-proxy/.apps-config" +
				" --publish 80:80 --publish 443:443 --log-opt max-size=10m basecamp/kamal-proxy:v0.9.2",
			"docker run --detach --restart unless-stopped --name " + name + " --network kamal --hostname " + h.Name + "-4d2f6a1b9c3e" +
				" --env KAMAL_CONTAINER_NAME=" + name + " --env KAMAL_VERSION=" + version + " --env KAMAL_HOST=" + h.Addr +
				" --log-opt max-size=10m --label service=" + s.service + " --label role=web --label destination= " + image,
			"docker tag " + image + " " + shared.fleet.Registry + "/" + s.service + ":latest",
			"docker exec kamal-proxy kamal-proxy deploy " + s.service + "-web --target=$(docker ps -q --filter name=" + name + "):80" +
				" --host=" + s.host() + " --deploy-timeout=20s --drain-timeout=10s --health-check-interval=1s --health-check-timeout=2s" +
				" --health-check-path=/up --target-timeout=30s --buffer-requests --buffer-responses --forward-headers",
		} {
			_, err := h.SSH(ctx, line)
			s.do(err)
		}
	}
}

// onNewHost moves the scenario to a host of its own.
func (s *scenario) onNewHost() {
	s.Helper()
	h, err := shared.fleet.AddHost(s.Context())
	s.do(err)
	s.hosts = []*fleet.Host{h}
}

func TestAFleetThatKamalDeployedPlansNothing(t *testing.T) {
	t.Parallel()
	s := begin(t, "kamal")
	s.onNewHost()
	s.image("v1", nil)
	s.image("v2", nil)
	s.byKamal("v1")
	s.answers("v1")
	picture, since := s.picture(), s.clock()
	sha := s.push(s.file("v1"))
	s.start()
	s.ends(sha, release.Unchanged)
	s.untouchedSince(since)
	if now := s.picture(); now != picture {
		t.Errorf("it was\n%s\nand is\n%s", picture, now)
	}
	leave := s.visitors()
	s.ends(s.push(s.file("v2")), release.Succeeded)
	leave()
	s.answers("v2")
	s.runs(s.web("v2"))
	proxy, err := s.hosts[0].Docker(t.Context(), "inspect", "--format", "{{.Config.Image}}", "kamal-proxy")
	s.do(err)
	if got := strings.TrimSpace(proxy); got != "basecamp/kamal-proxy:v0.9.2" {
		t.Errorf("the proxy was replaced by %s", got)
	}
}

func TestTheFirstContactWithADifferentFleetChangesNothingUntilItIsAllowed(t *testing.T) {
	t.Parallel()
	for _, yes := range []struct{ service, says string }{{"contact", "fairlead resume"}, {"observed", "mode: deploy"}} {
		t.Run(yes.says, func(t *testing.T) {
			t.Parallel()
			s := begin(t, yes.service)
			s.onNewHost()
			s.image("v1", nil)
			s.image("v2", nil)
			s.byKamal("v1")
			picture, since := s.picture(), s.clock()
			sha := s.push(s.file("v2"))
			unchanged := func() {
				t.Helper()
				s.untouchedSince(since)
				if now := s.picture(); now != picture {
					t.Errorf("it was\n%s\nand is\n%s", picture, now)
				}
				s.answers("v1")
			}
			s.settings["mode"] = "observe"
			s.start()
			s.waits(sha, "observe mode", "replace 1 container on 1 host")
			s.says(0, "observe mode", "status")
			s.says(2, "1 of 1 host would change", "plan")
			const green = "\x1b[32m"
			for _, terminal := range []bool{true, false} {
				if out, status := s.typing(terminal, "", "plan"); strings.Contains(out, green) != terminal || status != 2 {
					t.Errorf("fairlead plan, on a terminal %t, ends with %d:\n%q", terminal, status, out)
				}
			}
			unchanged()
			leave := s.visitors()
			if yes.says == "mode: deploy" { // from watching to deploying, at once
				s.says(1, "observe mode", "resume", "--follow", "--timeout", "5s")
				unchanged()
				s.settings["mode"] = "deploy"
				s.reload()
			} else {
				delete(s.settings, "mode")
				s.reload()
				first := s.toldThat("it is the first contact", func(ev release.Event) bool {
					return ev.Release != nil && ev.Release.Status == release.Waiting && strings.Contains(ev.Message, "first contact")
				})
				if !strings.Contains(first.Message, "fairlead resume "+s.service) {
					t.Errorf("it names no remedy: %s", first.Message)
				}
				unchanged()
				s.says(0, "is live on 1 host", "resume", "--follow")
			}
			s.told(sha, release.Succeeded)
			leave()
			s.answers("v2")
			s.runs(s.web("v2"))
			s.says(0, "on its commit", "status")
		})
	}
}
