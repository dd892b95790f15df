package e2e_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/notify/slack/slacktest"
	"github.com/fairlead-deploy/fairlead/release"
)

// A click on Rollback under the message of a release takes real servers back,
// in the name of who clicked; a click on a message that is old by then does
// nothing, and says why.
func TestAClickInSlackRollsAReleaseBack(t *testing.T) {
	t.Parallel()
	s := begin(t, "clicked")
	slack := slacktest.Start()
	defer slack.Close()
	s.write("bot-token", slacktest.BotToken)
	s.write("app-token", slacktest.AppToken)
	s.operator["notify"] = strings.TrimSuffix(s.operator["notify"], "]") +
		`, { slack: { token: { file: ` + s.path("bot-token") + ` }, channel: "#deploys", app_token: { file: ` + s.path("app-token") + ` }, users: [U012ABC4D], api: "` + slack.Base + `" } }]`
	s.image("v1", nil)
	s.image("v2", nil)
	s.start()
	s.ends(s.push(s.file("v1")), release.Succeeded)
	s.ends(s.push(s.file("v2")), release.Succeeded)
	s.answers("v2")

	message := s.live(slack)
	back := message.Buttons[0]
	if back.Label != "Rollback" || back.Confirm == "" {
		t.Fatalf("under the message are %+v", message.Buttons)
	}
	_, err := slack.Press(slacktest.Press{User: "U0EVE0EVE", Name: "eve", TS: message.TS, Button: back})
	s.do(err)
	_, err = slack.Press(slacktest.Press{User: "U012ABC4D", Name: "ana", TS: message.TS, Button: back})
	s.do(err)
	ev := s.toldThat("the rollback ended", func(ev release.Event) bool {
		return ev.Release != nil && ev.Release.Cause.Actor == "ana (U012ABC4D)" && ev.Release.Status.Terminal()
	})
	if ev.Release.Status != release.Succeeded || ev.Release.Version != "v1" {
		t.Fatalf("%s of %s: %s", ev.Release.Status, ev.Release.Version, ev.Message)
	}
	s.answers("v1")
	s.runs(s.web("v1"))

	s.awaitSlack(slack, "a message that offers to follow Git again", func() bool {
		return slices.ContainsFunc(slack.Messages(), func(m slacktest.Message) bool { return len(m.Buttons) == 1 && m.Buttons[0].Label == "Resume" })
	})
	_, err = slack.Press(slacktest.Press{User: "U012ABC4D", Name: "ana", TS: message.TS, Button: message.Buttons[1]})
	s.do(err)
	s.awaitSlack(slack, "the click on the old message refused", func() bool { return len(slack.Thread(message.TS)) == 2 })
	said := slack.Thread(message.TS)
	if said[0] != "ana (U012ABC4D) asked for a rollback of clicked to v1" ||
		!strings.HasPrefix(said[1], "ana (U012ABC4D) asked for a hold on clicked; refused: v2 is no longer the newest: ") {
		t.Errorf("the thread says %q", said)
	}
	if told := slack.Whispers(); len(told) != 2 || !strings.Contains(told[0], "You are U0EVE0EVE") {
		t.Errorf("whispered %q", told)
	}
	s.answers("v1")
}

// live waits until two messages say that something is live, and returns the
// newer one.
func (s *scenario) live(slack *slacktest.Server) slacktest.Message {
	s.Helper()
	var all []slacktest.Message
	s.awaitSlack(slack, "the message of what is live", func() bool {
		all = slices.DeleteFunc(slack.Messages(), func(m slacktest.Message) bool { return !strings.Contains(m.Text, "is live") })
		return len(all) == 2 && len(all[1].Buttons) == 2
	})
	return all[1]
}

func (s *scenario) awaitSlack(slack *slacktest.Server, what string, holds func() bool) {
	s.Helper()
	ctx, cancel := context.WithTimeoutCause(s.Context(), patience, errors.New("not in time"))
	defer cancel()
	s.do(slack.Await(ctx, what, holds))
}
