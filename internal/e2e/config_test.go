package e2e_test

import (
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/release"
)

func TestAChangedVariableMakesANewContainerOfTheSameImage(t *testing.T) {
	t.Parallel()
	s := begin(t, "config")
	s.image("v1", nil)
	file := s.file("v1").with("env", "{ COLOUR: blue }")
	s.start()
	s.ends(s.push(file), release.Succeeded)
	leave := s.visitors()
	ev := s.ends(s.push(file.with("env", "{ COLOUR: red }")), release.Succeeded)
	s.runs(s.web("v1"))
	for _, h := range s.hosts {
		list := s.containers(h)
		if len(list) != 2 || list[0].Image != list[1].Image || list[1].State.Running {
			t.Errorf("%s has %+v", h.Name, list)
		}
		if got := s.ask(h, "/env?name=COLOUR"); got != "red" {
			t.Errorf("%s answers %q", h.Name, got)
		}
	}
	if c := ev.Release.Changes; len(c) != 2 || c[0].Field != "env.COLOUR" || c[0].Was != "blue" || c[0].Want != "red" {
		t.Errorf("the webhook tells of %+v", c)
	}

	t.Run("a comment changes nothing", func(t *testing.T) {
		s := s.in(t)
		picture, since := s.picture(), s.clock()
		text := "# All is well.\n" + file.with("env", "{ COLOUR: red }").String()
		s.ends(s.pushFiles(map[string]string{"config/deploy.yml": text}), release.Unchanged)
		s.untouchedSince(since)
		if now := s.picture(); now != picture {
			t.Errorf("it was\n%s\nand is\n%s", picture, now)
		}
	})

	t.Run("the proxy's options change under traffic too", func(t *testing.T) {
		s := s.in(t)
		more := file.with("env", "{ COLOUR: red }").
			with("proxy", "{ hosts: ["+s.host()+", other.example.com], healthcheck: { path: /up, interval: 1, timeout: 2 } }")
		s.ends(s.push(more), release.Succeeded)
		for _, h := range s.hosts {
			got, err := actor.Get(t.Context(), actor.NewClient(), actor.Site{Address: "http://" + h.Addr, Host: "other.example.com"}, "/version")
			if err != nil || got != "v1" {
				t.Errorf("%s answers %q under its other name: %v", h.Name, got, err)
			}
		}
		s.ends(s.pushFiles(map[string]string{"README.md": "Two names.\n"}), release.Unchanged)
	})
	leave()
}

func TestAContainerHasWhatDeployYMLSaysOfItAndPlansNothingAfterwards(t *testing.T) {
	t.Parallel()
	s := begin(t, "everykey")
	s.image("v1", nil)
	h := s.hosts[0]
	file := s.file("v1").
		with("servers", "{ web: { hosts: ["+h.Addr+"], labels: { tier: front }, env: { clear: { OF: role } }, logging: { options: { max-file: '3' } }, "+
			"options: { memory: 96m, cpu-shares: 512, cap-add: SYS_PTRACE, ulimit: 'nofile=2048:4096', add-host: 'db:10.9.8.7', init: true, tmpfs: /tmp } } }").
		with("labels", "{ tier: all, team: shop }").with("env", "{ clear: { OF: root, AT: root } }").
		with("logging", "{ driver: json-file, options: { max-size: 5m } }").with("volumes", "[ 'everykey-files:/files' ]")
	s.start()
	s.ends(s.push(file), release.Succeeded)
	for key, want := range map[string]string{
		".Config.Labels.tier": "front", ".Config.Labels.team": "shop",
		".HostConfig.LogConfig.Type": "json-file", ".HostConfig.LogConfig.Config": "map[max-file:3 max-size:5m]",
		".HostConfig.Memory": "100663296", ".HostConfig.CpuShares": "512", ".HostConfig.ExtraHosts": "[db:10.9.8.7]",
		".HostConfig.Init": "true", ".HostConfig.Tmpfs": "map[/tmp:]", "(index .HostConfig.Ulimits 0)": "nofile=2048:4096",
		"(index .Mounts 0).Name": "everykey-files", "(index .Mounts 0).Destination": "/files",
	} {
		got, err := h.Docker(t.Context(), "inspect", "--format", "{{"+key+"}}", s.web("v1"))
		if s.do(err); strings.TrimSpace(got) != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if got, err := h.Docker(t.Context(), "inspect", "--format", "{{.HostConfig.CapAdd}}", s.web("v1")); err != nil || !strings.Contains(got, "SYS_PTRACE") {
		t.Errorf("the capabilities are %q: %v", got, err)
	}
	for name, want := range map[string]string{"OF": "role", "AT": "root"} {
		if got := s.ask(h, "/env?name="+name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	since := s.clock()
	s.ends(s.pushFiles(map[string]string{"README.md": "The same.\n"}), release.Unchanged)
	s.says(0, "nothing to do", "plan")
	s.untouchedSince(since)
}
