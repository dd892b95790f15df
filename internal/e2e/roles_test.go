package e2e_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/release"
)

// bootDelay is how long v2 takes to listen.
const bootDelay = 2 * time.Second

// withWorker is the file with a role that takes no requests; env is more of the
// worker's environment.
func (s *scenario) withWorker(version, env string) yml {
	hosts := "[" + s.hosts[0].Addr + ", " + s.hosts[1].Addr + "]"
	return s.file(version).with("servers", "{ web: "+hosts+", worker: { hosts: "+hosts+", env: { clear: { MODE: worker"+env+" } } } }").
		with("readiness_delay", "1").with("drain_timeout", "3")
}

func TestWorkersFollowTheWebAndTheirFailureTakesAllBack(t *testing.T) {
	t.Parallel()
	s := begin(t, "jobs")
	s.image("v1", nil)
	s.image("v2", map[string]string{"BOOT_DELAY": bootDelay.String()})
	s.image("v3", nil)
	s.image("v4", map[string]string{"HEALTH": "fail"})
	worker := func(version string) string { return s.service + "-worker-" + version }
	s.start()
	s.ends(s.push(s.withWorker("v1", "")), release.Succeeded)
	s.runs(s.web("v1"), worker("v1"))

	leave := s.visitors()
	s.ends(s.push(s.withWorker("v2", "")), release.Succeeded)
	s.runs(s.web("v2"), worker("v2"))
	for _, follower := range s.hosts {
		started := s.one(follower, worker("v2")).State.StartedAt
		for _, h := range s.hosts {
			if web := s.one(h, s.web("v2")).State.StartedAt; started.Sub(web) < bootDelay {
				t.Errorf("the worker on %s started %s after the web on %s, which takes %s to boot", follower.Name, started.Sub(web), h.Name, bootDelay)
			}
		}
		if _, proxied := s.one(follower, worker("v2")).Config.Labels["fairlead.route"]; proxied {
			t.Errorf("the worker on %s has a route", follower.Name)
		}
	}
	ev := s.ends(s.push(s.withWorker("v3", ", EXIT: 4")), release.RolledBack)
	leave()
	s.answers("v2")
	s.runs(s.web("v2"), worker("v2"))
	if f := ev.Release.Failure; f.Role != "worker" || f.ExitCode == nil || *f.ExitCode != 4 {
		t.Errorf("the failure is told as %+v", f)
	}

	// Where the web is not healthy no worker of its version ever starts.
	ev = s.ends(s.push(s.withWorker("v4", "").with("deploy_timeout", "3")), release.RolledBack)
	s.runs(s.web("v2"), worker("v2"))
	if f := ev.Release.Failure; f.Role != "web" || !slices.ContainsFunc(f.Logs, func(line string) bool { return strings.Contains(line, "app v4 booting") }) {
		t.Errorf("the failure is told as %+v", f)
	}
	for _, h := range s.hosts {
		for _, c := range s.containers(h) {
			if c.Name == worker("v4") && !c.State.StartedAt.IsZero() {
				t.Errorf("on %s the worker was started at %s", h.Name, c.State.StartedAt)
			}
		}
	}
}

func TestARoleWithAPublishedPortStopsBeforeItsNextVersionStarts(t *testing.T) {
	t.Parallel()
	s := begin(t, "edge")
	s.image("v1", nil)
	s.image("v2", nil)
	s.image("v3", map[string]string{"EXIT": "5"})
	file := func(version string) yml {
		hosts := s.hosts[0].Addr + ", " + s.hosts[1].Addr
		return s.file(version).with("servers", "{ web: { hosts: ["+hosts+"], proxy: false, options: { publish: '8088:80' } } }").
			with("readiness_delay", "1")
	}
	published := func(want string) {
		t.Helper()
		for _, h := range s.hosts {
			got, err := actor.Get(t.Context(), actor.NewClient(), actor.Site{Address: "http://" + h.Addr + ":8088"}, "/version")
			if err != nil || got != want {
				t.Errorf("%s:8088 answers %q, want %q: %v", h.Name, got, want, err)
			}
		}
	}
	s.start()
	s.ends(s.push(file("v1")), release.Succeeded)
	published("v1")
	s.ends(s.push(file("v2")), release.Succeeded)
	published("v2")
	s.runs(s.web("v2"))
	for _, h := range s.hosts {
		old, now := s.one(h, s.web("v1")), s.one(h, s.web("v2"))
		if !old.State.FinishedAt.Before(now.State.StartedAt) {
			t.Errorf("on %s the old ended %s, the new began %s", h.Name, old.State.FinishedAt, now.State.StartedAt)
		}
	}
	s.ends(s.push(file("v3")), release.RolledBack)
	published("v2")
	s.runs(s.web("v2"))
}

// slowly asks each host for a page that takes its time, and returns what to
// call for the outcome.
func (s *scenario) slowly(path, want string) (finish func()) {
	type answer struct {
		host, got string
		err       error
	}
	answers := make(chan answer, len(s.hosts))
	client := actor.NewClient()
	client.Timeout = patience
	for _, h := range s.hosts {
		go func() {
			got, err := actor.Get(context.WithoutCancel(s.Context()), client, s.site(h), path)
			answers <- answer{h.Name, got, err}
		}()
	}
	return func() {
		s.Helper()
		for range s.hosts {
			if a := <-answers; a.err != nil || a.got != want {
				s.Errorf("the slow request to %s got %q, want %q: %v", a.host, a.got, want, a.err)
			}
		}
	}
}
