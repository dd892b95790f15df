package e2e_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

// reload makes the running daemon read fairlead.yml, as the scenario has it.
func (s *scenario) reload() {
	s.Helper()
	s.configure()
	s.do(syscall.Kill(s.daemon.Pid(), syscall.SIGHUP))
}

// logs waits until the daemon's log holds a text, so many times.
func (s *scenario) logs(text string, times int) {
	s.Helper()
	s.until("the log says "+text, func() bool {
		log, err := os.ReadFile(s.daemon.Log)
		s.do(err)
		return strings.Count(string(log), text) >= times
	})
}

func TestAReloadDuringARolloutIsSurvivedAndAWrongFileKeepsTheOldOne(t *testing.T) {
	t.Parallel()
	s := begin(t, "reload")
	s.image("v1", nil)
	s.image("v2", map[string]string{"BOOT_DELAY": "4s"})
	s.image("v3", nil)
	s.start()
	s.ends(s.push(s.file("v1")), release.Succeeded)

	leave := s.visitors()
	second := s.push(s.file("v2"))
	s.told(second, release.Preparing)
	s.write("fairlead.yml", "repositories: { "+s.service+": { url: "+s.remote.HTTP+", brnch: main } }\n")
	s.do(syscall.Kill(s.daemon.Pid(), syscall.SIGHUP))
	s.logs("the old one stays in force", 1)
	if line := s.logged("the old one stays in force"); !strings.Contains(line, "brnch") {
		t.Errorf("it does not say what is wrong: %s", line)
	}
	s.operator["reconcile"] = "4s"
	s.reload()
	s.logs("configuration reloaded", 1)
	if ev := s.told(second, release.Switching, release.Succeeded); ev.Release.Status != release.Switching {
		t.Errorf("the reload came too late to be during the rollout: %s", shown(ev))
	}
	s.ends(second, release.Succeeded)
	s.endedOnce(second)
	s.answers("v2")
	s.runs(s.web("v2"))

	third := s.push(s.file("v3").with("x-fairlead", "{ window: 12s }"))
	s.told(third, release.Watching)
	s.operator["reconcile"] = "3s"
	s.configure() // and nobody asks
	s.logs("configuration reloaded", 2)
	for _, ev := range s.inbox.Events() {
		if ev.Release != nil && ev.Release.Revision.SHA == third && ev.Release.Status == release.Succeeded {
			t.Error("the changed file was seen after the rollout")
		}
	}
	s.ends(third, release.Succeeded)
	s.endedOnce(third)
	leave()
	s.answers("v3")
	s.runs(s.web("v3"))
}
