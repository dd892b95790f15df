package e2e_test

import (
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

// commits commits files without pushing them.
func (s *scenario) commits(files map[string]string) (sha string) {
	s.Helper()
	sha, err := s.repo.Commit("Change "+s.service, files)
	s.do(err)
	return sha
}

func TestTheNewestCommitThatHasAnImageIsLive(t *testing.T) {
	t.Parallel()
	s := begin(t, "bysha")
	file := s.file("").with("image", s.service).with("x-fairlead", `{ window: 1s, image_tag: "git-{sha12}" }`)
	tag := func(sha string) string { return "git-" + sha[:12] }
	deploys := func(words string) map[string]string {
		return map[string]string{"config/deploy.yml": file.with("env", "{ WORDS: "+words+" }").String()}
	}
	live := func(sha, words string) {
		t.Helper()
		s.answers(tag(sha))
		s.runs(s.web(tag(sha)))
		for _, h := range s.hosts {
			if got := s.ask(h, "/env?name=WORDS"); got != words {
				t.Errorf("%s says %q, want %q", h.Name, got, words)
			}
		}
	}
	s.start()
	first := s.pushFiles(deploys("one"))
	missing := func(sha string) {
		t.Helper()
		s.until("it is known that "+tag(sha)+" is not there", func() bool {
			out, _ := s.types("status")
			return strings.Contains(out, "no image "+shared.fleet.Registry+"/"+s.service+":"+tag(sha)+" yet")
		})
	}
	missing(first)
	s.image(tag(first), nil) // CI is done
	s.ends(first, release.Succeeded)
	live(first, "one")

	// One that nobody builds waits, touches nothing and calls nobody; the next
	// that has an image passes it over.
	picture := s.picture()
	docs := s.pushFiles(map[string]string{"docs/note.md": "Nothing to build.\n"})
	missing(docs)
	if now := s.picture(); now != picture {
		t.Errorf("it was\n%s\nand is\n%s", picture, now)
	}
	second := s.commits(deploys("two"))
	s.image(tag(second), nil)
	s.do(s.repo.Send(t.Context(), "refs/heads/main:refs/heads/main"))
	s.ends(second, release.Succeeded)
	live(second, "two")
	for _, ev := range s.inbox.Events() {
		if ev.Release != nil && ev.Release.Status == release.Failed || ev.Kind == release.EventAlert {
			t.Errorf("a commit without an image is told as trouble: %s", shown(ev))
		}
	}
}

func TestACommitWithoutAnImageHoldsUpNoneThatHasOne(t *testing.T) {
	t.Parallel()
	s := begin(t, "holdsup")
	file := s.file("").with("image", s.service).with("x-fairlead", `{ window: 1s, image_tag: "git-{sha12}" }`)
	tag := func(sha string) string { return "git-" + sha[:12] }
	deploys := func(words string) map[string]string {
		return map[string]string{"config/deploy.yml": file.with("env", "{ WORDS: "+words+" }").String()}
	}
	live := func(sha, words string) {
		t.Helper()
		s.answers(tag(sha))
		for _, h := range s.hosts {
			if got := s.ask(h, "/env?name=WORDS"); got != words {
				t.Errorf("%s says %q, want %q", h.Name, got, words)
			}
		}
	}
	send := func() { s.do(s.repo.Send(t.Context(), "refs/heads/main:refs/heads/main")) }
	s.start()
	first := s.commits(deploys("one"))
	s.image(tag(first), nil)
	send()
	s.ends(first, release.Succeeded)

	// Pushed together, and only the earlier one has an image: it goes live with
	// its own file, not with that of the other.
	second := s.commits(deploys("two"))
	third := s.commits(deploys("three"))
	s.image(tag(second), nil)
	send()
	s.ends(second, release.Succeeded)
	live(second, "two")
	s.until("the other one waits", func() bool {
		out, _ := s.types("status")
		return strings.Contains(out, tag(third)+" yet")
	})
	live(second, "two")
	s.image(tag(third), nil)
	s.ends(third, release.Succeeded)
	live(third, "three")
}
