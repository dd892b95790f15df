package outbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify/outbox"
	"github.com/fairlead-deploy/fairlead/notify/webhook"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// These make the test binary the daemon that is killed.
const (
	daemonEnv = "FAIRLEAD_OUTBOX_TEST_DIR"
	hookEnv   = "FAIRLEAD_OUTBOX_TEST_HOOK"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(daemonEnv); dir != "" {
		if err := sendForever(dir, os.Getenv(hookEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func sendForever(dir, url string) error {
	ctx := context.Background()
	s, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return err
	}
	hook, err := webhook.New(webhook.Config{URL: secret.New(url)})
	if err != nil {
		return err
	}
	o, err := outbox.New(ctx, s, s, []outbox.Channel{{Name: "ops", Notifier: hook}}, outbox.Options{})
	if err != nil {
		return err
	}
	return o.Run(ctx)
}

// hook is a receiver that remembers the order in which it first saw events.
type hook struct {
	mu     sync.Mutex
	seen   map[string]int // deliveries by id
	order  map[string][]int64
	landed chan struct{}
}

func (h *hook) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var event struct {
		ID   string
		Data struct{ Event release.Event }
	}
	if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen[event.ID]++; h.seen[event.ID] == 1 {
		lane := event.Data.Event.Lane.String()
		h.order[lane] = append(h.order[lane], event.Data.Event.Seq)
	}
	select {
	case h.landed <- struct{}{}:
	default:
	}
}

func (h *hook) different() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.seen)
}

func TestEveryEventArrivesThoughTheDaemonIsKilledAgainAndAgain(t *testing.T) {
	const events = 90
	h := &hook{seen: map[string]int{}, order: map[string][]int64{}, landed: make(chan struct{}, 1)}
	server := httptest.NewServer(h)
	defer server.Close()
	dir := t.TempDir()
	queueEvents(t, dir, events)
	kills := 0
	for ; h.different() < events; kills++ {
		if kills > 2*events {
			t.Fatalf("%d of %d events after %d kills", h.different(), events, kills)
		}
		killDaemon(t, dir, server.URL, h)
	}
	if kills < 5 {
		t.Errorf("only %d kills prove little", kills)
	}
	server.Close() // waits for what is being received
	repeats := 0
	for _, n := range h.seen {
		repeats += n - 1
	}
	if repeats > kills {
		t.Errorf("%d repeats, but only %d kills could have cost a reply", repeats, kills)
	}
	for lane, seqs := range h.order {
		for i := 1; i < len(seqs); i++ {
			if seqs[i] < seqs[i-1] {
				t.Errorf("%s: event %d came after %d", lane, seqs[i], seqs[i-1])
			}
		}
	}
	t.Logf("%d events, %d kills, %d repeats", events, kills, repeats)
}

func queueEvents(t *testing.T, dir string, n int) {
	t.Helper()
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := s.Join(t.Context(), "ops"); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		end(t, s, fmt.Sprint("service", i%3), fmt.Sprint("r", i), release.Succeeded)
	}
}

// killDaemon starts the daemon and kills it soon after a message landed.
func killDaemon(t *testing.T, dir, url string, h *hook) {
	t.Helper()
	select {
	case <-h.landed:
	default:
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), daemonEnv+"="+dir, hookEnv+"="+url)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-h.landed:
	case <-time.After(20 * time.Second):
	}
	<-time.After(time.Duration(rand.IntN(4000)) * time.Microsecond)
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil || stderr.Len() > 0 {
		t.Fatalf("the daemon ended by itself: %v %s", err, stderr.String())
	}
}
