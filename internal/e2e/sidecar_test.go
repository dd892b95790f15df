package e2e_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/release"
)

// sidecar is the daemon in a container on the scenario's only host: the
// program, CA roots and fairlead.yml, FROM scratch, and the engine's socket as
// its only mount.
func (s *scenario) sidecar() {
	s.Helper()
	ctx, h := s.Context(), s.hosts[0]
	key := actor.NewSecret()
	gateway := shared.fleet.Subnet.Addr().Next().String()
	l, err := net.Listen("tcp", gateway+":0")
	s.do(err)
	s.inbox = actor.ServeInbox(l, key)
	s.Cleanup(func() {
		if err := s.inbox.Close(); err != nil {
			s.Error(err)
		}
	})
	roots, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	s.do(err)
	conf := `repositories:
  ` + s.service + `: { url: "` + s.remote.HTTP + `", branch: main, poll: 1s, secrets: { env_prefix: S_ } }
hosts: { ` + h.Addr + `: { address: local, home: /root } }
registries: { "` + shared.fleet.Registry + `": { insecure: true } }
notify: [{ webhook: { url: "` + s.inbox.URL + `", secret: { env: HOOK } }, on: [every, alerts] }]
data_dir: /data
socket: /tmp/fairlead.sock
listen: none
`
	s.do(h.Load(ctx, fleet.Image{
		Binary: shared.program, Path: "/usr/local/bin/fairlead", Cmd: []string{"watch", "--config", "/etc/fairlead.yml"},
		Files: map[string]string{"/etc/ssl/certs/ca-certificates.crt": string(roots), "/etc/fairlead.yml": conf},
	}, "fairlead:e2e"))
	_, err = h.Docker(ctx, "network", "create", "kamal")
	s.do(err)
	_, err = h.Docker(ctx, "run", "-d", "--name", "fairlead", "--network", "kamal", "--restart", "unless-stopped",
		"-e", "S_REGISTRY_PASSWORD="+registryPassword, "-e", "HOOK="+key,
		"-v", "/var/run/docker.sock:/var/run/docker.sock", "fairlead:e2e")
	s.do(err)
	s.Cleanup(func() {
		if !s.Failed() {
			return
		}
		log, err := h.Docker(context.WithoutCancel(ctx), "logs", "--tail", "40", "fairlead")
		s.Log("the end of the sidecar's log:", log, err)
	})
}

func TestASidecarDeploysToItsOwnHostThroughTheSocketAlone(t *testing.T) {
	t.Parallel()
	s := begin(t, "side")
	s.onNewHost()
	s.image("v1", nil)
	s.image("v2", nil)
	s.image("v3", map[string]string{"EXIT": "6"})
	first := s.push(s.file("v1"))
	s.sidecar()
	s.ends(first, release.Succeeded)
	s.answers("v1")
	own := s.sidecarState()
	leave := s.visitors()
	s.ends(s.push(s.file("v2")), release.Succeeded)
	s.ends(s.push(s.file("v3")), release.RolledBack)
	leave()
	s.answers("v2")
	s.runs(s.web("v2"))
	if now := s.sidecarState(); now != own {
		t.Errorf("the sidecar was %s and is %s", own, now)
	}
	connections, _, err := s.hosts[0].SSHCount(t.Context())
	s.do(err)
	if connections != 0 {
		t.Errorf("somebody connected by SSH %d times", connections)
	}
	locks, err := s.hosts[0].Exec(t.Context(), "sh", "-c", "ls -d /root/.kamal /root/.kamal/lock-* 2>/dev/null || true")
	s.do(err)
	if strings.TrimSpace(locks) != "/root/.kamal" {
		t.Errorf("in the home folder are %q, want Kamal's folder and no lock", locks)
	}
}

// sidecarState tells whether the daemon's own container was touched.
func (s *scenario) sidecarState() string {
	s.Helper()
	out, err := s.hosts[0].Docker(s.Context(), "inspect", "--format", "{{.Id}} {{.Name}} {{.State.StartedAt}}", "fairlead")
	s.do(err)
	return strings.TrimSpace(out)
}

func TestAHostWhoseSSHForwardsNothingIsDeployedToAllTheSame(t *testing.T) {
	t.Parallel()
	s := begin(t, "strict")
	s.onNewHost()
	h := s.hosts[0]
	_, err := h.Exec(t.Context(), "sh", "-c", "printf 'AllowTcpForwarding no\\nAllowStreamLocalForwarding no\\n' >>/etc/ssh/sshd_config")
	s.do(err)
	s.do(h.StopService(t.Context(), "sshd"))
	s.do(h.StartService(t.Context(), "sshd"))
	s.forwardsNothing(h)
	s.image("v1", nil)
	s.image("v2", nil)
	s.image("sick", map[string]string{"HEALTH": "fail"})
	s.start()
	s.ends(s.push(s.file("v1")), release.Succeeded)
	leave := s.visitors()
	s.ends(s.push(s.file("v2")), release.Succeeded)
	ev := s.ends(s.push(s.file("sick").with("deploy_timeout", "4")), release.RolledBack)
	leave()
	s.answers("v2")
	s.runs(s.web("v2"))
	if !strings.Contains(fmt.Sprint(ev.Release.Failure), "healthy") {
		t.Errorf("the failure is told as %v", ev.Release.Failure)
	}
}

// forwardsNothing makes sure that the sshd is as the test wants it.
func (s *scenario) forwardsNothing(h *fleet.Host) {
	s.Helper()
	client, err := h.Dial(s.Context(), "root")
	s.do(err)
	defer client.Close()
	for network, address := range map[string]string{"unix": "/var/run/docker.sock", "tcp": shared.fleet.Registry} {
		if conn, err := client.Dial(network, address); err == nil {
			_ = conn.Close()
			s.Fatalf("%s forwards %s", h.Name, network)
		}
	}
}
