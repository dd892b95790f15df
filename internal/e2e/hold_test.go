package e2e_test

import (
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

func TestAVersionAndARollbackOfAPersonHoldUntilResume(t *testing.T) {
	t.Parallel()
	s := begin(t, "hold")
	for _, v := range []string{"v1", "v2", "v3", "v4"} {
		s.image(v, nil)
	}
	s.start()
	s.ends(s.push(s.file("v1")), release.Succeeded)
	s.ends(s.push(s.file("v2")), release.Succeeded)
	first := []string{s.one(s.hosts[0], s.web("v1")).ID, s.one(s.hosts[1], s.web("v1")).ID}
	leave := s.visitors()

	s.says(0, "is live on 2 hosts", "rollback", s.service, "v1", "--follow")
	s.answers("v1")
	s.runs(s.web("v1"))
	for i, h := range s.hosts {
		if got := s.one(h, s.web("v1")).ID; got != first[i] {
			t.Errorf("on %s v1 is a new container, want the retained one", h.Name)
		}
	}
	third := s.push(s.file("v3"))
	s.waits(third, "held by ana")
	s.says(0, "rollback v1", "status")

	s.says(0, "v4 is live on 2 hosts", "deploy", "--version", "v4", "--follow")
	s.answers("v4")
	s.runs(s.web("v4"))
	live := s.portrait()
	s.says(0, "deploy --version v4", "status")
	docs := s.pushFiles(map[string]string{"docs/note.md": "Held.\n"})
	s.waits(docs, "held by ana")
	if now := s.portrait(); now != live {
		t.Errorf("it was\n%s\nand is\n%s", live, now)
	}

	s.says(0, "is live on 2 hosts", "resume", "--follow")
	leave()
	s.answers("v3")
	s.runs(s.web("v3"))
	out, _ := s.types("status")
	if strings.Contains(out, "held") {
		t.Errorf("still held: %s", out)
	}
}
