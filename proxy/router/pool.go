package router

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

const (
	dialTimeout = 5 * time.Second
	// idleTimeout of connections to targets is below the shortest keep-alive of common application
	// servers (5 s in Node.js and Uvicorn), so that a connection is not used in the moment in which
	// the target closes it: such a request would have to be replayed or failed.
	idleTimeout = 4 * time.Second
	// maxIdle connections are kept per target.
	maxIdle = 256
	// cutGrace is how long a cancelled request may take to end.
	cutGrace = 5 * time.Second
)

// errCut cancels a request whose target was drained for as long as was allowed.
var errCut = errors.New("the target was replaced and its drain timeout passed")

// pool is targets that serve alike, and the requests at them.
type pool struct {
	targets   []string // host:port
	timeout   time.Duration
	transport *http.Transport
	turn      atomic.Uint64
	flights   flights
	counts    map[string]*counter // by target; the map never changes
}

// counter is what became of the requests that a target was sent.
type counter struct{ requests, errors atomic.Uint64 }

func newPool(targets []string, timeout time.Duration) *pool {
	dialer := net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	counts := make(map[string]*counter, len(targets))
	for _, target := range targets {
		counts[target] = &counter{}
	}
	return &pool{
		targets: targets,
		timeout: timeout,
		counts:  counts,
		transport: &http.Transport{
			DialContext:           dialer.DialContext,
			DisableCompression:    true, // bodies pass as they are
			IdleConnTimeout:       idleTimeout,
			MaxIdleConnsPerHost:   maxIdle,
			ResponseHeaderTimeout: timeout,
			ExpectContinueTimeout: time.Second,
		},
	}
}

// serves says whether p can go on for these targets.
func (p *pool) serves(targets []string, timeout time.Duration) bool {
	return p != nil && slices.Equal(p.targets, targets) && p.timeout == timeout
}

// order yields every target once, beginning with the one whose turn it is.
func (p *pool) order(yield func(string) bool) {
	n := uint64(len(p.targets))
	first := p.turn.Add(1)
	for i := range n {
		if !yield(p.targets[(first+i)%n]) {
			return
		}
	}
}

// count notes how a request ended that was sent to a target; "" is none.
func (p *pool) count(target string, status int) {
	c := p.counts[target]
	if c == nil {
		return
	}
	if status >= http.StatusInternalServerError {
		c.errors.Add(1)
	}
	c.requests.Add(1)
}

// traffic tells what was counted, target by target.
func (p *pool) traffic() []control.Traffic {
	var list []control.Traffic
	for _, target := range p.targets {
		c := p.counts[target]
		requests := c.requests.Load() // first: there are never more errors than requests
		list = append(list, control.Traffic{Target: target, Requests: requests, Errors: min(c.errors.Load(), requests)})
	}
	return list
}

// flights counts requests and upgraded connections, and can end them.
type flights struct {
	mu     sync.Mutex
	active map[*flight]struct{}
}

type flight struct {
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// begin counts one in; end must be called. The context ends when the flight is cut.
func (f *flights) begin(ctx context.Context) (flying context.Context, end func()) {
	flying, cancel := context.WithCancelCause(ctx)
	one := &flight{cancel, make(chan struct{})}
	f.mu.Lock()
	if f.active == nil {
		f.active = map[*flight]struct{}{}
	}
	f.active[one] = struct{}{}
	f.mu.Unlock()
	return flying, func() {
		f.mu.Lock()
		delete(f.active, one)
		f.mu.Unlock()
		close(one.done)
		cancel(nil)
	}
}

func (f *flights) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.active)
}

// drain waits until all that are counted in now have ended, at most for limit; then it cuts the rest
// and waits for them to end, at most for cutGrace.
func (f *flights) drain(ctx context.Context, limit time.Duration) (drained, cut int) {
	f.mu.Lock()
	var now []*flight
	for one := range f.active {
		now = append(now, one)
	}
	f.mu.Unlock()
	late := outlast(ctx, now, limit)
	for _, one := range late {
		one.cancel(errCut)
	}
	outlast(ctx, late, cutGrace)
	return len(now) - len(late), len(late)
}

// outlast waits for flights to end and returns those that had not when limit passed or ctx ended.
func outlast(ctx context.Context, all []*flight, limit time.Duration) (late []*flight) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, one := range all {
		select {
		case <-one.done:
			continue
		default:
		}
		select {
		case <-one.done:
		case <-ctx.Done():
			late = append(late, one)
		}
	}
	return late
}
