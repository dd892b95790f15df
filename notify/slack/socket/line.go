package socket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/fairlead-deploy/fairlead/notify"
)

// line is one connection that Slack has said hello on.
type line struct {
	client *Client
	conn   *websocket.Conn
	born   time.Time

	leaving  chan struct{} // closed when Slack has announced the end
	replaced chan struct{} // closed when a successor stands
	ended    chan struct{} // closed when nothing more is read
	left     sync.Once
	reason   string // of leaving
	err      error  // of ended
}

var (
	errHello    = fmt.Errorf("slack said no hello within %s", helloDeadline)
	errSilent   = fmt.Errorf("slack answered no ping within %s", pongDeadline)
	errReplaced = errors.New("another connection took its place")
)

// connect opens a connection and waits for Slack's hello.
func (c *Client) connect(ctx context.Context) (*line, error) {
	address, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, helloDeadline, errHello)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, address.Reveal(), &websocket.DialOptions{HTTPClient: c.http})
	if err != nil {
		return nil, fmt.Errorf("connect to slack: %w", inPlain(ctx, err))
	}
	conn.SetReadLimit(maxFrame)
	if err := awaitHello(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.CloseNow())
	}
	return &line{client: c, conn: conn, born: time.Now(),
		leaving: make(chan struct{}), replaced: make(chan struct{}), ended: make(chan struct{})}, nil
}

func awaitHello(ctx context.Context, conn *websocket.Conn) error {
	_, data, err := conn.Read(ctx)
	if err != nil {
		return fmt.Errorf("wait for slack's hello: %w", inPlain(ctx, err))
	}
	f, err := Decode(data)
	switch {
	case err != nil:
		return fmt.Errorf("wait for slack's hello: %w", err)
	case f.Kind == Disconnect:
		return goodbye(f.Reason)
	case f.Kind != Hello:
		return fmt.Errorf("wait for slack's hello: it said %s", notify.Clean(string(f.Kind), maxWord))
	}
	return nil
}

// inPlain is an error without the address, which is a secret, and with the
// deadline that was missed.
func inPlain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// goodbye is what a disconnect means: nothing bad where Slack refreshes its
// connections, as it does every few hours.
func goodbye(reason string) error {
	switch reason {
	case "warning", "refresh_requested":
		return nil
	case "link_disabled":
		return &notify.Error{Kind: notify.Broken, Err: errors.New("slack disconnected: " + reason + remedy(reason))}
	}
	return errors.New("slack disconnected: " + reason + remedy(reason))
}

// await returns when a successor is needed: nil where Slack only refreshes.
func (l *line) await(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.leaving:
		if err := goodbye(l.reason); err != nil {
			return err
		}
	case <-l.ended:
		return l.err
	}
	if life := time.Since(l.born); life < shortLife {
		return fmt.Errorf("slack refreshed the connection after only %s", life.Round(time.Millisecond))
	}
	return nil
}

// serve reads until the connection ends: by Slack, by silence, by ctx, or some
// time after a successor stands. Until then what Slack still sends here is
// taken.
func (l *line) serve(ctx context.Context) {
	ctx, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { l.ping(ctx, stop) })
	l.err = l.read(ctx)
	if ctx.Err() != nil {
		l.err = context.Cause(ctx)
	}
	stop(l.err)
	wg.Wait()
	_ = l.conn.CloseNow() // it has ended anyhow
	close(l.ended)
}

// ping sees to it that a dead connection is noticed, and ends one that has been
// replaced.
func (l *line) ping(ctx context.Context, stop context.CancelCauseFunc) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	replaced, drained := l.replaced, (<-chan time.Time)(nil)
	for {
		select {
		case <-ctx.Done():
			return
		case <-replaced:
			replaced, drained = nil, time.After(drainFor)
		case <-drained:
			stop(errReplaced)
			return
		case <-tick.C:
			if err := l.pong(ctx); err != nil {
				stop(err)
				return
			}
		}
	}
}

func (l *line) pong(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, pongDeadline, errSilent)
	defer cancel()
	if err := l.conn.Ping(ctx); err != nil {
		return inPlain(ctx, err)
	}
	return nil
}

func (l *line) read(ctx context.Context) error {
	for {
		kind, data, err := l.conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("read from slack: %w", err)
		}
		f, err := Decode(data)
		if err != nil || kind != websocket.MessageText {
			l.client.cfg.Log.Warn("slack sent what it does not document; left", "bytes", len(data), "error", err)
			continue
		}
		if err := l.take(ctx, f); err != nil {
			return err
		}
	}
}

// take acknowledges a frame that asks for it, and passes on what it tells. One
// that cannot be taken now is not acknowledged: Slack sends it again, or tells
// the person that it did not work.
func (l *line) take(ctx context.Context, f Frame) error {
	if f.Kind == Disconnect {
		l.left.Do(func() {
			l.reason = f.Reason
			close(l.leaving)
		})
	}
	if f.Envelope == "" {
		return nil
	}
	if f.Kind == Interactive && !l.client.seen.once(f.Envelope, func() bool { return l.client.enqueue(f.Payload) }) {
		l.client.cfg.Log.Warn("too many clicks at once; one was left", "waiting", waiting)
		return nil
	}
	ack, err := json.Marshal(map[string]string{"envelope_id": f.Envelope})
	if err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, ackDeadline, errors.New("slack took no acknowledgement"))
	defer cancel()
	if err := l.conn.Write(ctx, websocket.MessageText, ack); err != nil {
		return fmt.Errorf("acknowledge: %w", inPlain(ctx, err))
	}
	return nil
}

// enqueue passes a payload on without waiting.
func (c *Client) enqueue(payload json.RawMessage) bool {
	select {
	case c.queue <- payload:
		return true
	default:
		return false
	}
}
