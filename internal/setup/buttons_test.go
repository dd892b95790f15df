package setup

import (
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/notify/slack/slacktest"
)

func TestCheckSaysWhetherTheButtonsOfSlackWork(t *testing.T) {
	s := slacktest.Start()
	defer s.Close()
	t.Setenv("TEST_SLACK_APP", slacktest.AppToken)
	c, err := config.Parse("fairlead.yml", t.TempDir(), []byte(`
repositories: {}
notify:
  - webhook: { url: "http://127.0.0.1:1/" }
  - name: ops
    slack: { token: { env: TEST_SLACK_BOT }, channel: "#deploys", app_token: { env: TEST_SLACK_APP }, users: [U012ABC4D], api: "`+s.Base+`" }
`))
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]string{
		"":              "ok   ops: Socket Mode connects; its buttons are for 1 listed",
		"missing_scope": "FAIL ops: its buttons do not work: slack answered missing_scope → give the app-level token the scope connections:write",
		"invalid_auth":  "→ make an app-level token with the scope connections:write",
	} {
		s.Deny("apps.connections.open", code)
		if found := checkButtons(t.Context(), c); len(found) != 1 || !strings.Contains(found[0].String(), want) || found[0].OK != (code == "") {
			t.Errorf("%s: %s", code, found)
		}
	}
}
