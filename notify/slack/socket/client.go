// Package socket is Slack's Socket Mode: a websocket that we open to Slack, and
// by which it tells of clicks. Nothing listens on our side.
//
//	apps.connections.open ──► address ──► websocket ──► hello
//	envelope ──► acknowledged at once ──► handled, once, one after another
//	disconnect announced ──► a successor is connected first; then the old one ends
//
// Lives here: the connection, its frames, deadlines, acknowledgements,
// reconnection. May not live here: what a payload says, whose click counts and
// what a click does (notify/slack).
package socket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/notify/post"
)

// DefaultBaseURL is where Slack's Web API is.
const DefaultBaseURL = "https://slack.com/api"

const (
	helloDeadline  = 15 * time.Second // from the address to Slack's hello
	ackDeadline    = 2 * time.Second  // Slack waits 3 s
	pingEvery      = 20 * time.Second
	pongDeadline   = 10 * time.Second
	handleDeadline = 30 * time.Second // one click, with all that is said about it
	drainFor       = 30 * time.Second // an old connection beside its successor
	shortLife      = 10 * time.Second // a connection that ends before was none
	patience       = 5 * time.Minute  // before an outage is told
	waiting        = 32               // clicks that wait to be handled
)

// Config is what a Client needs.
type Config struct {
	Token   secret.Value // app-level, "xapp-…", with the scope connections:write
	BaseURL string       // of the Web API; "" = DefaultBaseURL
	// Handle gets the payload of each interaction: each once, one at a time.
	Handle func(ctx context.Context, payload json.RawMessage)
	// Tell hears nil whenever the connection stands, and why it does not where
	// a person must mend that, or when it lasts. nil: nobody.
	Tell func(ctx context.Context, err error)
	// Random returns numbers in [0, 1) for the jitter. nil: no jitter.
	Random func() float64
	Log    *slog.Logger // nil: discard
}

// Client holds one connection to Slack, for as long as Run runs.
type Client struct {
	cfg   *Config // behind a pointer, for fmt looks into unexported fields
	post  *post.Client
	http  *http.Client
	queue chan json.RawMessage
	seen  seen
}

// New checks the configuration. Nothing is dialled.
func New(cfg Config) (*Client, error) {
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultBaseURL
	}
	cfg.BaseURL = strings.TrimRight(cfg.BaseURL, "/")
	if !strings.HasPrefix(cfg.Token.Reveal(), "xapp-") {
		return nil, errors.New("read app_token: it is no app-level token of Slack, which begins with xapp- (a bot's begins with xoxb-); make one under Basic Information, App-Level Tokens, with the scope connections:write")
	}
	if err := post.CheckURL(secret.New(cfg.BaseURL)); err != nil {
		return nil, fmt.Errorf("read slack address: %w", err)
	}
	if cfg.Handle == nil {
		cfg.Handle = func(context.Context, json.RawMessage) {}
	}
	if cfg.Tell == nil {
		cfg.Tell = func(context.Context, error) {}
	}
	if cfg.Random == nil {
		cfg.Random = func() float64 { return 1 }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	client := post.New()
	return &Client{cfg: &cfg, post: client, http: client.HTTP(), queue: make(chan json.RawMessage, waiting)}, nil
}

// Check connects, waits for Slack's hello, and disconnects.
func (c *Client) Check(ctx context.Context) error {
	l, err := c.connect(ctx)
	if err != nil {
		return err
	}
	return l.conn.CloseNow()
}

// Run keeps a connection until ctx ends, and returns when all its goroutines
// have. It never errs: Slack may be away for as long as it likes.
func (c *Client) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer c.post.Close()
	wg.Go(func() { c.work(ctx) })
	var old *line
	out := outage{}
	for ctx.Err() == nil {
		l, err := c.connect(ctx)
		if err == nil {
			wg.Go(func() { l.serve(ctx) })
			if old != nil {
				close(old.replaced)
			}
			old = l
			c.cfg.Log.Info("slack buttons connected")
			c.cfg.Tell(ctx, nil)
			err = l.await(ctx)
			if time.Since(l.born) >= shortLife {
				out = outage{}
			}
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		pause, tell := out.fail(err, c.cfg.Random())
		c.cfg.Log.Warn("slack buttons not connected", "again", pause, "error", err)
		if tell {
			c.cfg.Tell(ctx, err)
		}
		sleep(ctx, pause)
	}
	return nil
}

// work handles what was acknowledged. A shutdown lets the one that is being
// handled end.
func (c *Client) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case payload := <-c.queue:
			c.handle(ctx, payload)
		}
	}
}

func (c *Client) handle(ctx context.Context, payload json.RawMessage) {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), handleDeadline, errHandle)
	defer cancel()
	c.cfg.Handle(ctx, payload)
}

var errHandle = fmt.Errorf("a click was not dealt with within %s", handleDeadline)

// outage is a time without a connection.
type outage struct {
	failures int
	since    time.Time
}

// fail notes one more failure, and returns how long to wait now and whether to
// tell of it.
func (o *outage) fail(err error, random float64) (pause time.Duration, tell bool) {
	if o.failures == 0 {
		o.since = time.Now()
	}
	o.failures++
	e, ok := errors.AsType[*notify.Error](err)
	if !ok {
		e = &notify.Error{Err: err}
	}
	return backoff(o.failures, *e, random), e.Kind == notify.Broken || time.Since(o.since) >= patience
}

// backoff is how long to wait after so many failures in a row: from a second
// to a minute, or ten where a person must mend something; never less than
// Slack asked for.
func backoff(failures int, e notify.Error, random float64) time.Duration {
	first, most := time.Second, time.Minute
	if e.Kind == notify.Broken {
		first, most = 30*time.Second, 10*time.Minute
	}
	d := min(first<<min(failures-1, 10), most)
	return max(d/2+time.Duration(random*float64(d/2)), e.RetryAfter)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
