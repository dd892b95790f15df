package show_test

import (
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/show"
	"github.com/fairlead-deploy/fairlead/release"
)

func TestAHoldOnWhatIsAsItShouldBeIsOfCommitsToCome(t *testing.T) {
	p := release.Plan{Lane: shop, Revision: revision, Version: revision.SHA, Waits: "held by ana"}
	if got := (show.Style{}).Plan(p, false); !strings.Contains(got, "nothing to do") || !strings.HasSuffix(got, "\nA new commit would wait: held by ana\n") {
		t.Errorf("got %q", got)
	}
}
