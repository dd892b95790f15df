package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// probed is a role that no proxy asks after: its own probe alone says whether
// it works.
type probed struct {
	kind    string            // and the name of the service
	health  string            // of the role in x-fairlead; empty: the image's HEALTHCHECK
	check   []string          // of the image
	sick    map[string]string // what a release gets that must not go live
	answers string            // what the failure tells of the probe
}

func TestARoleIsHealthyWhenItsTCPPortAnswers(t *testing.T) {
	probed{kind: "tcp", health: "{ tcp: 9000 }", sick: map[string]string{"PORT": "9001"}, answers: "connect :9000"}.goesLiveOrBack(t)
}

func TestARoleIsHealthyWhenItsCommandSucceeds(t *testing.T) {
	probed{kind: "cmd", health: "{ cmd: [/app, health] }", sick: map[string]string{"HEALTH": "fail"}, answers: "/app: exit 1 500"}.goesLiveOrBack(t)
}

func TestARoleIsHealthyWhenTheHealthcheckOfItsImageSaysSo(t *testing.T) {
	probed{kind: "check", check: []string{"/app", "health"}, sick: map[string]string{"HEALTH": "fail"}, answers: "HEALTHCHECK: "}.goesLiveOrBack(t)
}

// goesLiveOrBack rolls out a release that works after a moment, and one that
// runs and never works.
func (p probed) goesLiveOrBack(t *testing.T) {
	t.Parallel()
	const boot = 1500 * time.Millisecond
	s := begin(t, p.kind)
	for version, knobs := range map[string]map[string]string{
		"v1": {"PORT": "9000"}, "v2": {"PORT": "9000", "BOOT_DELAY": boot.String()}, "sick": p.sick,
	} {
		img := shared.app.Image(version, knobs)
		img.Healthcheck = p.check
		_, err := shared.fleet.Push(t.Context(), img, s.service+":"+version)
		s.do(err)
	}
	file := func(version string) yml {
		f := s.file(version).with("servers", "{ web: { hosts: ["+s.hosts[0].Addr+", "+s.hosts[1].Addr+"], proxy: false } }").
			with("readiness_delay", "0").with("deploy_timeout", "5").with("x-fairlead", "{ window: 2s }")
		if p.health != "" {
			f["x-fairlead"] = "{ window: 2s, roles: { web: { health: " + p.health + " } } }"
		}
		delete(f, "proxy")
		return f
	}
	s.start()
	s.ends(s.push(file("v1")), release.Succeeded)
	s.runs(s.web("v1"))
	s.ends(s.push(file("v2")), release.Succeeded)
	s.runs(s.web("v2"))
	for _, h := range s.hosts {
		old, now := s.one(h, s.web("v1")), s.one(h, s.web("v2"))
		if waited := old.State.FinishedAt.Sub(now.State.StartedAt); waited < boot {
			t.Errorf("on %s the old was stopped %s after the new began, which takes %s to work", h.Name, waited, boot)
		}
	}
	picture := s.portrait()
	ev := s.ends(s.push(file("sick")), release.RolledBack)
	if now := s.portrait(); now != picture {
		t.Errorf("it was\n%s\nand is\n%s", picture, now)
	}
	f := ev.Release.Failure
	if f == nil || f.Class != release.Verdict || !strings.Contains(strings.Join(f.Probes, "\n"), p.answers) {
		t.Errorf("the failure is told as %+v, want a probe that answers %q", f, p.answers)
	}
}
