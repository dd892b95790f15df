package look

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server"
)

func TestExplainTellsOfHoldsAndOfRefusedCallsOfTheReleasesOwnWebhook(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	lane := release.Lane{Service: "shop"}
	st := server.Status{
		At:       now,
		Services: []server.Service{{Lane: lane, State: server.Held, Reason: "held by ana"}, {Lane: release.Lane{Service: "blog"}, State: server.Held, Reason: "held by ben"}},
		Refused: []server.Refused{
			{Repo: "shop", LastHour: 12, Last: now.Add(-3 * time.Minute), Reason: "wrong signature"},
			{Repo: "blog", LastHour: 1, Last: now, Reason: "too old"},
		},
	}
	r := release.Release{Lane: lane, Revision: release.Revision{Repo: "shop"}}
	want := []string{"held by ana; `fairlead resume shop` follows Git again", st.Refused[0].Sentence(now) + "; " + st.Refused[0].Remedy()}
	if got := besides(st, r); got != strings.Join(want, "\n") || !strings.Contains(got, "12 webhook calls") {
		t.Errorf("it says\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	st.Services[0].Newer = []string{"secrets changed"}
	if got := besides(st, r); !strings.HasPrefix(got, "newer available: secrets changed\n") {
		t.Errorf("it says %q", got)
	}
	st.Services, st.At = nil, now.Add(2*time.Hour)
	st.Refused[0].LastHour = 0
	if got := besides(st, r); got != "" {
		t.Errorf("long after it says %q", got)
	}
}
