package router

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fairlead-deploy/fairlead/proxy/control"
	"github.com/fairlead-deploy/fairlead/proxy/state"
)

// version is a target that is killed, connections and all, right after it was replaced.
func version(tb testing.TB, n int) (address string, kill func()) {
	tb.Helper()
	var conns sync.Map
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		_, _ = fmt.Fprintf(w, "%d %d", n, len(body))
	}))
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Store(c, nil)
		}
	}
	s.Start()
	return s.Listener.Addr().String(), func() {
		_ = s.Listener.Close()
		conns.Range(func(c, _ any) bool {
			_ = c.(net.Conn).(*net.TCPConn).SetLinger(0) // a reset, as of a killed process
			_ = c.(net.Conn).Close()
			return true
		})
	}
}

// loader sends GETs and POSTs over kept connections until ctx ends, and reports the first failures.
func loader(ctx context.Context, url string, requests *atomic.Int64, failures chan<- string) {
	transport := &http.Transport{MaxIdleConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	for i := 0; ctx.Err() == nil; i++ {
		method, body := http.MethodGet, io.Reader(nil)
		size := 0
		switch i % 3 {
		case 1:
			method, size = http.MethodPost, 10_000
			body = strings.NewReader(strings.Repeat("x", size))
		case 2:
			method, size = http.MethodPost, 3000
			body = struct{ io.Reader }{strings.NewReader(strings.Repeat("x", size))} // chunked
		}
		req, _ := http.NewRequest(method, url, body)
		resp, err := transport.RoundTrip(req)
		requests.Add(1)
		if err != nil {
			report(failures, err.Error())
			continue
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		var n, got int
		if _, scan := fmt.Sscanf(string(text), "%d %d", &n, &got); err != nil || scan != nil || got != size || resp.StatusCode != 200 {
			report(failures, fmt.Sprintf("%s of %d bytes: %s %q %v", method, size, resp.Status, text, err))
		}
	}
}

func report(failures chan<- string, text string) {
	select {
	case failures <- text:
	default:
	}
}

func TestNoRequestFailsWhileTargetsAreReplacedAndKilledUnderLoad(t *testing.T) {
	const swaps = 100
	r := newRig(t)
	r.config.Access = nil
	address, kill := version(t, 0)
	r.must("shop", []string{address})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var requests atomic.Int64
	failures := make(chan string, 10)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { loader(ctx, r.url, &requests, failures) })
	}
	for n := range swaps {
		// Let some requests pass through each version, or nothing would be shown.
		for before := requests.Load(); requests.Load() < before+50 && len(failures) == 0; {
			runtime.Gosched()
		}
		next, killNext := version(t, n+1)
		if result := r.must("shop", []string{next}); result.Cut != 0 {
			t.Errorf("cut: %+v", result)
		}
		kill()
		kill = killNext
	}
	cancel()
	wg.Wait()
	kill()
	close(failures)
	for f := range failures {
		t.Error(f)
	}
	t.Logf("%d requests over %d swaps", requests.Load(), swaps)
}

// BenchmarkSwap measures a whole deploy of a healthy target: probe, save with fsync, switch, drain.
func BenchmarkSwap(b *testing.B) {
	r := newBenchRig(b)
	var targets [2]string
	for i := range targets {
		address, kill := version(b, i)
		b.Cleanup(kill)
		targets[i] = address
	}
	for i := 0; b.Loop(); i++ {
		if _, err := r.Deploy(b.Context(), control.NewDeployRequest("shop", targets[i%2])); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRequest measures one small GET through the proxy over kept connections.
func BenchmarkRequest(b *testing.B) {
	r := newBenchRig(b)
	address, kill := version(b, 0)
	b.Cleanup(kill)
	if _, err := r.Deploy(b.Context(), control.NewDeployRequest("shop", address)); err != nil {
		b.Fatal(err)
	}
	front := httptest.NewServer(r)
	b.Cleanup(front.Close)
	for b.Loop() {
		resp, err := front.Client().Get(front.URL)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}

func newBenchRig(b *testing.B) *Router {
	b.Helper()
	return New(Config{Store: state.File{Path: filepath.Join(b.TempDir(), "state.json")}, Log: slog.New(slog.DiscardHandler)})
}
