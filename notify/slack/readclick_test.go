package slack

import (
	"errors"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

func TestAnswersGoToSlacksHooksOrTheHostOfTheAPI(t *testing.T) {
	for address, want := range map[string]bool{
		"https://hooks.slack.com/actions/T1/2/x": true, "https://slack.com/x": true,
		"http://hooks.slack.com/x": false, "https://hooks.slack.com.evil.example/": false, "https://evil.example/hooks.slack.com": false,
		"https://a:b@hooks.slack.com/": false, "https://hooks.slack.com:444/": false, "": false, "https://169.254.169.254/": false,
	} {
		if err := checkReply(secret.New(address), DefaultBaseURL); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	if checkReply(secret.New("https://hooks.slack-gov.com/x"), "https://slack-gov.com/api") != nil {
		t.Error("GovSlack's hooks are refused")
	}
}

// FuzzReadClick: no bytes make it panic; what counts as a click is about a
// release, by somebody, on a message.
func FuzzReadClick(f *testing.F) {
	f.Add([]byte(`{"type":"block_actions","user":{"id":"U012ABC","name":"ana (x)","team_id":"T1"},"team":{"id":"T1"},"container":{"type":"message","message_ts":"1.1","channel_id":"C1"},` +
		`"response_url":"https://hooks.slack.com/x","actions":[{"action_id":"fairlead.rollback","action_ts":"1","value":"{\"channel\":\"ops\",\"release\":\"r1\",\"repo\":\"shop\",\"service\":\"shop\"}"}]}`))
	f.Add([]byte(`{"type":"block_actions","actions":[{"action_id":"fairlead.x"},{}]}`))
	f.Add([]byte(`{"type":"view_submission"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		k, ours, err := readClick(payload)
		if err != nil && (ours || !errors.Is(err, errClick)) {
			t.Errorf("%t, %v", ours, err)
		}
		if !ours {
			return
		}
		if !known(k.action) || !memberID.MatchString(k.user) || k.about.Release == "" || k.about.Channel == "" || k.at.ts == "" || k.at.channel == "" {
			t.Errorf("took %+v", k)
		}
		if who := k.who(); !strings.HasSuffix(who, k.user) && !strings.HasSuffix(who, " ("+k.user+")") || strings.ContainsAny(who, "\n\x1b") || strings.Count(who, "(") > 1 {
			t.Errorf("called %q", who)
		}
	})
}
