package show_test

import (
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/show"
	"github.com/fairlead-deploy/fairlead/release"
)

func TestAnExplanationOfARollbackIsAboutTheCommitGoneBackTo(t *testing.T) {
	tip, old := release.Revision{SHA: "2222222bbbb", Subject: "Newest", Author: "Bo"}, release.Revision{SHA: "1111111aaaa", Subject: "Older", Author: "Ana"}
	lane := release.Lane{Service: "shop"}
	for _, c := range []struct {
		name        string
		r           release.Release
		has, hasNot []string
	}{
		{"Git decides", release.Release{Revision: tip}, []string{`2222222 "Newest"`, "Bo"}, []string{"Git says", "asked for"}},
		{"gone back", release.Release{Revision: tip, Target: &old, Asked: "rollback v1", Version: "v1"},
			[]string{`commit     1111111 "Older"`, `Git says   2222222 "Newest"`, "author     Ana", "asked for  rollback v1"}, []string{"Bo"}},
		{"a version of nobody knows which commit", release.Release{Revision: tip, Asked: "deploy --version v9", Version: "v9"},
			[]string{`Git says   2222222 "Newest"`, "asked for  deploy --version v9"}, []string{"commit ", "Bo"}},
	} {
		c.r.Lane, c.r.Status = lane, release.Succeeded
		text := show.Style{}.Explain(c.r, nil, "")
		for _, want := range c.has {
			if !strings.Contains(text, want) {
				t.Errorf("%s: it does not say %q:\n%s", c.name, want, text)
			}
		}
		for _, bad := range c.hasNot {
			if strings.Contains(text, bad) {
				t.Errorf("%s: it says %q:\n%s", c.name, bad, text)
			}
		}
	}
}
