package heartbeat_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify/heartbeat"
	"github.com/fairlead-deploy/fairlead/notify/notifytest"
)

// state is a switch for the test and a dead man's switch for the daemon.
type state struct {
	mu      sync.Mutex
	healthy bool
	asked   int
	pings   int
	status  int
	changed chan struct{}
}

func (s *state) health() (bool, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	s.tell()
	return s.healthy, "shop was not looked at for 9 minutes"
}

func (s *state) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pings++
	w.WriteHeader(s.status)
	s.tell()
}

func (s *state) tell() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *state) set(healthy bool, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.healthy, s.status, s.asked, s.pings = healthy, status, 0, 0
}

// until waits for a condition on the state.
func (s *state) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		done := ok()
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-s.changed:
		case <-limit:
			t.Fatalf("never: %s", what)
		}
	}
}

func TestTheHeartbeatPingsOnlyWhileHealthy(t *testing.T) {
	s := &state{healthy: true, status: 200, changed: make(chan struct{}, 1)}
	server := httptest.NewServer(s)
	defer server.Close()
	var logs bytes.Buffer
	h, err := heartbeat.New(heartbeat.Config{URL: secret.New(server.URL + "/" + notifytest.Canary), Every: time.Second, Healthy: s.health,
		Log: slog.New(slog.NewTextHandler(&logs, nil))})
	if err != nil {
		t.Fatal(err)
	}
	notifytest.NoLeak(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- h.Run(ctx) }()
	s.until(t, "a ping", func() bool { return s.pings >= 1 })
	s.set(false, 200)
	s.until(t, "two looks", func() bool { return s.asked >= 2 })
	s.mu.Lock()
	if s.pings > 0 {
		t.Error("it pinged while unhealthy")
	}
	s.mu.Unlock()
	s.set(true, 404)
	s.until(t, "a ping again", func() bool { return s.pings >= 1 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := strings.Count(logs.String(), "heartbeat stopped"); n != 1 || !strings.Contains(logs.String(), "not looked at") {
		t.Errorf("logged %d times: %s", n, logs.String())
	}
	notifytest.NoLeak(t, logs.String())
}

func TestAWrongConfigurationIsRefused(t *testing.T) {
	ok := func() (bool, string) { return true, "" }
	for _, cfg := range []heartbeat.Config{
		{URL: secret.New(notifytest.Canary), Every: time.Minute, Healthy: ok},
		{URL: secret.New("https://x/"), Every: time.Millisecond, Healthy: ok},
		{URL: secret.New("https://x/"), Every: time.Minute},
	} {
		_, err := heartbeat.New(cfg)
		if err == nil {
			t.Error("taken")
		}
		notifytest.NoLeak(t, err)
	}
}
