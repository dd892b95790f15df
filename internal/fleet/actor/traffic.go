package actor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Traffic asks several sites without a pause, each in three ways, and counts. A
// request fails when it has no answer within requestTimeout, or one that is
// not as it should be.
type Traffic struct {
	mu     sync.Mutex
	seen   Tally
	cancel context.CancelFunc
	done   sync.WaitGroup
}

const (
	requestTimeout = 5 * time.Second
	requestEvery   = 20 * time.Millisecond
)

// Site is where a request goes: an address, "http://IP", and the Host header,
// empty for the address's own.
type Site struct{ Address, Host string }

// Tally is what the traffic has met so far.
type Tally struct {
	Sent, Failed int
	First        error // the first failure
}

func (t Tally) String() string { return fmt.Sprintf("%d of %d requests failed", t.Failed, t.Sent) }

// StartTraffic runs until Stop. Of each site it asks for /version over a
// connection per request, and over a kept one, and posts to /echo over a kept
// one.
func StartTraffic(sites []Site) *Traffic {
	ctx, cancel := context.WithCancel(context.Background())
	t := &Traffic{cancel: cancel}
	for _, site := range sites {
		fresh, kept, posting := NewClient(), keptClient(), keptClient()
		t.done.Go(func() {
			t.drive(ctx, func(ctx context.Context) error { _, err := Get(ctx, fresh, site, "/version"); return err })
		})
		t.done.Go(func() {
			t.drive(ctx, func(ctx context.Context) error { _, err := Get(ctx, kept, site, "/version"); return err })
		})
		t.done.Go(func() { t.drive(ctx, func(ctx context.Context) error { return post(ctx, posting, site) }) })
	}
	return t
}

func (t *Traffic) drive(ctx context.Context, ask func(context.Context) error) {
	tick := time.NewTicker(requestEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// Not ctx: the request under way at the end is still counted fairly.
		t.note(ask(context.WithoutCancel(ctx)))
	}
}

func (t *Traffic) note(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen.Sent++
	if err == nil {
		return
	}
	t.seen.Failed++
	if t.seen.First == nil {
		t.seen.First = err
	}
}

// Count is what was seen until now.
func (t *Traffic) Count() Tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen
}

// Stop ends the traffic and waits for its last requests.
func (t *Traffic) Stop() {
	t.cancel()
	t.done.Wait()
}

// NewClient makes a connection per request. It uses no proxy that the
// environment names: the servers are here.
func NewClient() *http.Client {
	return &http.Client{Timeout: requestTimeout, Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: stay}
}

// keptClient keeps one connection per site. On it net/http repeats a GET whose
// connection broke before the answer, as browsers do, but no POST of ours.
func keptClient() *http.Client {
	return &http.Client{Timeout: requestTimeout, Transport: &http.Transport{MaxConnsPerHost: 1}, CheckRedirect: stay}
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Get asks for a path and returns the body of a 200, without space around it.
func Get(ctx context.Context, client *http.Client, site Site, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, site.Address+path, nil)
	if err != nil {
		return "", err
	}
	return do(client, req, site)
}

func post(ctx context.Context, client *http.Client, site Site) error {
	const words = "are you still there?"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, site.Address+"/echo", bytes.NewReader([]byte(words)))
	if err != nil {
		return err
	}
	req.GetBody = nil // so that it cannot be sent twice
	got, err := do(client, req, site)
	if err == nil && got != words {
		err = fmt.Errorf("POST %s/echo answered %q", site.Address, got)
	}
	return err
}

func do(client *http.Client, req *http.Request, site Site) (string, error) {
	req.Host = site.Host
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", errors.New(req.Method + " " + req.URL.String() + " answered " + resp.Status)
	}
	return strings.TrimSpace(string(body)), nil
}
