package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// This one is not parallel: it counts all SSH connections of the hosts.
func TestAPushIsLiveOnBothHostsWithoutOneFailedRequest(t *testing.T) {
	s := begin(t, "push")
	s.image("v1", nil)
	s.image("v2", nil)
	first := s.push(s.file("v1").with("env", "{ clear: { COLOUR: blue } }"))
	before := s.connections()
	s.start()
	s.ends(first, release.Succeeded)
	s.answers("v1")
	s.runs(s.web("v1"))

	leave := s.visitors()
	second := s.push(s.file("v2").with("env", "{ clear: { COLOUR: green } }"))
	ev := s.ends(second, release.Succeeded)
	leave()
	s.answers("v2")
	s.runs(s.web("v2"))
	for _, h := range s.hosts {
		s.likeKamal(s.one(h, s.web("v2")), "v2", h.Addr)
		if old := s.one(h, s.web("v1")); old.State.Running {
			t.Errorf("%s still runs the old container", h.Name)
		}
		latest, err := h.Docker(t.Context(), "image", "inspect", "--format", "{{.Id}}", shared.fleet.Registry+"/"+s.service+":latest")
		s.do(err)
		if got := s.one(h, s.web("v2")).Image; strings.TrimSpace(latest) != got {
			t.Errorf("on %s latest is %s, the container's image is %s", h.Name, latest, got)
		}
		if got := s.ask(h, "/env?name=COLOUR"); got != "green" {
			t.Errorf("COLOUR is %q on %s", got, h.Name)
		}
	}
	if len(ev.Release.Hosts) != 2 || ev.Release.Previous != "v1" || ev.Release.Version != "v2" {
		t.Errorf("the webhook tells %+v", ev.Release)
	}

	picture, since := s.picture(), s.clock()
	third := s.pushFiles(map[string]string{"README.md": "Nothing that runs is changed.\n"})
	s.ends(third, release.Unchanged)
	if now := s.picture(); now != picture {
		t.Errorf("a commit without a change changed\n%s\ninto\n%s", picture, now)
	}
	s.untouchedSince(since)
	for name, n := range s.connections() {
		if n-before[name] != 1 {
			t.Errorf("%d SSH connections to %s, want 1", n-before[name], name)
		}
	}
}

func TestALostDataFolderChangesNothing(t *testing.T) {
	t.Parallel()
	s := begin(t, "lost")
	s.image("v1", nil)
	sha := s.push(s.file("v1"))
	s.start()
	s.ends(sha, release.Succeeded)
	s.do(s.daemon.Stop())
	picture, since := s.picture(), s.clock()
	s.operator["data_dir"] = s.path("other-data")
	s.start()
	s.told(sha, release.Unchanged)
	if now := s.picture(); now != picture {
		t.Errorf("it was\n%s\nand is\n%s", picture, now)
	}
	s.untouchedSince(since)
}

// likeKamal fails the test unless a container looks as Kamal 2 makes them: the
// documented labels, variables, network and restart policy.
func (s *scenario) likeKamal(c container, version, host string) {
	s.Helper()
	for name, want := range map[string]string{"service": s.service, "role": "web", "destination": ""} {
		if got, ok := c.Config.Labels[name]; !ok || got != want {
			s.Errorf("label %s of %s is %q", name, c.Name, got)
		}
	}
	for name, want := range map[string]string{"KAMAL_CONTAINER_NAME": c.Name, "KAMAL_VERSION": version, "KAMAL_HOST": host} {
		if got, _ := c.env(name); got != want {
			s.Errorf("%s of %s is %q, want %q", name, c.Name, got, want)
		}
	}
	if _, ok := c.NetworkSettings.Networks["kamal"]; !ok || c.HostConfig.NetworkMode != "kamal" {
		s.Errorf("%s is on %v", c.Name, c.NetworkSettings.Networks)
	}
	if c.HostConfig.RestartPolicy.Name != "unless-stopped" || c.HostConfig.LogConfig.Config["max-size"] != "10m" {
		s.Errorf("%s has %+v", c.Name, c.HostConfig)
	}
	if want := shared.fleet.Registry + "/" + s.service + ":" + version; c.Config.Image != want {
		s.Errorf("the image of %s is %s, want %s", c.Name, c.Config.Image, want)
	}
}

// connections are how many times each host's sshd let somebody in so far.
func (s *scenario) connections() map[string]int {
	s.Helper()
	counts := map[string]int{}
	for _, h := range s.hosts {
		n, _, err := h.SSHCount(s.Context())
		s.do(err)
		counts[h.Name] = n
	}
	return counts
}

// clock is the time for untouchedSince.
func (s *scenario) clock() string { return time.Now().UTC().Format(time.RFC3339Nano) }

// untouchedSince fails the test when an engine did anything to the service's
// containers.
func (s *scenario) untouchedSince(since string) {
	s.Helper()
	for _, h := range s.hosts {
		out, err := h.Docker(s.Context(), "events", "--since", since, "--until", s.clock(), "--filter", "label=service="+s.service)
		s.do(err)
		if strings.TrimSpace(out) != "" {
			s.Errorf("the engine of %s did something:\n%s", h.Name, out)
		}
	}
}
