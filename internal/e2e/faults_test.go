package e2e_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/release"
)

// mended makes sure that whatever a test broke works again at its end.
func (s *scenario) mended(mend func(context.Context) error) {
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errors.New("mending took too long"))
		defer cancel()
		if err := mend(ctx); err != nil {
			s.Error(err)
		}
	})
}

// ownsLast gives the scenario a second host of its own, to break it.
func (s *scenario) ownsLast() {
	s.Helper()
	h, err := shared.fleet.AddHost(s.Context())
	s.do(err)
	s.hosts = []*fleet.Host{s.hosts[0], h}
}

// waits checks that a commit waits and that the reason names what is wrong.
func (s *scenario) waits(sha string, words ...string) release.Event {
	s.Helper()
	ev := s.told(sha, release.Waiting, release.Succeeded, release.RolledBack, release.Failed, release.NeedsHuman)
	if ev.Release.Status != release.Waiting {
		s.Fatalf("it should wait; it says %s", shown(ev))
	}
	for _, word := range words {
		if !strings.Contains(ev.Message, word) {
			s.Errorf("the reason %q does not hold %q", ev.Message, word)
		}
	}
	return ev
}

func TestAHostThatIsDownKeepsAllOnTheOldVersionUntilItIsBack(t *testing.T) {
	t.Parallel()
	s := begin(t, "down")
	s.ownsLast()
	s.image("v1", nil)
	s.image("v2", nil)
	s.start()
	s.ends(s.push(s.file("v1")), release.Succeeded)
	up, lost := s.hosts[0], s.hosts[1]
	s.mended(lost.Heal)
	s.do(lost.Cut(t.Context()))
	before := s.containers(up)
	sha := s.push(s.file("v2"))
	s.waits(sha, lost.Addr)
	if now := s.containers(up); len(now) != len(before) || now[0].ID != before[0].ID || s.ask(up, "/version") != "v1" {
		t.Errorf("the host that is up changed: %v", s.running(up))
	}
	s.toldThat("raises an alert", func(ev release.Event) bool {
		return ev.Kind == release.EventAlert && strings.Contains(ev.Message, lost.Addr)
	})
	s.do(lost.Heal(t.Context()))
	s.ends(sha, release.Succeeded)
	s.toldThat("ends the alert", func(ev release.Event) bool { return ev.Kind == release.EventRecovered })
	s.answers("v2")
	s.runs(s.web("v2"))
}

func TestAHostThatIsLostDuringARolloutLeavesNothingMixed(t *testing.T) {
	t.Parallel()
	s := begin(t, "midway")
	s.ownsLast()
	s.image("v1", nil)
	s.image("v2", map[string]string{"BOOT_DELAY": "4s"})
	s.start()
	s.ends(s.push(s.file("v1")), release.Succeeded)
	up, lost := s.hosts[0], s.hosts[1]
	s.mended(lost.Heal)
	sha := s.push(s.file("v2"))
	s.told(sha, release.Preparing)
	s.do(lost.Cut(t.Context()))
	s.waits(sha, lost.Addr)
	if got := s.ask(up, "/version"); got != "v1" {
		t.Errorf("the host that is up answers %q", got)
	}
	s.do(lost.Heal(t.Context()))
	s.ends(sha, release.Succeeded)
	s.answers("v2")
	s.runs(s.web("v2"))
	s.endedOnce(sha)
}

func TestAnEngineThatIsStoppedIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := begin(t, "engine")
	s.ownsLast()
	s.image("v1", nil)
	s.image("v2", nil)
	s.start()
	s.ends(s.push(s.file("v1")), release.Succeeded)
	lost := s.hosts[1]
	s.mended(lost.StartEngine)
	s.do(lost.StopEngine(t.Context()))
	sha := s.push(s.file("v2"))
	s.waits(sha, lost.Addr)
	s.do(lost.StartEngine(t.Context()))
	s.ends(sha, release.Succeeded)
	s.answers("v2")
	s.runs(s.web("v2"))
}
