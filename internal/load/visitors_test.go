package load_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
)

// kind is one way of asking.
type kind struct {
	name   string
	post   bool // a POST, which net/http never sends twice: its body cannot be read again
	fresh  bool // a connection per request
	slow   bool // the answer takes up to maxSlow
	number int  // of workers per site
	pace   time.Duration
}

const (
	// maxSlow is how long a slow request is under way at most.
	maxSlow = 5 * time.Second
	// requestTimeout is when a request has failed: far above maxSlow, because
	// the machine that asks is the one that answers.
	requestTimeout = 20 * time.Second
)

// kinds are 15 workers per site. New connections are paced so that this
// machine does not run out of ports.
func kinds() []kind {
	return []kind{
		{name: "GET, kept connection", number: 4, pace: 3 * time.Millisecond},
		{name: "POST, kept connection", post: true, number: 4, pace: 3 * time.Millisecond},
		{name: "GET, new connection", fresh: true, number: 2, pace: 20 * time.Millisecond},
		{name: "POST, new connection", post: true, fresh: true, number: 2, pace: 20 * time.Millisecond},
		{name: "GET, up to 5 s under way", slow: true, number: 3},
	}
}

// figures are what one kind has met. A repeated request is one that net/http
// sent again, without a word, because a kept connection broke before the
// answer: the visitor saw no error, but a connection was cut.
type figures struct {
	sent, failed, repeated int
	took                   []uint32 // µs each, without the wait that was asked for
}

// crowd is all visitors.
type crowd struct {
	mu     sync.Mutex
	seen   map[string]*figures
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// gather lets visitors ask the sites until leave.
func gather(sites []actor.Site, all []kind) *crowd {
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{cancel: cancel, seen: map[string]*figures{}}
	for _, k := range all {
		c.seen[k.name] = &figures{}
		for i, site := range sites {
			for n := range k.number {
				v := &visitor{kind: k, site: site, client: client(k.fresh), random: rand.New(rand.NewPCG(uint64(i), uint64(n)))}
				c.done.Go(func() { c.drive(ctx, v) })
			}
		}
	}
	return c
}

// leave ends the traffic and waits for its last requests.
func (c *crowd) leave() {
	c.cancel()
	c.done.Wait()
}

func (c *crowd) drive(ctx context.Context, v *visitor) {
	tick := time.NewTicker(cmp.Or(v.kind.pace, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			v.client.CloseIdleConnections()
			return
		case <-tick.C:
		}
		// Not ctx: the request under way at the end is still counted fairly.
		c.note(v, v.ask(context.WithoutCancel(ctx)))
	}
}

func (c *crowd) note(v *visitor, a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.seen[v.kind.name]
	f.sent++
	f.took = append(f.took, uint32(min(a.took.Microseconds(), 1<<32-1)))
	if a.connections > 1 {
		f.repeated++
		fmt.Fprintf(os.Stdout, "%s  REPEATED  %s  %s\n", clock(time.Now()), v.kind.name, v.site.Address)
	}
	if a.err != nil {
		f.failed++
		fmt.Fprintf(os.Stdout, "%s  FAILED  %s  %s after %s: %v\n", clock(time.Now()), v.kind.name, v.site.Address, a.took.Round(time.Millisecond), a.err)
	}
}

// count is how many requests were sent, failed and were repeated until now.
func (c *crowd) count() (sent, failed, repeated int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.seen {
		sent, failed, repeated = sent+f.sent, failed+f.failed, repeated+f.repeated
	}
	return sent, failed, repeated
}

// table is a line per kind.
func (c *crowd) table() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%-26s %9s %7s %9s %10s %10s %10s\n", "kind", "sent", "failed", "repeated", "p50", "p99", "longest")
	for _, k := range kinds() {
		f := c.seen[k.name]
		if f == nil || f.sent == 0 {
			continue
		}
		slices.Sort(f.took)
		at := func(part float64) time.Duration {
			return (time.Duration(f.took[int(part*float64(len(f.took)-1))]) * time.Microsecond).Round(10 * time.Microsecond)
		}
		fmt.Fprintf(&b, "%-26s %9d %7d %9d %10s %10s %10s\n", k.name, f.sent, f.failed, f.repeated, at(0.5), at(0.99), at(1))
	}
	return b.String()
}

// visitor asks one site in one way.
type visitor struct {
	kind   kind
	site   actor.Site
	client *http.Client
	random *rand.Rand
}

type answer struct {
	took        time.Duration
	connections int // that the one request was written to
	err         error
}

func client(fresh bool) *http.Client {
	// HTTP/1.1 in clear: what proxies and scripts speak. No proxy of the environment.
	transport := &http.Transport{DisableKeepAlives: fresh, MaxConnsPerHost: 1, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	return &http.Client{Timeout: requestTimeout, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (v *visitor) ask(ctx context.Context) answer {
	var a answer
	trace := &httptrace.ClientTrace{WroteHeaders: func() { a.connections++ }}
	req, words, wait, err := v.request(httptrace.WithClientTrace(ctx, trace))
	if err != nil {
		return answer{err: err}
	}
	begin := time.Now()
	got, err := fetch(v.client, req)
	a.took, a.err = max(0, time.Since(begin)-wait), err
	if err == nil && !strings.HasPrefix(got, words) {
		a.err = fmt.Errorf("it answered %.60q, not %.60q", got, words)
	}
	return a
}

// request is the next one, with the words that its answer must begin with and
// the time that it asks the answer to take.
func (v *visitor) request(ctx context.Context) (req *http.Request, words string, wait time.Duration, err error) {
	switch {
	case v.kind.post:
		words = strings.Repeat(strconv.Itoa(v.random.IntN(1000)), 100+v.random.IntN(1000))
		req, err = http.NewRequestWithContext(ctx, http.MethodPost, v.site.Address+"/echo", bytes.NewReader([]byte(words)))
		if err == nil {
			req.GetBody = nil // so that it cannot be sent twice
		}
	case v.kind.slow:
		words, wait = "done ", time.Duration(v.random.Int64N(int64(maxSlow)))
		req, err = http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/slow?ms=%d", v.site.Address, wait.Milliseconds()), nil)
	default:
		req, err = http.NewRequestWithContext(ctx, http.MethodGet, v.site.Address+"/version", nil)
	}
	if err == nil {
		req.Host = v.site.Host
	}
	return req, words, wait, err
}

func fetch(client *http.Client, req *http.Request) (string, error) {
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", errors.New(resp.Status)
	}
	return string(body), nil
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }
