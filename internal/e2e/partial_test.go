package e2e_test

import (
	"slices"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/release"
)

// isMended stops a container as somebody by mistake would, and waits until the
// daemon has put right what it finds to be wrong on the servers.
func (s *scenario) isMended(h *fleet.Host, name string) {
	s.Helper()
	ends := func() (n int) {
		for _, ev := range s.inbox.Events() {
			if ev.Kind == release.EventStatus && ev.Release.Cause.Kind == release.CauseReconcile && ev.Release.Status.Terminal() {
				n++
			}
		}
		return n
	}
	before := ends()
	_, err := h.Docker(s.Context(), "stop", name)
	s.do(err)
	s.until("a release has put it right", func() bool { return ends() > before })
	if !s.one(h, name).State.Running {
		s.Errorf("%s on %s does not run again", name, h.Name)
	}
}

// ids are the containers that run on a host.
func (s *scenario) ids(h *fleet.Host) []string {
	s.Helper()
	var list []string
	for _, c := range s.containers(h) {
		if c.State.Running {
			list = append(list, c.ID)
		}
	}
	slices.Sort(list)
	return list
}

func TestOnlyTheRolesAndHostsThatAPersonNamesChange(t *testing.T) {
	t.Parallel()
	s := begin(t, "some")
	s.operator["reconcile"] = "1s"
	for _, v := range []string{"v1", "v2", "v3"} {
		s.image(v, nil)
	}
	one, other := s.hosts[0], s.hosts[1]
	worker := s.service + "-worker-"
	s.start()
	s.ends(s.push(s.withWorker("v1", "")), release.Succeeded)
	rest, jobs := s.ids(other), s.one(one, worker+"v1").ID
	stands := func() {
		t.Helper()
		if got, want := s.running(one), []string{s.web("v2"), worker + "v1"}; !slices.Equal(got, want) || s.one(one, worker+"v1").ID != jobs {
			t.Errorf("on %s run %v, want %v", one.Name, got, want)
		}
		if got := s.ids(other); !slices.Equal(got, rest) {
			t.Errorf("%s was touched: %v", other.Name, s.running(other))
		}
		if s.ask(one, "/version") != "v2" || s.ask(other, "/version") != "v1" {
			t.Error("not just the host that was named answers v2")
		}
	}
	s.says(0, "v2 is live on 1 host (only web on "+one.Addr+")", "deploy", "--version", "v2", "--roles", "web", "--hosts", one.Addr, "--follow")
	stands()
	s.says(0, "only web on "+one.Addr, "status")
	s.says(2, "1 of 2 hosts would change", "plan")

	third := s.push(s.withWorker("v3", ""))
	s.waits(third, "held by ana", "fairlead resume "+s.service)
	for range 2 { // a mending is as limited as what it mends
		s.isMended(one, s.web("v2"))
		stands()
	}
	s.says(2, "2 of 2 hosts would change", "plan")

	leave := s.visitors()
	s.says(0, "is live on 2 hosts", "resume", "--follow")
	leave()
	s.answers("v3")
	s.runs(s.web("v3"), worker+"v3")
	s.says(0, "on its commit", "status")
}

func TestWhatAPersonLeftOutFollowsWithTheNextCommit(t *testing.T) {
	t.Parallel()
	s := begin(t, "rest")
	s.operator["reconcile"] = "1s"
	s.image("v1", nil)
	secrets := func(word string) { s.write("secrets", "REGISTRY_PASSWORD="+registryPassword+"\nWORD="+word+"\n") }
	secrets("old")
	file := s.file("v1").with("env", "{ secret: [WORD] }")
	s.start()
	s.ends(s.push(file), release.Succeeded)
	one, other := s.hosts[0], s.hosts[1]
	rest := s.ids(other)
	secrets("new")
	s.says(0, "is live on 1 host (only on "+one.Addr+")", "deploy", "--hosts", one.Addr, "--follow")
	for range 2 {
		s.isMended(one, s.web("v1"))
	}
	if got := s.ask(one, "/env?name=WORD"); got != "new" {
		t.Errorf("%s has the secret %q", one.Name, got)
	}
	if got := s.ids(other); !slices.Equal(got, rest) {
		t.Errorf("%s was touched: %v", other.Name, s.running(other))
	}
	s.says(0, "only on "+one.Addr, "status")
	s.says(2, "only on "+one.Addr+" was asked for", "plan")
	s.ends(s.push(file.with("labels", "{ change: it }")), release.Succeeded)
	for _, h := range s.hosts {
		if got := s.ask(h, "/env?name=WORD"); got != "new" {
			t.Errorf("%s has the secret %q", h.Name, got)
		}
	}
	s.says(0, "on its commit", "status")
}
