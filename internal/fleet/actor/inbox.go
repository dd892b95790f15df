package actor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify/webhook"
	"github.com/fairlead-deploy/fairlead/release"
)

// Inbox receives the daemon's signed webhook and keeps what it says.
type Inbox struct {
	// URL is where it listens, on this machine.
	URL string

	secret secret.Value
	server *http.Server

	mu     sync.Mutex
	events []release.Event
	whole  []byte // of all messages, with their headers
	bad    error
	news   chan struct{} // closed and replaced when something came
}

// OpenInbox listens for messages that are signed with key.
func OpenInbox(key string) (*Inbox, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the webhook: %w", err)
	}
	return ServeInbox(l, key), nil
}

// ServeInbox is OpenInbox at an address of the caller's choice.
func ServeInbox(l net.Listener, key string) *Inbox {
	in := &Inbox{URL: "http://" + l.Addr().String() + "/hook", secret: secret.New(key), news: make(chan struct{})}
	in.server = &http.Server{Handler: in, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = in.server.Serve(l) }() // ends with Close
	return in
}

// ServeHTTP takes one message. What is not signed as it should be is an error
// of every later Await.
func (in *Inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err == nil {
		err = webhook.Verify(in.secret, r.Header, body, time.Now())
	}
	var envelope struct {
		Data struct {
			Event release.Event `json:"event"`
		} `json:"data"`
	}
	if err == nil {
		err = json.Unmarshal(body, &envelope)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.whole = fmt.Append(in.whole, r.Header, "\n", string(body), "\n")
	if err != nil {
		in.bad = fmt.Errorf("the webhook was not as promised: %w", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	in.events = append(in.events, envelope.Data.Event)
	close(in.news)
	in.news = make(chan struct{})
}

// Await waits for an event about a commit that has one of the statuses.
func (in *Inbox) Await(ctx context.Context, sha string, any ...release.Status) (release.Event, error) {
	ev, err := in.AwaitEvent(ctx, func(ev release.Event) bool {
		return ev.Release != nil && ev.Release.Revision.SHA == sha && slices.Contains(any, ev.Release.Status)
	})
	if err != nil {
		return ev, fmt.Errorf("no message that %.7s is %v: %w", sha, any, err)
	}
	return ev, nil
}

// AwaitEvent waits for the first event that is as wanted, or returns the one
// that came long ago.
func (in *Inbox) AwaitEvent(ctx context.Context, wanted func(release.Event) bool) (release.Event, error) {
	for {
		in.mu.Lock()
		seen, news, bad := in.events, in.news, in.bad
		in.mu.Unlock()
		if bad != nil {
			return release.Event{}, bad
		}
		if i := slices.IndexFunc(seen, wanted); i >= 0 {
			return seen[i], nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return release.Event{}, context.Cause(ctx)
		}
	}
}

// Events are all that came, oldest first.
func (in *Inbox) Events() []release.Event {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.events)
}

// Whole is all that came, with its headers, one message after the other.
func (in *Inbox) Whole() []byte {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.whole)
}

// Err is not nil when a message was not as promised.
func (in *Inbox) Err() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.bad
}

// Close stops listening.
func (in *Inbox) Close() error {
	err := in.server.Close()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
