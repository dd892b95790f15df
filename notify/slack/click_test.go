package slack_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/notify/slack"
	"github.com/fairlead-deploy/fairlead/notify/slack/slacktest"
	"github.com/fairlead-deploy/fairlead/notify/slack/socket"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// office is a Slack with a bot whose messages have buttons, and a desk that
// notes what is ordered.
type office struct {
	*testing.T
	slack *slacktest.Server
	store *store.Store
	bot   *slack.Bot

	mu     sync.Mutex
	orders []release.Order
	refuse error
}

func (o *office) Order(_ context.Context, order release.Order) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.orders = append(o.orders, order)
	return "a rollback of shop to v41", o.refuse
}

func (o *office) ordered() []release.Order {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.orders)
}

const ana, bob = "U012ABC4D", "U0BOB0BOB"

func open(t *testing.T) *office {
	t.Helper()
	o := &office{T: t, slack: slacktest.Start(), store: memory(t)}
	t.Cleanup(o.slack.Close)
	var err error
	o.bot, err = slack.NewBot(slack.Config{Name: "ops", Token: secret.New(slacktest.BotToken), Channel: "#deploys", BaseURL: o.slack.Base,
		Buttons: &slack.Buttons{Users: []string{ana, bob}, Desk: o, Standing: o.store}}, o.store)
	o.do(err)
	client, err := socket.New(socket.Config{Token: secret.New(slacktest.AppToken), BaseURL: o.slack.Base,
		Handle: slack.NewClicks(slog.New(slog.DiscardHandler), o.bot).Handle})
	o.do(err)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := client.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); wg.Wait() })
	o.await("connected", func() bool { return o.slack.Lines() == 1 })
	return o
}

func (o *office) do(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

func (o *office) await(what string, holds func() bool) {
	o.Helper()
	ctx, cancel := context.WithTimeout(o.Context(), 20*time.Second)
	defer cancel()
	o.do(o.slack.Await(ctx, what, holds))
}

func shop(id string, s release.Status) release.Release {
	return release.Release{ID: release.ID(id), Lane: release.Lane{Service: "shop", Destination: "eu"}, Status: s,
		Revision: release.Revision{Repo: "shop", SHA: "9c1e0aa5d2"}, Version: "v42", Previous: "v41"}
}

// tell records a release, and sends the message about it.
func (o *office) tell(r release.Release) {
	o.Helper()
	ev := release.Event{At: time.Unix(1, 0), Kind: release.EventStatus, Lane: r.Lane, Release: &r}
	seq, err := o.store.Save(o.Context(), r, ev)
	o.do(err)
	ev.Seq = seq
	o.do(o.bot.Notify(o.Context(), notify.Make(ev)))
}

// message is the newest in the channel that is in no thread, or the i-th.
func (o *office) message(i int) slacktest.Message {
	o.Helper()
	all := slices.DeleteFunc(o.slack.Messages(), func(m slacktest.Message) bool { return m.Thread != "" })
	if i < 0 {
		i += len(all)
	}
	if i < 0 || i >= len(all) {
		o.Fatalf("there are %d messages", len(all))
	}
	return all[i]
}

func labels(m slacktest.Message) string {
	var all []string
	for _, b := range m.Buttons {
		all = append(all, b.Label)
	}
	return strings.Join(all, " ")
}

// press presses a button of a message, and waits until that is acknowledged.
func (o *office) press(user string, m slacktest.Message, label string) {
	o.Helper()
	i := slices.IndexFunc(m.Buttons, func(b slacktest.Button) bool { return b.Label == label })
	if i < 0 {
		o.Fatalf("no button %s under %q, only %s", label, m.Text, labels(m))
	}
	o.send(slacktest.Press{User: user, Name: map[string]string{ana: "ana", bob: "bob (U0BOSS)"}[user], TS: m.TS, Button: m.Buttons[i]})
}

func (o *office) send(p slacktest.Press) {
	o.Helper()
	envelope, err := o.slack.Press(p)
	o.do(err)
	o.await("acknowledged", func() bool { return o.slack.Acked(envelope) == 1 })
}

// settled waits until everything that was pressed before has been dealt with.
func (o *office) settled() {
	o.Helper()
	told := func() (n int) {
		for _, text := range o.slack.Whispers() {
			n += strings.Count(text, "U0NOBODY")
		}
		return n
	}
	n := told()
	o.send(slacktest.Press{User: "U0NOBODY", TS: "1.1", Button: slacktest.Button{Action: "fairlead.hold", Value: `{"channel":"ops","release":"x","repo":"x","service":"x"}`}})
	o.await("the last click answered", func() bool { return told() > n })
}

func TestMessagesCarryTheButtonsThatFit(t *testing.T) {
	o := open(t)
	with := func(change func(*release.Release)) func(*release.Release) { return change }
	for i, tt := range []struct {
		status release.Status
		change func(*release.Release)
		hold   string
		want   string
	}{
		{status: release.Preparing, want: "Rollback Hold"},
		{status: release.Watching, want: "Rollback Hold"},
		{status: release.Watching, change: with(func(r *release.Release) { r.Previous = r.Version }), want: "Hold"},
		{status: release.Succeeded, want: "Rollback Hold"},
		{status: release.Succeeded, change: with(func(r *release.Release) { r.Previous = "" }), want: "Hold"},
		{status: release.Succeeded, hold: "moving the database", want: "Resume Rollback"},
		{status: release.Succeeded, hold: "rollback v42", want: "Resume"},
		{status: release.Failed, want: "Retry Hold"},
		{status: release.RolledBack, want: "Retry Hold"},
		{status: release.NeedsHuman, want: "Retry Rollback Hold"},
		{status: release.Waiting, change: with(func(r *release.Release) { r.Reason = "quarantined: as before" }), want: "Retry Hold"},
		{status: release.Waiting, change: with(func(r *release.Release) { r.Reason = "first contact" }), want: "Hold"},
		{status: release.Waiting, hold: "moving the database", want: "Resume"},
		{status: release.Superseded, want: ""},
	} {
		r := shop("r"+string(rune('a'+i)), tt.status)
		if tt.change != nil {
			tt.change(&r)
		}
		if tt.hold != "" {
			o.do(o.store.Hold(t.Context(), release.Hold{Lane: r.Lane, By: "ana", Since: time.Now(), Why: tt.hold}))
		}
		o.tell(r)
		m := o.message(-1)
		if labels(m) != tt.want {
			t.Errorf("%s %s: buttons %q, want %q", tt.status, tt.hold, labels(m), tt.want)
		}
		for _, b := range m.Buttons {
			if (b.Confirm != "") != (b.Label == "Rollback") {
				t.Errorf("%s asks %q first", b.Label, b.Confirm)
			}
			if !strings.Contains(b.Value, string(r.ID)) || !strings.Contains(b.Value, `"shop"`) || !strings.Contains(b.Value, `"eu"`) {
				t.Errorf("%s is bound to %s", b.Label, b.Value)
			}
		}
		o.do(o.store.Unhold(t.Context(), r.Lane))
	}
}

func TestAClickIsAnOrderInThePersonsNameAndTheThreadTellsOfIt(t *testing.T) {
	o := open(t)
	o.tell(shop("r1", release.Succeeded))
	m := o.message(0)
	o.press(ana, m, "Rollback")
	o.settled()
	want := release.Order{Action: release.ActionRollback, Release: "r1", Repo: "shop", Lane: release.Lane{Service: "shop", Destination: "eu"}, Actor: "ana (U012ABC4D)"}
	if got := o.ordered(); len(got) != 1 || got[0] != want {
		t.Errorf("ordered %+v", got)
	}
	said := o.slack.Thread(m.TS)
	if len(said) != 1 || said[0] != "ana (U012ABC4D) asked for a rollback of shop to v41" {
		t.Errorf("the thread says %q", said)
	}
}

func TestOneClickThatSlackTellsOfTwiceIsOneOrder(t *testing.T) {
	o := open(t)
	o.tell(shop("r1", release.Succeeded))
	m := o.message(0)
	click := slacktest.Press{User: ana, Name: "ana", TS: m.TS, Button: m.Buttons[0], Time: "1700.1"}
	o.send(click)
	o.send(click)
	o.settled()
	if got, said := o.ordered(), o.slack.Thread(m.TS); len(got) != 1 || len(said) != 1 {
		t.Errorf("%d orders, and the thread says %q", len(got), said)
	}
	o.press(bob, m, "Rollback") // he means the same
	o.settled()
	said := o.slack.Thread(m.TS)
	if len(o.ordered()) != 1 || len(said) != 2 || said[1] != "bob U0BOSS (U0BOB0BOB) asked for a rollback of shop-eu; refused: ana (U012ABC4D) asked for it just now" {
		t.Errorf("%d orders, and the thread says %q", len(o.ordered()), said)
	}
}

func TestOnlyListedPeopleOfTheWorkspaceMayClick(t *testing.T) {
	o := open(t)
	o.tell(shop("r1", release.Succeeded))
	m := o.message(0)
	for i, p := range []slacktest.Press{{User: "U0EVE0EVE"}, {User: strings.ToLower(ana)}, {User: ana, Team: "T0STRANGE"}, {User: ana + "X"}, {User: ""}} {
		p.TS, p.Button, p.Name = m.TS, m.Buttons[0], "ana"
		o.send(p)
		o.settled()
		if got := o.ordered(); len(got) > 0 {
			t.Fatalf("%d: ordered %+v", i, got)
		}
	}
	if said := o.slack.Thread(m.TS); len(said) > 0 {
		t.Errorf("the thread says %q", said)
	}
	if told := o.slack.Whispers(); !strings.Contains(told[0], "only the people that fairlead.yml lists under `users` may do that. You are U0EVE0EVE.") {
		t.Errorf("told %q", told)
	}
}

func TestARefusedOrderSaysWhyToThePersonAndInTheThread(t *testing.T) {
	o := open(t)
	o.refuse = errors.New("v42 is no longer the newest: v43 of shop is live <!channel>")
	o.tell(shop("r1", release.Succeeded))
	m := o.message(0)
	o.press(ana, m, "Hold")
	o.settled()
	if said := o.slack.Thread(m.TS); len(said) != 1 || said[0] != "ana (U012ABC4D) asked for a hold on shop-eu; refused: v42 is no longer the newest: v43 of shop is live &lt;!channel&gt;" {
		t.Errorf("the thread says %q", said)
	}
	if told := o.slack.Whispers(); told[0] != "Nothing was done: v42 is no longer the newest: v43 of shop is live &lt;!channel&gt;" {
		t.Errorf("told %q", told)
	}
	o.press(ana, m, "Hold") // a refused one does not stand in the way
	o.settled()
	if n := len(o.ordered()); n != 2 {
		t.Errorf("%d orders", n)
	}
}

func TestAMessageThatFairleadDidNotPostAboutTheReleaseOrdersNothing(t *testing.T) {
	o := open(t)
	o.tell(shop("r1", release.Succeeded))
	m := o.message(0)
	o.send(slacktest.Press{User: ana, TS: "1699.1", Button: m.Buttons[0]}) // posted by who has the bot's token
	for _, value := range []string{"", "r1", `{"channel":"ops","release":"r2","repo":"shop","service":"shop"}`, `{"channel":"other","release":"r1"}`,
		m.Buttons[0].Value + m.Buttons[0].Value, strings.Replace(m.Buttons[0].Value, "{", `{"more":1,`, 1)} {
		o.send(slacktest.Press{User: ana, TS: m.TS, Button: slacktest.Button{Action: "fairlead.rollback", Value: value}})
	}
	for _, action := range []string{"fairlead.", "fairlead.deploy", "rollback", ""} {
		o.send(slacktest.Press{User: ana, TS: m.TS, Button: slacktest.Button{Action: action, Value: m.Buttons[0].Value}})
	}
	o.settled()
	if got := o.ordered(); len(got) > 0 {
		t.Errorf("ordered %+v", got)
	}
}

func TestAnAnswerGoesToSlackAlone(t *testing.T) {
	var called bool
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer evil.Close()
	o := open(t)
	for _, address := range []string{evil.URL + "/response", "http://169.254.169.254/latest", "file:///etc/passwd", "://", strings.Replace(o.slack.Base, "http", "https", 1)} {
		o.send(slacktest.Press{User: "U0EVE0EVE", TS: "1.1", ReplyTo: address,
			Button: slacktest.Button{Action: "fairlead.hold", Value: `{"channel":"ops","release":"r1","repo":"shop","service":"shop"}`}})
	}
	o.settled()
	if told := o.slack.Whispers(); called || len(told) != 1 {
		t.Errorf("called %t, told %q", called, told)
	}
}

func TestTheButtonsOfAMessageFollowWhatBecomesOfTheLane(t *testing.T) {
	o := open(t)
	o.tell(shop("r1", release.Succeeded))
	o.do(o.store.Hold(t.Context(), release.Hold{Lane: shop("", "").Lane, By: "ana", Since: time.Now(), Why: "by a button"}))
	o.press(ana, o.message(0), "Hold")
	o.await("resume", func() bool { return labels(o.message(0)) == "Resume Rollback" })

	o.do(o.store.Unhold(t.Context(), shop("", "").Lane))
	silent := shop("r2", release.Unchanged)
	silent.Cause.Kind = release.CauseManual
	o.tell(silent)
	if got := labels(o.message(0)); got != "Rollback Hold" {
		t.Errorf("after the end of the hold: %s", got)
	}
	o.settled()

	o.tell(shop("r3", release.Preparing))
	if was, is := labels(o.message(0)), labels(o.message(1)); was != "" || is != "Rollback Hold" {
		t.Errorf("the old message has %q, the new one %q", was, is)
	}
	if text := o.message(0).Text; !strings.Contains(text, "is live") {
		t.Errorf("the old message says %q", text)
	}
	o.tell(shop("r3", release.RolledBack))
	if got := labels(o.message(1)); got != "Retry Hold" {
		t.Errorf("in the end: %s", got)
	}
}

func TestAnOrderCountsAlsoWhereTheThreadCannotBeTold(t *testing.T) {
	o := open(t)
	o.tell(shop("r1", release.Succeeded))
	m := o.message(0)
	o.slack.Deny("chat.postMessage", "is_archived")
	o.slack.Deny("chat.update", "is_archived")
	o.press(ana, m, "Hold")
	o.settled()
	if n := len(o.ordered()); n != 1 {
		t.Errorf("%d orders", n)
	}
}
