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
	s.settings["allow"] = "[hooks]"
	s.write("secrets", "REGISTRY_PASSWORD="+registryPassword+"\nSECRET=canary-of-a-hook\n")
	first := s.hosts[0]
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
