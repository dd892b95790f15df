package e2e_test

import (
	"os"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/release"
)

func TestATagThatMovesAndASecretThatChangesAreShownAndRollOutAsTheFileSays(t *testing.T) {
	t.Parallel()
	s := begin(t, "newer")
	serve := func(version string) { // under the one tag
		t.Helper()
		_, err := shared.fleet.Push(t.Context(), shared.app.Image(version, nil), s.service+":stable")
		s.do(err)
	}
	// A program of the operator's gives KEY, as a vault's would.
	s.settings["secrets"] = "{ file: " + s.path("secrets") + ", exec: { command: [cat, " + s.path("vault.json") + "], cache: 1s, deadline: 10s, stale: 1m } }"
	rotate := func() (key string) {
		t.Helper()
		key = actor.NewSecret()
		s.write("vault.new", `{"KEY":"`+key+`"}`)
		s.do(os.Rename(s.path("vault.new"), s.path("vault.json")))
		return key
	}
	has := func(path, want string) bool {
		for _, h := range s.hosts {
			if s.ask(h, path) != want {
				return false
			}
		}
		return true
	}
	shows := func(words string) {
		t.Helper()
		s.until("status says "+words, func() bool { out, _ := s.types("status"); return strings.Contains(out, "newer available: "+words) })
	}
	serve("v1")
	first := rotate()
	file := s.file("stable").with("env", "{ secret: [KEY] }")
	s.start()
	s.ends(s.push(file), release.Succeeded)
	live := s.portrait()

	serve("v2")
	shows("the tag stable names another image now")
	second := rotate()
	shows("secrets changed at their source: KEY")
	s.says(0, "Newer available", "plan", s.service)
	s.says(0, "newer available: ", "explain", s.service)
	if now := s.portrait(); now != live || !has("/version", "v1") || !has("/env?name=KEY", first) {
		t.Errorf("it was\n%s\nand is\n%s", live, now)
	}
	leave := s.visitors()
	s.ends(s.pushFiles(map[string]string{"docs/note.md": "Only words.\n"}), release.Succeeded)
	s.answers("v2")
	if !has("/env?name=KEY", second) {
		t.Error("the commit did not bring the changed secret")
	}
	if out, _ := s.types("status"); strings.Contains(out, "newer available") {
		t.Errorf("status says\n%s", out)
	}

	sha := s.push(file.with("x-fairlead", "{ window: 3s, follow: [tag, secrets] }"))
	s.ends(sha, release.Unchanged) // before the tag moves: it would bring that itself
	brings := func(detail string) {
		t.Helper()
		s.toldThat("a release of the "+detail, func(ev release.Event) bool {
			r := ev.Release
			return r != nil && r.Revision.SHA == sha && r.Cause.Detail == detail && r.Status == release.Succeeded
		})
	}
	serve("v3")
	brings("tag")
	s.answers("v3")
	third := rotate()
	brings("secrets")
	if !has("/env?name=KEY", third) {
		t.Error("the followed secret did not come")
	}
	leave()
	s.runs(s.web("stable"))
	s.tidy(map[string]string{"first": first, "second": second, "third": third})
}
