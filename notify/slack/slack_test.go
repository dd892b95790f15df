package slack_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/notify/notifytest"
	"github.com/fairlead-deploy/fairlead/notify/slack"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

func memory(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func bot(t *testing.T, base string, refs slack.Refs) *slack.Bot {
	t.Helper()
	b, err := slack.NewBot(slack.Config{Name: "slack", Token: secret.New(notifytest.Canary), Channel: "#deploys", BaseURL: base}, refs)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheBotKeepsTheContract(t *testing.T) {
	notifytest.Run(t, notifytest.Subject{
		Open: func(t *testing.T, base string) notify.Notifier { return bot(t, base, memory(t)) },
		OK:   `{"ok":true,"channel":"C1","ts":"1.1"}`,
	})
}

func TestTheIncomingWebhookKeepsTheContract(t *testing.T) {
	notifytest.Run(t, notifytest.Subject{
		Open: func(t *testing.T, base string) notify.Notifier {
			n, err := slack.NewIncoming(secret.New(base + "/services/" + notifytest.Canary))
			if err != nil {
				t.Fatal(err)
			}
			return n
		},
		OK: "ok",
	})
}

// call is one request that the fake Slack got.
type call struct {
	method string
	raw    string
	body   struct {
		Channel, TS, Text string
		ThreadTS          string `json:"thread_ts"`
		LinkNames         *bool  `json:"link_names"`
		Parse             string
		Blocks            []struct {
			Type string
			Text struct{ Type, Text string }
		}
	}
}

// fake is Slack's Web API: it takes tokens, knows its messages, and answers
// 200 with ok false as the real one does.
type fake struct {
	mu       sync.Mutex
	calls    []call
	messages map[string]bool // ts
	fail     string          // answer ok false with this, once
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	raw, err := io.ReadAll(r.Body)
	c := call{method: strings.TrimPrefix(r.URL.Path, "/"), raw: string(raw)}
	if err != nil || json.Unmarshal(raw, &c.body) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f.calls = append(f.calls, c)
	answer := map[string]any{"ok": true, "channel": "C024BE91L"}
	deny := func(code string) { answer = map[string]any{"ok": false, "error": code} }
	switch {
	case r.Header.Get("Authorization") != "Bearer "+notifytest.Canary:
		deny("invalid_auth")
	case f.fail != "":
		deny(f.fail)
		f.fail = ""
	case c.method == "chat.postMessage":
		ts := "1700000000.00000" + strconv.Itoa(len(f.messages)+1)
		f.messages[ts] = true
		answer["ts"] = ts
	case c.method == "chat.update" && c.body.Channel != "C024BE91L":
		deny("channel_not_found") // it takes only ids
	case c.method == "chat.update" && !f.messages[c.body.TS]:
		deny("message_not_found")
	case c.method == "chat.update":
		answer["ts"] = c.body.TS
	default:
		deny("unknown_method")
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		panic(err)
	}
}

func (f *fake) take() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

func fakeSlack(t *testing.T) (*fake, string) {
	t.Helper()
	f := &fake{messages: map[string]bool{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, server.URL
}

func status(s release.Status) notify.Message {
	r := release.Release{ID: "r1", Lane: release.Lane{Service: "shop"}, Status: s, Revision: release.Revision{SHA: "9c1e0aa5d2"}}
	if s == release.Failed {
		r.Failure = &release.Failure{Step: "health", Message: "unhealthy", Logs: []string{"first line", "boom ```"}, Probes: []string{"GET /up: 503"}}
	}
	return notify.Make(release.Event{Seq: 1, Kind: release.EventStatus, Lane: r.Lane, Release: &r, At: time.Unix(1, 0)})
}

func send(t *testing.T, n notify.Notifier, m notify.Message) {
	t.Helper()
	if err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func TestOneRolloutIsOneMessageWithTheDetailsInItsThread(t *testing.T) {
	f, base := fakeSlack(t)
	refs := memory(t)
	for _, s := range []release.Status{release.Queued, release.Planning} {
		send(t, bot(t, base, refs), status(s))
	}
	if calls := f.take(); len(calls) != 0 {
		t.Errorf("%d calls before anything happens", len(calls))
	}
	// A new bot each time, as after a restart.
	for _, s := range []release.Status{release.Preparing, release.Switching, release.RollingBack, release.Failed, release.Failed} {
		send(t, bot(t, base, refs), status(s))
	}
	var got []string
	for _, c := range f.take() {
		got = append(got, c.method+" "+c.body.Channel+" "+c.body.TS+c.body.ThreadTS)
		if c.body.ThreadTS != "" {
			for _, want := range []string{"first line\\nboom '''", "GET /up: 503"} {
				if !strings.Contains(c.raw, want) {
					t.Errorf("the thread %s lacks %q", c.raw, want)
				}
			}
		}
	}
	const ts = " 1700000000.000001"
	want := []string{"chat.postMessage #deploys ", "chat.update C024BE91L" + ts, "chat.update C024BE91L" + ts, "chat.update C024BE91L" + ts,
		"chat.postMessage C024BE91L" + ts, "chat.update C024BE91L" + ts}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("calls\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAReleaseThatChangedNothingStaysSilent(t *testing.T) {
	f, base := fakeSlack(t)
	send(t, bot(t, base, memory(t)), status(release.Unchanged))
	if calls := f.take(); len(calls) != 0 {
		t.Errorf("calls %+v", calls)
	}
}

func TestADeletedMessageIsPostedAnew(t *testing.T) {
	f, base := fakeSlack(t)
	b := bot(t, base, memory(t))
	send(t, b, status(release.Preparing))
	f.mu.Lock()
	f.messages = map[string]bool{"x": true}
	f.mu.Unlock()
	send(t, b, status(release.Switching))
	send(t, b, status(release.Watching))
	var got []string
	for _, c := range f.take() {
		got = append(got, c.method+c.body.TS)
	}
	want := "chat.postMessage chat.update1700000000.000001 chat.postMessage chat.update1700000000.000002"
	if strings.Join(got, " ") != want {
		t.Errorf("calls %v", got)
	}
}

func TestSlacksOwnErrorsAreClassified(t *testing.T) {
	for code, want := range map[string]notify.Kind{
		"ratelimited": notify.Temporary, "internal_error": notify.Temporary, "service_unavailable": notify.Temporary,
		"token_revoked": notify.Broken, "invalid_auth": notify.Broken, "channel_not_found": notify.Broken, "is_archived": notify.Broken,
		"something_new": notify.Broken, "invalid_blocks": notify.Refused, "msg_too_long": notify.Refused,
	} {
		f, base := fakeSlack(t)
		f.fail = code
		b := bot(t, base, memory(t))
		err := b.Notify(t.Context(), status(release.Preparing))
		e, ok := errors.AsType[*notify.Error](err)
		if !ok || e.Kind != want || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: %v (%T)", code, err, err)
		}
		notifytest.NoLeak(t, err)
		send(t, b, status(release.Preparing)) // and nothing is stuck
	}
}

func TestForeignTextMentionsNobody(t *testing.T) {
	f, base := fakeSlack(t)
	send(t, bot(t, base, memory(t)), notify.Make(notifytest.Hostile()))
	calls := f.take()
	if len(calls) != 2 {
		t.Fatalf("%d calls, want the message and its thread", len(calls))
	}
	for _, c := range calls {
		if c.body.Parse != "none" || c.body.LinkNames == nil || *c.body.LinkNames {
			t.Errorf("parse %q, link_names %v", c.body.Parse, c.body.LinkNames)
		}
		// The JSON encoder writes < and > as \u003c and \u003e.
		if strings.ContainsAny(c.raw, "<>") || strings.Contains(c.raw, `\u003c`) || strings.Contains(c.raw, `\u003e`) {
			t.Errorf("markup in %s", c.raw)
		}
		if !strings.Contains(c.raw, `\u0026lt;!channel\u0026gt;`) {
			t.Errorf("the text itself is lost: %.300s", c.raw)
		}
		for _, b := range c.body.Blocks {
			if limit := map[string]int{"header": 150, "section": 3000}[b.Type]; len([]rune(b.Text.Text)) > limit {
				t.Errorf("%s of %d characters", b.Type, len([]rune(b.Text.Text)))
			}
			if b.Text.Type == "mrkdwn" && strings.Count(b.Text.Text, "```") != 2 {
				t.Errorf("a fence is broken: %q", b.Text.Text)
			}
		}
	}
}

func TestAWrongConfigurationIsRefused(t *testing.T) {
	for _, cfg := range []slack.Config{
		{Channel: "#x"}, {Token: secret.New(notifytest.Canary)}, {Token: secret.New(notifytest.Canary), Channel: "#x", BaseURL: "slack.com"},
	} {
		_, err := slack.NewBot(cfg, nil)
		if err == nil {
			t.Errorf("%+v was taken", cfg)
		}
		notifytest.NoLeak(t, err, cfg)
	}
}
