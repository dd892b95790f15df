package health

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func check() Check {
	return Check{Path: "/up", Interval: 5 * time.Millisecond, Timeout: 50 * time.Millisecond}
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func ask(t *testing.T, limit time.Duration, c Check, targets ...string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return Wait(ctx, c, targets)
}

func TestATargetIsHealthyOnItsFirst2xx(t *testing.T) {
	var probes atomic.Int32
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if probes.Add(1) < 3 || r.URL.Path != "/status" || r.Host != "app.example.com" || r.Method != http.MethodGet {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	c := check()
	c.Path, c.Host = "status", "app.example.com"
	if err := ask(t, 10*time.Second, c, target); err != nil || probes.Load() != 3 {
		t.Errorf("%v after %d probes", err, probes.Load())
	}
}

func TestTheErrorNamesEveryDistinctAnswer(t *testing.T) {
	var n atomic.Int32
	hang := make(chan struct{})
	defer close(hang)
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) {
		case 1, 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			http.Redirect(w, r, "/login", http.StatusFound)
		case 4:
			panic(http.ErrAbortHandler)
		case 5:
			<-hang
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	})
	err := ask(t, 500*time.Millisecond, check(), target)
	got, ok := errors.AsType[*Error](err)
	if !ok || got.Target != target || !errors.Is(err, context.DeadlineExceeded) ||
		!strings.HasPrefix(got.Answers, "503 (2x), 302 to /login (1x), connection closed (1x), timeout (1x), 418 (") {
		t.Errorf("got %v", err)
	}
	if !strings.HasPrefix(err.Error(), "target "+target+" not healthy after 500ms: 503 (2x)") {
		t.Errorf("got %v", err)
	}
}

// late is a target that refuses its first connections, in a bubble's memory.
func late(refusals int) (dial func(context.Context, string, string) (net.Conn, error), attempts *int) {
	attempts = new(int)
	return func(context.Context, string, string) (net.Conn, error) {
		if *attempts++; *attempts <= refusals {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}
		near, far := net.Pipe()
		go func() {
			defer func() { _ = far.Close() }()
			if _, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
				_, _ = io.WriteString(far, "HTTP/1.1 204 No Content\r\n\r\n")
			}
		}()
		return near, nil
	}, attempts
}

func TestATargetThatStartsLateIsSeenSoonNotAfterAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		dial, attempts := late(3)
		c := check()
		c.Interval = time.Hour
		start := time.Now()
		err := wait(ctx, prober{c, "app:80", &http.Transport{DialContext: dial, DisableKeepAlives: true}})
		if took := time.Since(start); err != nil || *attempts != 4 || took != 70*time.Millisecond {
			t.Errorf("%v after %d attempts and %s; want pauses of 10, 20 and 40 ms", err, *attempts, took)
		}
	})
}

func TestNobodyListeningIsSaid(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := ask(t, 50*time.Millisecond, check(), l.Addr().String()); err == nil || !strings.Contains(err.Error(), "connection refused (") {
		t.Errorf("got %v", err)
	}
}

func TestAllTargetsMustBeHealthy(t *testing.T) {
	good := serve(t, func(http.ResponseWriter, *http.Request) {})
	bad := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	err := ask(t, 50*time.Millisecond, check(), good, bad)
	if err == nil || strings.Contains(err.Error(), good) || !strings.Contains(err.Error(), bad) {
		t.Errorf("got %v", err)
	}
}

func TestAnEndlessBodyIsNotReadToItsEnd(t *testing.T) {
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("x", 1000)); err != nil {
				return
			}
		}
	})
	if err := ask(t, 10*time.Second, check(), target); err != nil {
		t.Error(err)
	}
}

func TestAnotherPortCanBeAsked(t *testing.T) {
	target := serve(t, func(http.ResponseWriter, *http.Request) {})
	c := check()
	c.Port = listenerPort(t, target)
	if err := ask(t, 10*time.Second, c, "127.0.0.1:1"); err != nil {
		t.Error(err)
	}
}

func listenerPort(t *testing.T, address string) int {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return a.Port
}
