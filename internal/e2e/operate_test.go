package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/release"
)

// status is what a host's proxy answers for the service.
func (s *scenario) status(h *fleet.Host) int {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, "http://"+h.Addr+"/version", nil)
	s.do(err)
	req.Host = s.host()
	resp, err := http.DefaultClient.Do(req)
	s.do(err)
	s.do(resp.Body.Close())
	return resp.StatusCode
}

func (s *scenario) statuses(want int) {
	s.Helper()
	for _, h := range s.hosts {
		if got := s.status(h); got != want {
			s.Errorf("%s answers %d, want %d", h.Name, got, want)
		}
	}
}

// only runs a command against the daemon and returns its standard output.
func (s *scenario) only(args ...string) string {
	s.Helper()
	s.note(args)
	ctx, cancel := context.WithTimeoutCause(s.Context(), patience, fmt.Errorf("no end within %s", patience))
	defer cancel()
	cmd := exec.CommandContext(ctx, shared.program, append(args, "--config", s.daemon.Conf)...)
	cmd.Env = append(os.Environ(), "SUDO_USER=ana")
	out, _ := cmd.Output()
	return string(out)
}

func TestPeopleRunCommandsAndReadLogsOnAllHostsThroughTheDaemon(t *testing.T) {
	s := begin(t, "hands")
	s.image("v1", nil)
	s.start()
	s.ends(s.push(s.file("v1").with("env", "{ clear: { COLOUR: blue } }")), release.Succeeded)

	s.says(3, "exit status 3", "app", "exec", "-e", "EXIT=3", "now")
	if out := s.only("app", "exec", "--raw", "-e", "EXIT=3", "now"); out != strings.Repeat("app v1 booting\n", len(s.hosts)) {
		t.Errorf("standard output of a command on all hosts is %q", out)
	}
	if out := s.only("app", "exec", "-p", "-e", "EXIT:3", "now"); out != "app v1 booting\n" {
		t.Errorf("standard output of a command on one host is %q", out)
	}
	s.says(0, "", "app", "exec", "--reuse", "/app health /up")
	s.says(1, "", "app", "exec", "--reuse", "-p", "/app", "health", "/nowhere")
	s.says(1, "no role is called webb", "app", "exec", "--roles", "webb", "now")
	s.runs(s.web("v1"))

	logs := s.only("app", "logs", "-T", "--grep", "READY", "--grep-options", "-i")
	for _, h := range s.hosts {
		if !strings.Contains(logs, h.Addr+" web | app v1 ready") {
			t.Errorf("the logs of %s are not in %q", h.Name, logs)
		}
	}
	s.says(0, "kamal-proxy", "details")
	s.says(0, s.web("v1"), "app", "containers")
	s.says(0, "v1", "app", "version", "--json")
	s.says(0, s.service+":v1", "app", "images")
	s.says(0, "not locked", "lock", "status")
	s.says(0, "| hello", "server", "exec", "echo hello")
	s.says(0, "takes the account "+registryUser, "registry", "login")
	s.says(0, "is ready: Docker", "server", "bootstrap")
}

func TestWhatAPersonStopsStaysStoppedWhateverIsPushedUntilResume(t *testing.T) {
	s := begin(t, "stopped")
	for _, v := range []string{"v1", "v2"} {
		s.image(v, nil)
	}
	s.start()
	s.ends(s.push(s.file("v1")), release.Succeeded)

	s.says(0, "answers with 503", "app", "maintenance", "--message", "Back soon", "--drain-timeout", "1s")
	s.statuses(http.StatusServiceUnavailable)
	s.says(0, "serves again", "app", "live")
	s.answers("v1")

	leave := s.visitors()
	before := s.portrait()
	s.says(0, "is live on 2 hosts", "app", "restart", "--follow")
	if s.portrait() == before {
		t.Error("the same containers run after a restart")
	}
	s.answers("v1")
	leave()

	s.says(0, "is held", "app", "stop")
	s.statuses(http.StatusNotFound)
	s.runs()
	s.told(s.push(s.file("v2")), release.Waiting)
	s.runs()
	s.says(0, "held by ana", "status")
	s.says(0, "started", "app", "start")
	s.answers("v1")
	s.says(0, "is live on 2 hosts", "resume", "--follow")
	s.answers("v2")
	s.says(0, "Stopped app", "audit")

	s.says(1, "no terminal to ask on", "app", "remove")
	s.says(0, "removed", "app", "remove", "-y")
	for _, h := range s.hosts {
		if left := s.containers(h); len(left) > 0 {
			t.Errorf("%d containers are left on %s", len(left), h.Name)
		}
	}
}

// This one is not parallel: it counts all SSH connections of the hosts.
func TestAPersonWorksOnAServiceFromACheckoutWithoutADaemon(t *testing.T) {
	s := begin(t, "alonehands")
	s.image("v1", nil)
	p := alone(s)
	p.writes(s.file("v1"))
	p.wants(0, "is live on 2 hosts", "deploy")
	p.wantsOnce(3, "booting", "app", "exec", "-e", "EXIT=3", "now")
	p.wantsOnce(0, "web | app v1 ready", "app", "logs")
	p.wantsOnce(0, s.web("v1"), "details")
	p.wants(0, "is locked on 2 hosts", "lock", "acquire", "-m", "moving house")
	p.wants(1, "moving house", "app", "stop")
	p.wants(0, "freed the lock", "lock", "release")
	p.wants(0, "stopped", "app", "stop")
	s.statuses(http.StatusNotFound)
	p.wants(0, "started", "app", "start")
	s.answers("v1")
	p.wants(0, "is live on 2 hosts", "app", "restart")
	s.answers("v1")
	p.wants(0, "", "prune", "all", "--retain", "0")
	s.runs(s.web("v1"))
	for _, h := range s.hosts {
		if left := s.containers(h); len(left) != 1 {
			t.Errorf("%d containers are on %s", len(left), h.Name)
		}
	}
	p.wants(0, "removed", "app", "remove", "-y")
}

// The figure is 20 ms; the test fails at five times of it, in the best of some
// tries, since a busy machine is slow.
func TestTheVersionIsSaidAtOnce(t *testing.T) {
	best := time.Hour
	for range 10 {
		began := time.Now()
		out, err := exec.CommandContext(t.Context(), shared.program, "version").Output()
		if err != nil || !strings.HasPrefix(string(out), "fairlead ") {
			t.Fatalf("%v, %q", err, out)
		}
		best = min(best, time.Since(began))
	}
	t.Logf("fairlead version takes %s at best", best)
	if best > 100*time.Millisecond {
		t.Errorf("fairlead version takes %s; 20 ms is the aim", best)
	}
}
