package server

import (
	"strings"
	"testing"
	"time"
)

func TestRefusedWebhookCallsAreShownAndCounted(t *testing.T) {
	st := Status{At: now, Refused: []Refused{
		{Repo: "", LastHour: 1, Last: now.Add(-time.Minute), Reason: "unknown name in the path", Total: map[string]int64{"unknown name in the path": 4}},
		{Repo: "old", Last: now.Add(-48 * time.Hour), Reason: "wrong signature", Total: map[string]int64{"wrong signature": 3}},
		{Repo: "shop", LastHour: 12, Last: now.Add(-3 * time.Minute), Reason: "wrong signature", Total: map[string]int64{"wrong signature": 10, "no signature": 2}},
	}}
	var text strings.Builder
	check(t, st.WriteText(&text))
	for _, want := range []string{
		"shop             12 webhook calls refused in the last hour, the last 3 min ago: wrong signature\n",
		"→ compare the secret at the forge with `webhook: { secret: … }` of repositories.shop\n",
		"(no repository)  1 webhook call refused in the last hour, the last 60 s ago: unknown name in the path\n",
	} {
		if !strings.Contains(strings.Join(strings.Fields(text.String()), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("the status lacks %q:\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "old") {
		t.Errorf("what is long ago is shown:\n%s", text.String())
	}
	for _, want := range []string{
		`fairlead_webhook_refused_total{repository="shop",reason="no signature"} 2`, `fairlead_webhook_refused_total{repository="old",reason="wrong signature"} 3`,
		`fairlead_webhook_refused_total{repository="",reason="unknown name in the path"} 4`,
	} {
		if !strings.Contains(st.Metrics(), want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
}
