package socket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/notify/slack/slacktest"
)

func TestAClickIsAcknowledgedAndAnEnvelopeThatComesTwiceIsHandledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t)
		w.await("connected", func() bool { return w.slack.Lines() == 1 })
		click := slacktest.Press{User: "U1", TS: "1.1"}
		w.do(w.slack.PressAgain("e1", click))
		w.do(w.slack.PressAgain("e1", click))
		w.do(w.slack.PressAgain("e2", slacktest.Press{User: "U2", TS: "1.1"}))
		w.await("all acknowledged", func() bool { return w.slack.Acked("e1") == 2 && w.slack.Acked("e2") == 1 })
		synctest.Wait()
		if handled, _ := w.seen(); !slices.Equal(handled, []string{"U1", "U2"}) {
			t.Errorf("handled %v", handled)
		}
	})
}

func TestARefreshedConnectionHasItsSuccessorFirstAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t)
		w.await("connected", func() bool { return w.slack.Lines() == 1 })
		for i, reason := range []string{"warning", "refresh_requested"} {
			time.Sleep(3 * time.Hour)
			before := time.Now()
			w.do(w.slack.Leave(reason))
			w.await("a successor", func() bool { return w.slack.Opened() == i+2 })
			if waited := time.Since(before); waited > 0 {
				t.Errorf("%s: %s without a successor", reason, waited)
			}
			synctest.Wait()
			if n := w.slack.Lines(); n != 2 {
				t.Errorf("%s: %d connections stand", reason, n)
			}
			// Slack may still send on the old one.
			late := fmt.Sprintf(`{"type":"interactive","envelope_id":"late-%d","payload":{"user":{"id":"LATE"}}}`, i)
			w.do(w.slack.SendOld([]byte(late)))
			w.press("NEW")
			w.await("both", func() bool { return w.slack.Acked(fmt.Sprintf("late-%d", i)) == 1 })
			time.Sleep(drainFor + time.Second)
			if n := w.slack.Lines(); n != 1 {
				t.Errorf("%s: %d connections stand", reason, n)
			}
		}
		handled, told := w.seen()
		slices.Sort(handled)
		if !slices.Equal(handled, []string{"LATE", "LATE", "NEW", "NEW"}) {
			t.Errorf("handled %v", handled)
		}
		if !slices.Equal(told, []string{"", "", ""}) {
			t.Errorf("told %q", told)
		}
	})
}

func TestAConnectionThatDiesInSilenceIsReplacedWithinHalfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t)
		w.await("connected", func() bool { return w.slack.Lines() == 1 })
		time.Sleep(time.Hour)
		if n := w.slack.Opened(); n != 1 {
			t.Fatalf("%d connections in a quiet hour", n)
		}
		died := time.Now()
		w.net.frozen.Store(true)
		w.await("another", func() bool { return w.slack.Opened() == 2 })
		if took := time.Since(died); took > pingEvery+pongDeadline+2*time.Second {
			t.Errorf("it took %s", took)
		}
		w.press("U1")
		synctest.Wait()
		if handled, _ := w.seen(); !slices.Equal(handled, []string{"U1"}) {
			t.Errorf("handled %v", handled)
		}
	})
}

func TestASlackThatIsDownIsAskedAgainWithPatienceAndToldAfterFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t)
		w.await("connected", func() bool { return w.slack.Lines() == 1 })
		time.Sleep(time.Minute)
		w.slack.Deny("apps.connections.open", "internal_error")
		w.slack.Cut()
		time.Sleep(4 * time.Minute)
		if _, told := w.seen(); len(told) != 1 {
			t.Errorf("told after four minutes: %q", told)
		}
		asked := w.slack.Asked()
		time.Sleep(time.Hour)
		if n := w.slack.Asked() - asked; n < 50 || n > 70 {
			t.Errorf("asked %d times in an hour", n)
		}
		w.slack.Deny("apps.connections.open", "")
		w.await("connected again", func() bool { return w.slack.Lines() == 1 })
		synctest.Wait()
		_, told := w.seen()
		if told[0] != "" || !strings.Contains(told[1], "internal_error") || told[len(told)-1] != "" {
			t.Errorf("told %q", told)
		}
	})
}

func TestASlackThatEndsEachConnectionAtOnceIsNotAskedAllTheTime(t *testing.T) {
	for reason, want := range map[string]string{"too_many_websockets": "an app of its own", "warning": "after only"} {
		synctest.Test(t, func(t *testing.T) {
			w := begin(t)
			for end := time.Now().Add(time.Hour); time.Now().Before(end); {
				w.await("connected", func() bool { return w.slack.Lines() > 0 })
				_ = w.slack.Leave(reason) // the connection may be gone already
				time.Sleep(time.Second)
			}
			if n := w.slack.Asked(); n > 80 {
				t.Errorf("%s: asked %d times in an hour", reason, n)
			}
			if _, told := w.seen(); !slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, want) }) {
				t.Errorf("%s: told %q", reason, told)
			}
		})
	}
}

func TestGarbageIsLeftAndClicksAfterItCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t)
		w.await("connected", func() bool { return w.slack.Lines() == 1 })
		time.Sleep(time.Minute + time.Second) // not as a ping is sent: this wire holds no byte, and both ends could write at once
		for _, frame := range []string{"", "null", "[]", "{", "\x00\xff", `{"type":7}`, `{"type":"interactive"}`, `{"envelope_id":"x"}`,
			`{"type":"` + strings.Repeat("x", 500) + `"}`, `{"type":"events_api","envelope_id":"other","payload":{}}`} {
			w.do(w.slack.Send([]byte(frame)))
		}
		w.await("an event that is none of ours acknowledged", func() bool { return w.slack.Acked("other") == 1 })
		w.press("U1")
		if err := w.slack.Send(fmt.Appendf(nil, `{"type":"hello","x":"%s"}`, strings.Repeat("x", maxFrame))); err == nil {
			t.Log("the frame that is too long was sent whole")
		}
		w.await("a new connection after one that is too long", func() bool { return w.slack.Opened() == 2 && w.slack.Lines() == 1 })
		w.press("U2")
		synctest.Wait()
		if handled, _ := w.seen(); !slices.Equal(handled, []string{"U1", "U2"}) {
			t.Errorf("handled %v", handled)
		}
	})
}

func TestAFloodOfClicksIsBoundedAndWhatIsLeftIsNotAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t)
		w.hold = make(chan struct{})
		w.await("connected", func() bool { return w.slack.Lines() == 1 })
		for i := range 100 {
			w.do(w.slack.PressAgain(fmt.Sprint("e", i), slacktest.Press{User: "U1", TS: "1.1"}))
		}
		synctest.Wait()
		acked := 0
		for i := range 100 {
			acked += w.slack.Acked(fmt.Sprint("e", i))
		}
		if acked != waiting+1 {
			t.Errorf("%d acknowledged", acked)
		}
		close(w.hold)
		synctest.Wait()
		w.do(w.slack.PressAgain("e99", slacktest.Press{User: "U2", TS: "1.1"})) // Slack sends it again
		synctest.Wait()
		if handled, _ := w.seen(); len(handled) != waiting+2 || handled[waiting+1] != "U2" {
			t.Errorf("handled %d, the last ones %v", len(handled), handled[max(0, len(handled)-2):])
		}
	})
}

func TestWhatKeepsSocketModeFromConnectingIsOneSentenceWithARemedy(t *testing.T) {
	for code, want := range map[string]string{
		"missing_scope": "; give the app-level token the scope connections:write", "not_allowed_token_type": "; app_token must be an app-level token (xapp-…)",
		"invalid_auth": "; make an app-level token", "link_disabled": "; turn Socket Mode on", "ratelimited": "slack answered ratelimited",
	} {
		s := slacktest.Start()
		s.Deny("apps.connections.open", code)
		err := client(t, s.Base).Check(t.Context())
		e, ok := errors.AsType[*notify.Error](err)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%s: %v", code, err)
		}
		if !ok || (e.Kind == notify.Temporary) != (code == "ratelimited") {
			t.Errorf("%s: %v", code, e)
		}
		s.Close()
	}
	s := slacktest.Start()
	defer s.Close()
	if err := client(t, s.Base).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestASlackThatSaysNoHelloIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t)
		w.await("connected", func() bool { return w.slack.Lines() == 1 })
		w.slack.Mute(true)
		began := time.Now()
		if err := w.client.Check(t.Context()); !errors.Is(err, errHello) || time.Since(began) != helloDeadline {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

func client(t *testing.T, base string) *Client {
	t.Helper()
	c, err := New(Config{Token: secret.New(slacktest.AppToken), BaseURL: base})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.post.Close)
	return c
}

func TestTheConnectionGoesToSlackAlone(t *testing.T) {
	for address, want := range map[string]bool{
		"wss://wss-primary.slack.com/link/?ticket=1": true, "wss://slack.com/x": true,
		"ws://wss-primary.slack.com/": false, "wss://slack.com.evil.example/": false, "wss://evilslack.com/": false, "wss://169.254.169.254/": false,
		"wss://a@wss.slack.com/": false, "https://wss.slack.com/": false, "": false, "wss://wss.slack.com:8443/": false,
	} {
		if err := checkAddress(address, DefaultBaseURL); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	if checkAddress("ws://127.0.0.1:4711/link", "http://127.0.0.1:4711/api") != nil || checkAddress("ws://127.0.0.1:22/", "http://127.0.0.1:4711/api") == nil {
		t.Error("the host of the API is not the only one that is taken")
	}
}

func TestTheTicketIsNotInErrors(t *testing.T) {
	var base string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/link" {
			panic(http.ErrAbortHandler) // cut
		}
		_, _ = io.WriteString(w, `{"ok":true,"url":"`+strings.Replace(base, "http", "ws", 1)+`/link?ticket=canary"}`)
	}))
	defer s.Close()
	base = s.URL
	err := client(t, base).Check(t.Context())
	if err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), slacktest.AppToken) {
		t.Errorf("got %v", err)
	}
	if text := fmt.Sprintf("%+v", client(t, base)); strings.Contains(text, slacktest.AppToken) {
		t.Error("the token is printed")
	}
}

func TestPausesGrowAndObeySlack(t *testing.T) {
	for _, tt := range []struct {
		failures int
		err      notify.Error
		random   float64
		want     time.Duration
	}{
		{1, notify.Error{}, 1, time.Second}, {1, notify.Error{}, 0, time.Second / 2}, {4, notify.Error{}, 1, 8 * time.Second},
		{50, notify.Error{}, 1, time.Minute}, {1, notify.Error{Kind: notify.Broken}, 1, 30 * time.Second}, {99, notify.Error{Kind: notify.Broken}, 1, 10 * time.Minute},
		{1, notify.Error{RetryAfter: time.Hour}, 1, time.Hour},
	} {
		if got := backoff(tt.failures, tt.err, tt.random); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

func TestTheMemoryOfEnvelopesIsBounded(t *testing.T) {
	var s seen
	yes := func() bool { return true }
	for i := range 3 * seenMost {
		s.once(fmt.Sprint(i), yes)
	}
	if len(s.known) != seenMost || len(s.order) != seenMost {
		t.Errorf("%d and %d are kept", len(s.known), len(s.order))
	}
	fresh := false
	s.once(fmt.Sprint(3*seenMost-seenMost), func() bool { fresh = true; return true })
	if fresh {
		t.Error("the oldest that is to be kept was forgotten")
	}
}

// FuzzDecode: no bytes make it panic; what it takes has a bounded envelope, and
// an interaction has one at all.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"type":"hello"}`, `{"type":"disconnect","reason":"warning"}`, `{"type":"interactive","envelope_id":"e","payload":{"type":"block_actions"}}`,
		`{"type":"interactive"}`, `[1]`, `{"type":"a","type":"interactive"}`, `{"envelope_id":{}}`, "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		frame, err := Decode(data)
		if err != nil {
			if !errors.Is(err, errFrame) || frame.Envelope != "" {
				t.Errorf("%v, %+v", err, frame)
			}
			return
		}
		if frame.Kind == "" || len(frame.Envelope) > maxEnvelope || frame.Kind == Interactive && frame.Envelope == "" || strings.ContainsAny(frame.Reason, "\n\x1b") {
			t.Errorf("took %+v", frame)
		}
		if len(frame.Payload) > 0 && !json.Valid(frame.Payload) {
			t.Errorf("payload %q", frame.Payload)
		}
	})
}

// A handler that is at work when the daemon stops ends what it does.
func TestAShutdownLetsAClickEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t)
		w.hold = make(chan struct{})
		var ended error
		w.client.cfg.Handle = func(ctx context.Context, _ json.RawMessage) {
			<-w.hold
			ended = ctx.Err()
		}
		w.await("connected", func() bool { return w.slack.Lines() == 1 })
		w.press("U1")
		synctest.Wait()
		w.stop()
		synctest.Wait()
		select {
		case <-w.done:
			t.Error("it ended before the click did")
		default:
		}
		close(w.hold)
		<-w.done
		if ended != nil {
			t.Errorf("the click was cut: %v", ended)
		}
	})
}
