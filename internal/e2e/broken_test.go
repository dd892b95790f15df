package e2e_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

func TestABrokenReleaseIsTakenBackOnBothHostsAndItsReasonIsTold(t *testing.T) {
	t.Parallel()
	s := begin(t, "broken")
	s.image("v1", nil)
	s.start()
	s.ends(s.push(s.file("v1")), release.Succeeded)
	for _, broken := range []struct {
		name, version string
		knobs         map[string]string
		change        yml
		quiet         bool // the broken version never gets a request
		check         func(t *testing.T, f *release.Failure)
	}{
		{
			name: "unhealthy", version: "sick", knobs: map[string]string{"HEALTH": "fail"}, quiet: true,
			change: yml{"deploy_timeout": "4"},
			check: func(t *testing.T, f *release.Failure) {
				if len(f.Probes) == 0 || !strings.Contains(f.Probes[len(f.Probes)-1], "500") {
					t.Errorf("the probes' answers are %q", f.Probes)
				}
			},
		},
		{
			name: "exits at once", version: "exits", knobs: map[string]string{"EXIT": "3"}, quiet: true,
			check: func(t *testing.T, f *release.Failure) {
				if f.ExitCode == nil || *f.ExitCode != 3 {
					t.Errorf("the exit code is %v", f.ExitCode)
				}
			},
		},
		{
			name: "exits while it is watched", version: "dies", knobs: map[string]string{"DIE_AFTER": "8s"},
			change: yml{"x-fairlead": "{ window: 40s }"},
			check: func(t *testing.T, f *release.Failure) {
				if f.ExitCode == nil || *f.ExitCode != 7 || !strings.HasPrefix(f.Step, "watch") {
					t.Errorf("exit code %v in step %q", f.ExitCode, f.Step)
				}
			},
		},
		{
			name: "takes too much memory", version: "eats", knobs: map[string]string{"EAT_MB": "200"}, quiet: true,
			change: yml{"servers": "{ web: { hosts: [" + s.hosts[0].Addr + ", " + s.hosts[1].Addr + "], options: { memory: 48m } } }"},
			check: func(t *testing.T, f *release.Failure) {
				if !f.OOMKilled {
					t.Errorf("not told of as out of memory: %+v", f)
				}
			},
		},
	} {
		t.Run(broken.name, func(t *testing.T) {
			s := s.in(t)
			s.image(broken.version, broken.knobs)
			old := []string{s.one(s.hosts[0], s.web("v1")).ID, s.one(s.hosts[1], s.web("v1")).ID}
			leave := s.visitors()
			file := s.file(broken.version)
			for key, value := range broken.change {
				file[key] = value
			}
			ev := s.ends(s.push(file), release.RolledBack)
			if broken.quiet {
				leave()
			}
			s.answers("v1")
			s.runs(s.web("v1"))
			if now := []string{s.one(s.hosts[0], s.web("v1")).ID, s.one(s.hosts[1], s.web("v1")).ID}; !slices.Equal(now, old) {
				t.Errorf("the containers of v1 are %v, and were %v", now, old)
			}
			f := ev.Release.Failure
			if f == nil || f.Class != release.Verdict || f.Next == "" || f.Host == "" {
				t.Fatalf("the failure is told as %+v", f)
			}
			if !slices.ContainsFunc(f.Logs, func(line string) bool { return strings.Contains(line, "app "+broken.version+" booting") }) {
				t.Errorf("the log lines are %q", f.Logs)
			}
			broken.check(t, f)
		})
	}
}

func TestAfterAFailureAnUnrelatedCommitWaitsAndAFixGoesLive(t *testing.T) {
	t.Parallel()
	s := begin(t, "fix")
	s.image("v1", nil)
	s.image("v2", map[string]string{"EXIT": "1"})
	s.image("v3", nil)
	s.start()
	s.ends(s.push(s.file("v1")), release.Succeeded)
	leave := s.visitors()
	s.ends(s.push(s.file("v2")), release.RolledBack)
	picture := s.picture()
	docs := s.pushFiles(map[string]string{"docs/note.md": "Sorry.\n"})
	if ev := s.told(docs, release.Waiting, release.Succeeded, release.RolledBack, release.Failed); !strings.Contains(ev.Message, "quarantined") {
		t.Errorf("the commit beside it is %s", shown(ev))
	}
	if now := s.picture(); now != picture {
		t.Errorf("it was\n%s\nand is\n%s", picture, now)
	}
	s.ends(s.push(s.file("v3")), release.Succeeded)
	leave()
	s.answers("v3")
	s.runs(s.web("v3"))
}

func TestAReleaseThatFailsOnOneHostOnlyGoesLiveOnNone(t *testing.T) {
	t.Parallel()
	s := begin(t, "onehost")
	s.image("v1", nil)
	s.image("v2", nil)
	s.start()
	s.ends(s.push(s.file("v1")), release.Succeeded)
	leave := s.visitors()
	servers := "{ web: [" + s.hosts[0].Addr + ", { " + s.hosts[1].Addr + ": [odd] }] }"
	ev := s.ends(s.push(s.file("v2").with("servers", servers).with("env", "{ clear: {}, tags: { odd: { EXIT: 9 } } }")), release.RolledBack)
	leave()
	s.answers("v1")
	s.runs(s.web("v1"))
	if f := ev.Release.Failure; f.Host != s.hosts[1].Addr || f.ExitCode == nil || *f.ExitCode != 9 {
		t.Errorf("the failure is told as %+v", f)
	}
}
