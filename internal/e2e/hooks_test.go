package e2e_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/release"
)

// TestHooksRunOnceInContainersOfTheNewVersionAndLeaveNothing has hooks that the
// daemon is killed over, that fail, flood, hang and leave processes behind, and
// one that is a file.
func TestHooksRunOnceInContainersOfTheNewVersionAndLeaveNothing(t *testing.T) {
	t.Parallel()
	s := begin(t, "hookrun")
	s.settings["allow"] = "[hooks, servers, commands]"
	s.write("secrets", "REGISTRY_PASSWORD="+registryPassword+"\nSECRET=canary-of-a-hook\n")
	s.onNewHost() // proxies are rebooted, which others would notice
	first := s.hosts[0]
	s.onNewHost()
	s.hosts = []*fleet.Host{first, s.hosts[0]}
	t.Cleanup(func() {
		for _, h := range s.hosts {
			_, _ = h.Docker(context.WithoutCancel(t.Context()), "volume", "rm", "-f", "hooked-runs") // it is in use where it failed, which end tells
		}
	})
	file := func(version, hooks string) yml {
		y := s.file(version).with("volumes", "[ 'hooked-runs:/runs' ]").with("env", "{ secret: [SECRET] }")
		if hooks != "" {
			y["hooks"] = hooks
		}
		return y
	}
	for _, version := range []string{"v1", "v2", "v3", "v4"} {
		s.image(version, nil)
	}
	s.start()
	s.ends(s.push(file("v1", "")), release.Succeeded)

	t.Run("once across a kill", func(t *testing.T) {
		s := s.in(t)
		sha := s.pushFiles(map[string]string{
			"config/deploy.yml": file("v2", `{ pre-deploy: ["task 4s 0 fork"], post-deploy: ["task 0s 0"] }`).String(),
			// Its interpreter is the image's own program.
			".kamal/hooks/pre-app-boot": "#!/app task\nall of this is printed\n",
		})
		s.until("the hook runs", func() bool { return len(runs(s, first)) > 0 })
		s.do(s.daemon.Kill())
		s.do(s.daemon.Start())
		ev := s.ends(sha, release.Succeeded)
		s.answers("v2")
		if got := runs(s, first); !slices.Equal(got, []string{"v2 pre-deploy", "v2 pre-deploy", "v2 pre-app-boot", "v2 post-deploy"}) { // the first by the process that it left, too
			t.Errorf("ran %q", got)
		}
		text := ""
		for _, h := range ev.Release.Hooks {
			text += strings.Join(h.Output, "\n") + "\n"
		}
		for _, want := range []string{"task of v2: 4s 0 fork [redacted]", "command deploy of pre-deploy", "all of this is printed", "command deploy of post-deploy"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not told: %s", want, text)
			}
		}
		nothingLeft(s)
	})
	t.Run("on the servers themselves", func(t *testing.T) { onServers(s.in(t), file) })
	for _, c := range []struct{ name, version, hook, more, says string }{
		{"fails and floods", "v3", "task 0s 3 flood fork", "", "hook pre-deploy ended with exit status 3 (task 0s 3 flood fork)"},
		{"hangs", "v4", "task 1h 0 stubborn", ", hooks: { pre-deploy: { deadline: 2s } }", "hook pre-deploy was stopped: it took longer than 2s (task 1h 0 stubborn)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := s.in(t)
			leave := s.visitors()
			sha := s.push(file(c.version, `{ pre-deploy: ["`+c.hook+`"] }`).with("x-fairlead", "{ window: 3s"+c.more+" }"))
			ev := s.ends(sha, release.RolledBack)
			leave()
			s.answers("v2")
			f := ev.Release.Failure
			if f == nil || f.Message != c.says || f.Class != release.Verdict || !strings.HasSuffix(ev.Release.Reason, "what its hook did (pre-deploy) is not undone") {
				t.Errorf("%+v: %s", f, ev.Release.Reason)
			}
			if logs := strings.Join(f.Logs, "\n"); c.version == "v3" && !strings.Contains(logs, "the end of the flood") {
				t.Errorf("its output is not told: %s", logs)
			}
			nothingLeft(s)
		})
	}
}

// onServers has hooks of all places at once: of a rollout on the first server,
// the builder and the daemon's machine; one that is stopped, with all that it
// began; and those of `server bootstrap` and `proxy reboot`.
func onServers(s *scenario, file func(version, hooks string) yml) {
	first := s.hosts[0]
	where := func(h *fleet.Host) string {
		out, _ := h.SSH(s.Context(), "cat hooked-where")
		return strings.TrimSpace(out)
	}
	s.Cleanup(func() {
		for _, h := range s.hosts {
			_, _ = h.SSH(context.WithoutCancel(s.Context()), "rm -f hooked-where")
		}
	})
	all := file("v2", `{
  pre-connect: { run: host, commands: ["printf '%s %s\\n' pre-connect \"$KAMAL_VERSION$SECRET\" >> hooked-where"] },
  pre-app-boot: { run: builder, commands: ["echo pre-app-boot >> hooked-where"] },
  docker-setup: { run: host, commands: ["echo $KAMAL_COMMAND $KAMAL_SUBCOMMAND >> hooked-where"] },
  pre-proxy-reboot: { run: host, commands: ["echo before $KAMAL_HOSTS >> hooked-where"] },
  post-deploy: { run: daemon, commands: ["sh -c 'echo here as $KAMAL_COMMAND'"] } }`).
		with("builder", "{ arch: amd64, remote: ssh://root@"+s.hosts[1].Addr+" }").with("env", "{ secret: [SECRET], clear: { TURN: servers } }")
	sha := s.pushFiles(map[string]string{
		"config/deploy.yml":              all.String(),
		".kamal/hooks/pre-app-boot":      "#!/app task\n",
		".kamal/hooks/post-proxy-reboot": "#!/bin/sh\necho after $KAMAL_HOSTS\n",
	})
	ev := s.ends(sha, release.Succeeded)
	if got := where(first); got != "pre-connect v2" {
		s.Errorf("on the first server there ran %q", got)
	}
	if got := where(s.hosts[1]); got != "pre-app-boot" {
		s.Errorf("on the builder there ran %q", got)
	}
	told := map[string]string{}
	for _, h := range ev.Release.Hooks {
		told[h.Name] += h.Host + " " + strings.Join(h.Output, "|") + h.Failed
	}
	if told["post-deploy"] != " here as deploy" || told["pre-connect"] != first.Addr+" " {
		s.Errorf("told of hooks: %q", told)
	}
	s.says(0, "is ready: Docker", "server", "bootstrap")
	s.says(0, "after "+first.Addr, "proxy", "reboot", "-y", "--rolling")
	want := map[*fleet.Host]string{first: "pre-connect v2\nserver bootstrap\nbefore " + first.Addr, s.hosts[1]: "pre-app-boot\nserver bootstrap\nbefore " + s.hosts[1].Addr}
	for h, want := range want {
		if got := where(h); got != want {
			s.Errorf("on %s there ran %q, want %q", h.Name, got, want)
		}
	}
	s.says(0, "is ready: Docker", "server", "bootstrap", "-H")
	if got := where(first); strings.Count(got, "bootstrap") != 1 {
		s.Errorf("without hooks there ran %q", got)
	}
	sha = s.push(all.with("env", "{ secret: [SECRET], clear: { TURN: stopped } }").with("x-fairlead", "{ window: 3s, hooks: { pre-connect: { deadline: 2s } } }").
		with("hooks", `{ pre-connect: { run: host, commands: ["setsid sleep 7531 & sleep 7531"] } }`))
	f := s.ends(sha, release.RolledBack).Release.Failure
	if f == nil || f.Message != "hook pre-connect was stopped: it took longer than 2s (setsid sleep 7531 & sleep 7531)" || f.Host != first.Addr {
		s.Errorf("the failure is %+v", f)
	}
	if procs, err := first.Exec(s.Context(), "sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '"); strings.Contains(procs, "sleep 7531") {
		s.Errorf("the server still runs a hook's process (%v)", err)
	}
}

// runs are the lines that the test application's tasks left on a host.
func runs(s *scenario, h *fleet.Host) (lines []string) {
	s.Helper()
	where, err := h.Docker(s.Context(), "volume", "inspect", "-f", "{{.Mountpoint}}", "hooked-runs")
	s.do(err)
	text, err := h.Exec(s.Context(), "cat", strings.TrimSpace(where)+"/log")
	if err != nil {
		return nil // nothing ran yet
	}
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// nothingLeft fails where a hook left a container or a process on any host.
func nothingLeft(s *scenario) {
	s.Helper()
	for _, h := range s.hosts {
		all, err := h.Docker(s.Context(), "ps", "-aq", "--filter", "label=fairlead.hook", "--filter", "label=service="+s.service)
		if err != nil || strings.TrimSpace(all) != "" {
			s.Errorf("%s still has %s (%v)", h.Name, all, err)
		}
		procs, err := h.Exec(s.Context(), "sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")
		if strings.Contains(procs, "app task ") {
			s.Errorf("%s still runs a task (%v)", h.Name, errors.Join(err))
		}
	}
}
