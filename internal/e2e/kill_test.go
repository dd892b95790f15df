package e2e_test

import (
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

func TestADaemonThatIsKilledFinishesAfterItsRestartWhateverItWasDoing(t *testing.T) {
	t.Parallel()
	s := begin(t, "kill")
	s.image("v1", nil)
	s.start()
	s.ends(s.push(s.file("v1")), release.Succeeded)
	live := "v1"
	for _, moment := range []struct {
		at      release.Status
		version string
		knobs   map[string]string
		end     release.Status
	}{
		{release.Preparing, "v2", map[string]string{"BOOT_DELAY": "2s"}, release.Succeeded},
		{release.Switching, "v3", nil, release.Succeeded},
		{release.Watching, "v4", nil, release.Succeeded},
		{release.RollingBack, "sick", map[string]string{"HEALTH": "fail", "IGNORE_TERM": "1"}, release.RolledBack},
	} {
		t.Run(string(moment.at), func(t *testing.T) {
			s := s.in(t)
			s.image(moment.version, moment.knobs)
			leave := s.visitors()
			finish := s.slowly("/slow?ms=4000", "done "+live) // keeps the switch busy draining
			sha := s.push(s.file(moment.version).with("deploy_timeout", "6").with("stop_timeout", "3"))
			s.told(sha, moment.at)
			s.do(s.daemon.Kill())
			s.do(s.daemon.Start())
			s.ends(sha, moment.end)
			finish()
			leave()
			if moment.end == release.Succeeded {
				live = moment.version
			}
			s.answers(live)
			s.runs(s.web(live))
			for _, h := range s.hosts {
				copies := 0
				for _, c := range s.containers(h) {
					if strings.HasPrefix(c.Name, s.web(moment.version)) {
						copies++
					}
				}
				if copies != 1 {
					t.Errorf("%s has %d containers of %s", h.Name, copies, moment.version)
				}
			}
			s.endedOnce(sha)
		})
	}
}

// endedOnce fails the test unless exactly one end was told of a commit.
func (s *scenario) endedOnce(sha string) {
	s.Helper()
	var ends []string
	for _, ev := range s.inbox.Events() {
		if ev.Kind == release.EventStatus && ev.Release != nil && ev.Release.Revision.SHA == sha && ev.Release.Status.Terminal() {
			ends = append(ends, shown(ev))
		}
	}
	if len(ends) != 1 {
		s.Errorf("ends told of %.7s: %q", sha, ends)
	}
}
