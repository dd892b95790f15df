package socket

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify/slack/slacktest"
)

// world is a Slack and a client on a network in memory, so that time can be
// virtual.
type world struct {
	t      *testing.T
	slack  *slacktest.Server
	client *Client
	server *http.Server
	net    *pipes

	mu      sync.Mutex
	handled []string
	told    []string // "" for a connection that stands
	hold    chan struct{}
	stop    context.CancelFunc
	done    chan struct{}
}

// pipes is the network.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	frozen atomic.Bool // nothing arrives any more, and nobody is told
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return &pipe{Conn: ours, net: p, born: p.frozen.Load()}, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// pipe is our end of a connection. One that was there when the network froze
// stays dead.
type pipe struct {
	net.Conn
	net  *pipes
	born bool
}

func (p *pipe) Write(data []byte) (int, error) {
	if p.net.frozen.Load() && !p.born {
		return len(data), nil
	}
	return p.Conn.Write(data)
}

func begin(t *testing.T) *world {
	w := &world{t: t, slack: slacktest.New(), net: &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}, done: make(chan struct{})}
	w.slack.Base = "http://slack.test"
	w.server = &http.Server{Handler: w.slack}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = w.server.Serve(w.net) // ends with the test
	}()
	var err error
	w.client, err = New(Config{Token: secret.New(slacktest.AppToken), BaseURL: w.slack.Base, Handle: w.handle, Tell: w.tell})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: w.net.dial, IdleConnTimeout: 30 * time.Second} // as of post.New
	w.client.http.Transport = transport
	ctx, cancel := context.WithCancel(t.Context())
	w.stop = cancel
	t.Cleanup(func() {
		cancel()
		w.slack.Cut()
		close(w.net.closed)
		if err := w.server.Close(); err != nil {
			t.Error(err)
		}
		<-served
		transport.CloseIdleConnections()
	})
	go func() {
		defer close(w.done)
		if err := w.client.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-w.done })
	return w
}

func (w *world) handle(_ context.Context, payload json.RawMessage) {
	var p struct {
		User struct{ ID string }
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	hold := w.hold
	w.handled = append(w.handled, p.User.ID)
	w.mu.Unlock()
	if hold != nil {
		<-hold
	}
}

func (w *world) tell(_ context.Context, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.told = append(w.told, "")
		return
	}
	w.told = append(w.told, err.Error())
}

func (w *world) seen() (handled, told []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.handled...), append([]string(nil), w.told...)
}

// await waits for something of Slack's, at most some virtual minutes.
func (w *world) await(what string, holds func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Hour)
	defer cancel()
	if err := w.slack.Await(ctx, what, holds); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) do(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) press(user string) (envelope string) {
	w.t.Helper()
	envelope, err := w.slack.Press(slacktest.Press{User: user, TS: "1.1", Button: slacktest.Button{Action: "fairlead.hold", Value: "v"}})
	w.do(err)
	return envelope
}

func TestOnlyAnAppLevelTokenIsTaken(t *testing.T) {
	for _, token := range []string{"", "xoxb-1", slacktest.BotToken} {
		if _, err := New(Config{Token: secret.New(token)}); err == nil || !strings.Contains(err.Error(), "xapp-") || token != "" && strings.Contains(err.Error(), token+" ") {
			t.Errorf("%q: %v", token, err)
		}
	}
}
