package outbox_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify/outbox"
	"github.com/fairlead-deploy/fairlead/notify/webhook"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), dir, store.Options{})
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

// start runs the outbox until the returned function is called or the test ends.
func start(t *testing.T, s *store.Store, channels ...outbox.Channel) (stop func()) {
	t.Helper()
	o, err := outbox.New(t.Context(), s, s, channels, outbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := o.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func TestASignedWebhookLeavesTheOutbox(t *testing.T) {
	key := secret.New("whsec_" + "c2VjcmV0IGtleSBvZiB0aGUgdGVzdA==")
	type received struct {
		header http.Header
		body   []byte
	}
	got := make(chan received, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- received{r.Header, body}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	hook, err := webhook.New(webhook.Config{URL: secret.New(server.URL + "/hook"), Secret: key})
	if err != nil {
		t.Fatal(err)
	}
	s := openStore(t, t.TempDir())
	start(t, s, outbox.Channel{Name: "ops", Notifier: hook})

	r := release.Release{ID: "r1", Lane: release.Lane{Service: "shop"}, Status: release.Failed,
		Failure: &release.Failure{Class: release.Verdict, Step: "health", Host: "web1", Message: "unhealthy", Logs: []string{"a\x1b[31mb\u202e"}}}
	if _, err := s.Save(t.Context(), r, release.Event{}); err != nil {
		t.Fatal(err)
	}
	m := <-got
	if err := webhook.Verify(key, m.header, m.body, time.Now()); err != nil {
		t.Error(err)
	}
	var event struct {
		Type, Subject, ID string
		Data              struct{ Event release.Event }
	}
	if err := json.Unmarshal(m.body, &event); err != nil {
		t.Fatal(err)
	}
	if event.Type != "io.github.fairlead-deploy.release.failed" || event.Subject != "shop" || event.ID != m.header.Get("webhook-id") {
		t.Errorf("event %+v", event)
	}
	if logs := event.Data.Event.Release.Failure.Logs; len(logs) != 1 || logs[0] != "ab" {
		t.Errorf("logs %q", logs)
	}
}
