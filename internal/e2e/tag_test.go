package e2e_test

import (
	"slices"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

func TestTheNewestTagOfAPatternIsDeployed(t *testing.T) {
	t.Parallel()
	s := begin(t, "tags")
	for _, v := range []string{"v1", "v2", "v3"} {
		s.image(v, nil)
	}
	delete(s.settings, "branch")
	s.settings["tag"] = "v*"
	tag := func(name, version string) (sha string) {
		t.Helper()
		sha = s.push(s.file(version))
		s.do(s.repo.Send(t.Context(), "refs/heads/main:refs/tags/"+name))
		return sha
	}
	first := tag("v1.9.0", "v1")
	s.start()
	s.ends(first, release.Succeeded)
	s.answers("v1")
	// looks lets the daemon look at the tags for sure: a start does.
	looks := func(not ...string) {
		t.Helper()
		s.do(s.daemon.Stop())
		s.start()
		s.until("it has looked", func() bool { _, status := s.types("plan"); return status != 1 })
		s.says(0, "nothing to do", "plan")
		for _, ev := range s.inbox.Events() {
			if ev.Release != nil && slices.Contains(not, ev.Release.Revision.SHA) {
				t.Errorf("it took up a commit that is not the newest tag's: %s", shown(ev))
			}
		}
	}
	beside := s.push(s.file("v3")) // on a branch that nobody follows
	early := tag("v1.10.0-rc.1", "v3")
	looks(beside, early)
	ev := s.ends(tag("v1.10.0", "v2"), release.Succeeded)
	if ev.Release.Revision.Ref != "refs/tags/v1.10.0" {
		t.Errorf("the revision is of %s", ev.Release.Revision.Ref)
	}
	s.answers("v2")
	looks(tag("v1.9.1", "v3")) // newer by its time, older by its name
	s.answers("v2")
	s.runs(s.web("v2"))
}
