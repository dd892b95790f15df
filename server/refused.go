package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// Refused is what was refused of a repository's webhook. Nothing of a call is
// in it.
type Refused struct {
	Repo     string           `json:"repo"`  // "": names that no repository has
	Total    map[string]int64 `json:"total"` // since the daemon started, by reason
	LastHour int64            `json:"last_hour"`
	Last     time.Time        `json:"last"`
	Reason   string           `json:"reason"` // of the last
}

// Sentence is "12 webhook calls were refused in the last hour, the last 3 min
// ago: wrong signature", "" when there was none.
func (r Refused) Sentence(now time.Time) string {
	if r.LastHour == 0 {
		return ""
	}
	return fmt.Sprintf("%s refused in the last hour, the last %s ago: %s", release.Count(int(r.LastHour), "webhook call"), age(now.Sub(r.Last)), r.Reason)
}

// Remedy is the one thing to look at.
func (r Refused) Remedy() string {
	if r.Repo == "" {
		return "the path is /hooks/REPOSITORY, as the repository is called in fairlead.yml"
	}
	return "compare the secret at the forge with `webhook: { secret: … }` of repositories." + r.Repo
}

// refusals writes those of the last hour.
func (st Status) refusals(table *tabwriter.Writer) {
	begun := false
	for _, r := range st.Refused {
		text := r.Sentence(st.At)
		if text == "" {
			continue
		}
		if !begun {
			section(table, "Webhooks")
			begun = true
		}
		name := r.Repo
		if name == "" {
			name = "(no repository)"
		}
		row(table, name, "", text)
		row(table, "", "", "→ "+r.Remedy())
	}
}

// refusedMetrics is the counter of all that was refused.
func (st Status) refusedMetrics(b *strings.Builder) {
	fmt.Fprintf(b, "# HELP fairlead_webhook_refused_total Webhook calls that were refused.\n# TYPE fairlead_webhook_refused_total counter\n")
	for _, r := range st.Refused {
		for _, why := range slices.Sorted(maps.Keys(r.Total)) {
			fmt.Fprintf(b, "fairlead_webhook_refused_total{repository=%s,reason=%s} %d\n", label(r.Repo), label(why), r.Total[why])
		}
	}
}
