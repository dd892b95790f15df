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

// bySHA is a service whose images are named after their commits.
type bySHA struct{ *scenario }

func beginBySHA(t *testing.T, service string) bySHA {
	t.Helper()
	s := bySHA{begin(t, service)}
	s.start()
	return s
}

// tag is that of the image of a commit.
func (s bySHA) tag(sha string) string { return "git-" + sha[:12] }

// words is a repository's content whose deploy.yml sets a variable.
func (s bySHA) words(words string) map[string]string {
	file := s.file("").with("image", s.service).with("x-fairlead", `{ window: 1s, image_tag: "git-{sha12}" }`)
	return map[string]string{"config/deploy.yml": file.with("env", "{ WORDS: "+words+" }").String()}
}

// live checks that a commit's image serves, under that commit's own deploy.yml.
func (s bySHA) live(sha, words string) {
	s.Helper()
	s.answers(s.tag(sha))
	for _, h := range s.hosts {
		if got := s.ask(h, "/env?name=WORDS"); got != words {
			s.Errorf("%s says %q, want %q", h.Name, got, words)
		}
	}
}

// missing waits until it is known that a commit has no image yet.
func (s bySHA) missing(sha string) {
	s.Helper()
	s.until("it is known that "+s.tag(sha)+" is not there", func() bool {
		out, _ := s.types("status")
		return strings.Contains(out, "no image "+shared.fleet.Registry+"/"+s.service+":"+s.tag(sha)+" yet")
	})
}

// send pushes what was committed.
func (s bySHA) send() {
	s.Helper()
	s.do(s.repo.Send(s.Context(), "refs/heads/main:refs/heads/main"))
}

func TestTheNewestCommitThatHasAnImageIsLive(t *testing.T) {
	t.Parallel()
	s := beginBySHA(t, "bysha")
	first := s.pushFiles(s.words("one"))
	s.missing(first)
	s.image(s.tag(first), nil) // CI is done
	s.ends(first, release.Succeeded)
	s.live(first, "one")
	s.runs(s.web(s.tag(first)))

	// One that nobody builds waits, touches nothing and calls nobody; the next
	// that has an image passes it over.
	picture := s.picture()
	docs := s.pushFiles(map[string]string{"docs/note.md": "Nothing to build.\n"})
	s.missing(docs)
	if now := s.picture(); now != picture {
		t.Errorf("it was\n%s\nand is\n%s", picture, now)
	}
	second := s.commits(s.words("two"))
	s.image(s.tag(second), nil)
	s.send()
	s.ends(second, release.Succeeded)
	s.live(second, "two")
	s.runs(s.web(s.tag(second)))
	for _, ev := range s.inbox.Events() {
		if ev.Release != nil && ev.Release.Status == release.Failed || ev.Kind == release.EventAlert {
			t.Errorf("a commit without an image is told as trouble: %s", shown(ev))
		}
	}
}

func TestACommitWithoutAnImageHoldsUpNoneThatHasOne(t *testing.T) {
	t.Parallel()
	s := beginBySHA(t, "holdsup")
	first := s.commits(s.words("one"))
	s.image(s.tag(first), nil)
	s.send()
	s.ends(first, release.Succeeded)

	// Pushed together, and only the earlier one has an image: it goes live with
	// its own file, not with that of the other.
	second := s.commits(s.words("two"))
	third := s.commits(s.words("three"))
	s.image(s.tag(second), nil)
	s.send()
	s.ends(second, release.Succeeded)
	s.live(second, "two")
	s.missing(third)
	s.live(second, "two")
	s.image(s.tag(third), nil)
	s.ends(third, release.Succeeded)
	s.live(third, "three")
}
