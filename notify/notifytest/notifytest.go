// Package notifytest is the contract of the channels: every notify.Notifier
// passes Run, against a real HTTP server.
//
// Lives here: what any channel must do with any receiver. May not live here:
// what one channel's messages look like.
package notifytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/release"
)

// Canary is a secret. The notifier under test is made with it as its token, as
// a part of its URL, as its key: wherever a secret goes.
const Canary = "canary-4be1c7d0-do-not-show"

// Subject is a channel under test.
type Subject struct {
	// Open makes a notifier that sends to the server at base.
	Open func(t *testing.T, base string) notify.Notifier
	// OK is what the channel's receiver replies when it takes a message.
	OK string
}

// Hostile is a failed release whose every text wants to do harm.
func Hostile() release.Event {
	const bad = "<!channel> <@U1> <https://evil.example|safe> & \x1b[31mred\x1b[0m \x07\x00\u0085\u202egnp.exe\u2066\u200f \xff *b* `c` ```"
	code := 1
	return release.Event{Seq: 7, At: time.Date(2026, 11, 23, 6, 15, 2, 0, time.UTC), Kind: release.EventStatus,
		Lane: release.Lane{Service: "shop", Destination: "production"}, Message: bad,
		Release: &release.Release{ID: "20261123-061502-9c1e0aa-3f2a", Lane: release.Lane{Service: "shop", Destination: "production"},
			Revision: release.Revision{Repo: "shop", Ref: "refs/heads/" + bad, SHA: "9c1e0aa5d2f0000000000000000000000000abcd",
				Author: bad, Subject: bad + strings.Repeat("long ", 10_000)},
			Cause: release.Cause{Kind: release.CauseManual, Actor: bad}, Status: release.Failed, Reason: bad, Image: bad, Previous: bad,
			Hosts:   []release.HostOutcome{{Host: bad, State: "old", Detail: bad}},
			Changes: []release.Change{{Host: bad, Step: bad, Field: bad, Was: bad, Want: bad}},
			Failure: &release.Failure{Class: release.Verdict, Step: "health", Host: "web1", Message: bad, ExitCode: &code,
				Probes: []string{bad}, Logs: append(make([]string, 5000), bad), Next: bad},
		}}
}

// Run runs the contract.
func Run(t *testing.T, s Subject) {
	t.Run("statuses are classified", func(t *testing.T) { statuses(t, s) })
	t.Run("Retry-After is handed on", func(t *testing.T) { retryAfter(t, s) })
	t.Run("a redirect is not followed", func(t *testing.T) { redirect(t, s) })
	t.Run("a receiver that is down is tried again", func(t *testing.T) { down(t, s) })
	t.Run("a receiver that hangs is left at the deadline", func(t *testing.T) { hangs(t, s) })
	t.Run("an endless reply is not read to its end", func(t *testing.T) { endless(t, s) })
	t.Run("hostile text is harmless", func(t *testing.T) { hostile(t, s) })
	t.Run("a link-local address is not dialled", func(t *testing.T) { linkLocal(t, s) })
}

// message is one that every channel sends.
func message() notify.Message { return notify.Make(Hostile()) }

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// deliver sends one message within a second and checks that nothing leaks.
func deliver(t *testing.T, n notify.Notifier) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err := n.Notify(ctx, message())
	NoLeak(t, err, n)
	return err
}

// NoLeak fails the test when the canary shows in what people may see.
func NoLeak(t *testing.T, shown ...any) {
	t.Helper()
	for _, v := range shown {
		for _, text := range []string{fmt.Sprint(v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v)} {
			if strings.Contains(text, Canary) {
				t.Errorf("the secret shows: %s", text)
			}
		}
	}
}

func wantKind(t *testing.T, err error, want notify.Kind) *notify.Error {
	t.Helper()
	e, ok := errors.AsType[*notify.Error](err)
	if !ok {
		t.Fatalf("error %v is no *notify.Error", err)
	}
	if e.Kind != want {
		t.Errorf("%v is %s, want %s", err, e.Kind, want)
	}
	return e
}

func statuses(t *testing.T, s Subject) {
	for status, want := range map[int]notify.Kind{
		400: notify.Refused, 401: notify.Broken, 403: notify.Broken, 404: notify.Broken, 405: notify.Broken, 407: notify.Broken,
		408: notify.Temporary, 409: notify.Refused, 410: notify.Broken, 413: notify.Refused, 422: notify.Refused,
		425: notify.Temporary, 429: notify.Temporary, 500: notify.Temporary, 502: notify.Temporary, 503: notify.Temporary,
		504: notify.Temporary, 599: notify.Temporary, 301: notify.Broken, 302: notify.Broken, 307: notify.Broken, 308: notify.Broken,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			n := s.Open(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				write(t, w, "no, \x1b[31mno")
			}))
			err := deliver(t, n)
			wantKind(t, err, want)
			if !strings.Contains(err.Error(), fmt.Sprint(status)) || strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Errorf("error %q", err)
			}
		})
	}
	for _, status := range []int{200, 201, 202} {
		n := s.Open(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			write(t, w, s.OK)
		}))
		if err := deliver(t, n); err != nil {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func retryAfter(t *testing.T, s Subject) {
	for value, want := range map[string][2]time.Duration{
		"7": {7 * time.Second, 7 * time.Second}, "": {0, 0}, "-5": {0, 0}, "soon": {0, 0}, "999999": {time.Hour, time.Hour},
		time.Now().Add(100 * time.Second).UTC().Format(http.TimeFormat): {80 * time.Second, 100 * time.Second},
		time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat):        {0, 0},
	} {
		n := s.Open(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(http.StatusTooManyRequests)
		}))
		if e := wantKind(t, deliver(t, n), notify.Temporary); e.RetryAfter < want[0] || e.RetryAfter > want[1] {
			t.Errorf("Retry-After %q: %s, want %s to %s", value, e.RetryAfter, want[0], want[1])
		}
	}
}

func redirect(t *testing.T, s Subject) {
	var hits atomic.Int32
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	n := s.Open(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere, http.StatusTemporaryRedirect)
	}))
	wantKind(t, deliver(t, n), notify.Broken)
	if hits.Load() != 0 {
		t.Error("the redirect was followed")
	}
}

func down(t *testing.T, s Subject) {
	server := httptest.NewServer(http.NotFoundHandler())
	n := s.Open(t, server.URL)
	server.Close()
	wantKind(t, deliver(t, n), notify.Temporary)
}

func hangs(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancelCause(t.Context())
	late := errors.New("too late")
	n := s.Open(t, serve(t, func(_ http.ResponseWriter, r *http.Request) {
		read(t, r)
		cancel(late) // the deadline comes while we say nothing
		<-r.Context().Done()
	}))
	err := n.Notify(ctx, message())
	wantKind(t, err, notify.Temporary)
	if !errors.Is(err, late) {
		t.Errorf("error %v does not say why", err)
	}
	NoLeak(t, err, n)
}

func endless(t *testing.T, s Subject) {
	stopped := make(chan int64, 1)
	n := s.Open(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		read(t, r)
		w.WriteHeader(http.StatusInternalServerError)
		var sent int64
		for {
			k, err := io.WriteString(w, strings.Repeat("x", 64<<10))
			if sent += int64(k); err != nil || sent > 1<<30 {
				stopped <- sent
				return
			}
		}
	}))
	wantKind(t, deliver(t, n), notify.Temporary)
	if sent := <-stopped; sent > 64<<20 {
		t.Errorf("%d bytes of the reply were taken", sent)
	}
}

func hostile(t *testing.T, s Subject) {
	var mu sync.Mutex
	var bodies []string
	n := s.Open(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, read(t, r))
		write(t, w, s.OK)
	}))
	if err := deliver(t, n); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(bodies) == 0 {
		t.Fatal("nothing was sent")
	}
	for _, body := range bodies {
		if len(body) > 256<<10 {
			t.Errorf("a message of %d bytes", len(body))
		}
		for _, bad := range []string{"\x1b", "\x07", "\x00", "\u202e", "\u2066", "\u200f", `\u001b`, `\u0007`, `\u0000`, `\u0085`, `\u202e`, `\u2066`, `\u200f`} {
			if strings.Contains(strings.ToLower(body), bad) {
				t.Errorf("%q was sent", bad)
			}
		}
	}
}

func linkLocal(t *testing.T, s Subject) {
	for _, base := range []string{"http://169.254.169.254", "http://[fe80::1]", "http://[::ffff:169.254.169.254]", "http://0.0.0.0:1"} {
		wantKind(t, deliver(t, s.Open(t, base)), notify.Broken)
	}
}

func read(t *testing.T, r *http.Request) string {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func write(t *testing.T, w io.Writer, s string) {
	if _, err := io.WriteString(w, s); err != nil {
		t.Error(err)
	}
}
