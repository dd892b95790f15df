package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
)

// visitEvery is how often each host is asked, and so how exactly the moment of
// a switch is seen.
const visitEvery = 20 * time.Millisecond

// visitors ask each host of a service for its version without a pause, over a
// new connection each time. They count what fails and note when each version
// first answered.
type visitors struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	sent   int
	failed int
	first  error
	seen   map[string]map[string]time.Time // by version, by address
	news   chan struct{}                   // closed and replaced with each new version somewhere
}

func visit(sites []actor.Site) *visitors {
	ctx, cancel := context.WithCancel(context.Background())
	v := &visitors{cancel: cancel, seen: map[string]map[string]time.Time{}, news: make(chan struct{})}
	for _, site := range sites {
		v.done.Go(func() { v.drive(ctx, site) })
	}
	return v
}

func (v *visitors) drive(ctx context.Context, site actor.Site) {
	client := actor.NewClient()
	tick := time.NewTicker(visitEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		version, err := actor.Get(context.WithoutCancel(ctx), client, site, "/version")
		v.note(site.Address, version, err)
	}
}

func (v *visitors) note(address, version string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sent++
	if err != nil {
		v.failed++
		if v.first == nil {
			v.first = err
		}
		return
	}
	if v.seen[version] == nil {
		v.seen[version] = map[string]time.Time{}
	}
	if _, ok := v.seen[version][address]; !ok {
		v.seen[version][address] = time.Now()
		close(v.news)
		v.news = make(chan struct{})
	}
}

// everywhere waits until the version answered on n hosts and returns when the
// last of them began to.
func (v *visitors) everywhere(ctx context.Context, version string, n int) (time.Time, error) {
	for {
		v.mu.Lock()
		seen, news, last := len(v.seen[version]), v.news, time.Time{}
		for _, at := range v.seen[version] {
			if at.After(last) {
				last = at
			}
		}
		v.mu.Unlock()
		if seen >= n {
			return last, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return last, fmt.Errorf("%s answered on %d of %d hosts: %w", version, seen, n, context.Cause(ctx))
		}
	}
}

// stop ends the visits and tells what they met.
func (v *visitors) stop() (sent, failed int, first error) {
	v.cancel()
	v.done.Wait()
	return v.sent, v.failed, v.first
}
