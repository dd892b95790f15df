package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/release"
)

// traefik puts the stand-in for Traefik into the registry, and returns a file
// that keeps it.
func (s *scenario) traefik() func(version string) yml {
	s.Helper()
	binary, err := fleet.BuildTraefik(s.Context(), s.dir)
	s.do(err)
	_, err = shared.fleet.Push(s.Context(), fleet.Image{Binary: binary, Path: "/traefik"}, "library/traefik:v3.7")
	s.do(err)
	s.write("secrets", "REGISTRY_PASSWORD="+registryPassword+"\nEDGE_TOKEN=edge-token-5b1c7e\n")
	return func(version string) yml {
		return s.file(version).with("x-fairlead", "{ window: 1s, proxy: traefik }").with("drain_timeout", "2").with("traefik",
			"{ image: "+shared.fleet.Registry+"/library/traefik:v3.7, args: { entrypoints.web.address: ':80', log.level: DEBUG }, "+
				"options: { memory: 200m, publish: ['8443:443'] }, labels: { tier: edge }, env: { clear: { TZ: UTC }, secret: [EDGE_TOKEN] } }")
	}
}

// traefikIs wants something of Traefik's container, as docker inspect prints it.
func (s *scenario) traefikIs(format, want string) {
	s.Helper()
	got, err := s.hosts[0].Docker(s.Context(), "inspect", "--format", format, "traefik")
	if s.do(err); strings.TrimSpace(got) != want {
		s.Errorf("Traefik's %s is %q, want %q", format, strings.TrimSpace(got), want)
	}
}

// by is what the host's port 80 answers for another name.
func (s *scenario) by(name string) (status int) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, "http://"+s.hosts[0].Addr+"/version", nil)
	s.do(err)
	req.Host = name
	resp, err := actor.NewClient().Do(req)
	s.do(err)
	s.do(resp.Body.Close())
	return resp.StatusCode
}

// What runs here is the stand-in of internal/fleet/traefik, not Traefik.
func TestTraefikIsBootedAsItsBlockSaysAndGetsContainersAtTheirSwitch(t *testing.T) {
	t.Parallel()
	s := begin(t, "traefiked")
	s.onNewHost()
	s.image("v1", nil)
	s.image("v2", nil)
	s.image("v3", map[string]string{"HEALTH": "fail"})
	file := s.traefik()
	v1 := file("v1").with("labels", "{ traefik.http.routers.other.rule: 'Host(`other.example.com`)', traefik.http.middlewares.mark.headers.customresponseheaders.X-Edge: 'yes', "+
		"traefik.http.routers.other.middlewares: mark }").
		with("accessories", "{ side: { image: "+shared.fleet.Registry+"/traefiked:v1, host: "+s.hosts[0].Addr+
			", registry: { server: "+shared.fleet.Registry+", username: "+registryUser+", password: [REGISTRY_PASSWORD] }, labels: { traefik.http.routers.side.rule: 'Host(`side.example.com`)' } } }")
	s.start()
	s.ends(s.push(v1), release.Succeeded)
	s.answers("v1")
	s.traefikIs("{{.Name}} {{.HostConfig.Memory}} {{.Config.Labels.tier}} {{.HostConfig.NetworkMode}} {{.HostConfig.RestartPolicy.Name}}", "/traefik 209715200 edge kamal unless-stopped")
	s.traefikIs("{{len .HostConfig.PortBindings}} {{(index .HostConfig.PortBindings \"80/tcp\" 0).HostPort}} {{(index .HostConfig.PortBindings \"443/tcp\" 0).HostPort}}", "2 80 8443")
	args, err := s.hosts[0].Docker(t.Context(), "inspect", "--format", "{{.Config.Cmd}} {{.Config.Env}}", "traefik")
	if s.do(err); !strings.HasPrefix(args, "[--entrypoints.web.address=:80 --log.level=DEBUG ") || !strings.Contains(args, "EDGE_TOKEN=edge-token-5b1c7e") || !strings.Contains(args, "TZ=UTC") {
		t.Errorf("its arguments and environment are %s", args)
	}
	for name, want := range map[string]int{"other.example.com": 200, "side.example.com": 200, "nobody.example.com": 404} {
		if got := s.by(name); got != want {
			t.Errorf("%s answers %d, want %d", name, got, want)
		}
	}
	s.says(0, "nothing to do", "plan")
	s.says(0, "Traefik runs ("+shared.fleet.Registry+"/library/traefik:v3.7) and reads 1 route", "doctor")

	same, err := s.hosts[0].Docker(t.Context(), "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", "traefik")
	s.do(err)
	leave := s.visitors()
	finish := s.slowly("/slow?ms=1500", "done v1") // the old one ends what it has begun
	s.ends(s.push(file("v2")), release.Succeeded)
	finish()
	s.answers("v2")
	if got := s.by("other.example.com"); got != 404 {
		t.Errorf("a rule that is gone answers %d", got)
	}
	s.ends(s.push(file("v3")), release.RolledBack)
	s.answers("v2")
	picture := s.portrait()
	s.ends(s.push(file("v2").with("proxy", "{ hosts: ["+s.host()+", '*.wide.example.com'], app_port: 80, healthcheck: { path: /up, interval: 1, timeout: 2 } }")), release.Succeeded)
	if now := s.portrait(); now != picture {
		t.Errorf("another rule made another container:\n%s\n%s", picture, now)
	}
	if got := s.by("a.wide.example.com"); got != 200 {
		t.Errorf("the wildcard answers %d", got)
	}
	s.says(0, "is live on 1 host", "rollback", "--follow", "v1")
	s.answers("v1")
	leave()
	s.traefikIs("{{.Id}} {{.State.StartedAt}}", strings.TrimSpace(same))
	s.traefikByHand(file)
}

// traefikByHand goes on with the verbs about proxies.
func (s *scenario) traefikByHand(file func(string) yml) {
	s.Helper()
	s.says(0, "traefik", "proxy", "details")
	s.says(0, "a stand-in for Traefik", "proxy", "logs")
	s.refused("proxy", "reboot", "-y")
	s.answers("v1")
	s.refused("proxy", "restart", "-y")
	s.answers("v1")
	s.says(1, "serves [traefiked-web]", "proxy", "remove")
	s.says(1, "Traefik has no page for maintenance", "app", "maintenance")
	s.says(0, "stopped", "app", "stop")
	if got := s.by(s.host()); got != 404 {
		s.Errorf("a stopped service answers %d", got)
	}
	s.says(1, "/up answers 500", "app", "start") // the newest is the one that failed
	s.says(0, "stopped", "app", "stop")
	s.says(0, "started", "app", "start", "--version", "v1")
	s.answers("v1")
	s.says(0, "is live on 1 host", "resume", s.service, "--follow") // Git says v2
	s.answers("v2")
	s.says(0, "stopped", "proxy", "stop", "-y")
	s.says(0, "started", "proxy", "start")
	s.answers("v2")
	s.says(1, "deploy.yml keeps Traefik", "proxy", "use", "fairlead", "-y")

	away := file("v2").with("x-fairlead", "{ window: 1s, proxy: fairlead }")
	sha := s.push(away)
	s.waits(sha, "`fairlead proxy use fairlead` replaces it")
	s.refused("proxy", "use", "fairlead", "-y")
	s.ends(sha, release.Succeeded)
	s.answers("v2")
	sha = s.push(file("v1"))
	s.waits(sha, "`fairlead proxy use traefik` replaces it")
	s.refused("proxy", "use", "traefik", "-y")
	s.ends(sha, release.Succeeded)
	s.answers("v1")
	s.says(0, "removed: none", "proxy", "remove", "--force")
	s.says(0, "booted", "proxy", "boot")
	s.answers("v1")
}
