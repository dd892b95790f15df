// Package health asks targets whether they can serve, until they can or time is up. It knows no
// route: it is given addresses and answers with an error that tells what it saw.
package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// maxBody is read of an answer before its connection is given up, in bytes.
	maxBody = 64 << 10
	// firstRetry follows a probe that found nobody listening: such a probe costs the target nothing,
	// and a container that starts in 100 ms need not wait for a whole interval.
	firstRetry = 10 * time.Millisecond
	// maxKinds bounds how many different answers are told apart.
	maxKinds = 8
)

// Check is how to ask.
type Check struct {
	Path     string        // "/up"
	Port     int           // 0: the target's
	Host     string        // Host header; empty: the target
	Interval time.Duration // between two probes
	Timeout  time.Duration // of one probe
}

// Error says that a target did not become healthy. It unwraps to the cause of the context.
type Error struct {
	Target  string        // host:port
	After   time.Duration // how long it was asked
	Answers string        // "connection refused (12x), 503 (3x)", in order of first appearance
	Cause   error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("target %s not healthy after %s: %s", e.Target, e.After.Round(100*time.Millisecond), e.Answers)
	if e.Cause != nil && !errors.Is(e.Cause, context.DeadlineExceeded) {
		text += "; " + e.Cause.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Cause }

// Wait asks all targets at once and returns nil when each has answered 2xx. When ctx ends, or one
// target cannot become healthy, the error joins an *Error per target that was not. ctx must have a
// deadline.
func Wait(ctx context.Context, check Check, targets []string) error {
	transport := &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: check.Timeout}
	defer transport.CloseIdleConnections()
	failures := make([]error, len(targets))
	var wg sync.WaitGroup
	for i, target := range targets {
		wg.Go(func() { failures[i] = wait(ctx, prober{check, target, transport}) })
	}
	wg.Wait()
	return errors.Join(failures...)
}

func wait(ctx context.Context, p prober) error {
	start := time.Now()
	var seen tally
	retry := firstRetry
	for {
		answer, absent := p.probe(ctx)
		if answer == "" {
			return nil
		}
		if ctx.Err() == nil || len(seen.kinds) == 0 {
			seen.add(answer) // a probe that the deadline cut short tells nothing new
		}
		pause := max(p.check.Interval, time.Millisecond)
		if absent {
			pause = min(pause, retry)
			retry *= 2
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return &Error{Target: p.target, After: time.Since(start), Answers: seen.String(), Cause: context.Cause(ctx)}
		}
	}
}

type prober struct {
	check     Check
	target    string
	transport *http.Transport
}

// probe returns "" when the target is healthy, else what it answered; absent: nobody listened.
func (p prober) probe(ctx context.Context) (answer string, absent bool) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.check.Timeout, errTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address()+"/"+strings.TrimPrefix(p.check.Path, "/"), nil)
	if err != nil {
		return err.Error(), false
	}
	req.Header.Set("User-Agent", "kamal-proxy")
	if p.check.Host != "" {
		req.Host = p.check.Host
	}
	// RoundTrip, not a client: a redirect is an answer that is not 2xx, never followed.
	resp, err := p.transport.RoundTrip(req)
	if err != nil {
		return describe(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody)); err != nil {
		return describe(ctx, err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return "", false
	}
	answer = strconv.Itoa(resp.StatusCode)
	if location := resp.Header.Get("Location"); location != "" {
		answer += " to " + shorten(location)
	}
	return answer, false
}

func (p prober) address() string {
	if p.check.Port == 0 {
		return p.target
	}
	host, _, err := net.SplitHostPort(p.target)
	if err != nil {
		host = p.target
	}
	return net.JoinHostPort(host, strconv.Itoa(p.check.Port))
}

var errTimeout = errors.New("timeout")

func describe(ctx context.Context, err error) (answer string, absent bool) {
	if refused(err) {
		return "connection refused", true
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return "no such host", true
	}
	if timeout, ok := errors.AsType[net.Error](err); errors.Is(context.Cause(ctx), errTimeout) || ok && timeout.Timeout() {
		return "timeout", false
	}
	for _, known := range []struct {
		err  error
		text string
	}{
		{syscall.ECONNRESET, "connection reset"},
		{syscall.EHOSTUNREACH, "no route to host"},
		{syscall.ENETUNREACH, "network unreachable"},
		{io.ErrUnexpectedEOF, "connection closed"},
		{io.EOF, "connection closed"},
	} {
		if errors.Is(err, known.err) {
			return known.text, false
		}
	}
	return shorten(err.Error()), false
}

func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

func shorten(s string) string {
	const limit = 120
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\n", " "), "?")
	if len(s) > limit {
		return strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}

// tally counts answers by kind, in order of first appearance.
type tally struct {
	kinds  []string
	counts map[string]int
}

func (t *tally) add(kind string) {
	if t.counts == nil {
		t.counts = map[string]int{}
	}
	if t.counts[kind] == 0 {
		if len(t.kinds) == maxKinds {
			kind = "others"
		}
		if t.counts[kind] == 0 {
			t.kinds = append(t.kinds, kind)
		}
	}
	t.counts[kind]++
}

func (t *tally) String() string {
	var parts []string
	for _, kind := range t.kinds {
		parts = append(parts, fmt.Sprintf("%s (%dx)", kind, t.counts[kind]))
	}
	if len(parts) == 0 {
		return "no answer"
	}
	return strings.Join(parts, ", ")
}
