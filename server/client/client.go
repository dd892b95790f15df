// Package client speaks to a running daemon over its unix socket.
//
// It holds no behaviour: a method per question, the answers' types are package
// server's.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server"
)

// ErrNoDaemon is returned when no daemon listens at the socket.
var ErrNoDaemon = errors.New("no daemon answers")

const (
	dialTimeout = 2 * time.Second
	askTimeout  = 3 * time.Minute // the daemon's own deadlines are shorter
	maxAnswer   = 32 << 20        // in bytes
)

var errSlow = errors.New("the daemon took too long to answer")

// Client asks one daemon. It is safe for concurrent use.
type Client struct {
	socket string
	http   *http.Client
}

// New makes a client for the daemon at a socket. It does not connect yet.
func New(socket string) *Client {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}}}
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Health tells whether the daemon is well.
func (c *Client) Health(ctx context.Context) (server.Health, error) {
	return get[server.Health](ctx, c, "/health", nil)
}

// Status returns how everything stands.
func (c *Client) Status(ctx context.Context) (server.Status, error) {
	return get[server.Status](ctx, c, "/v1/status", nil)
}

// Query selects releases; zero fields select all.
type Query struct {
	Repo   string
	Lane   release.Lane
	Before release.ID // only older ones
	Limit  int        // 0: the daemon's choice
}

// History returns releases, newest first.
func (c *Client) History(ctx context.Context, q Query) ([]release.Release, error) {
	v := url.Values{}
	for name, value := range map[string]string{
		"repo": q.Repo, "service": q.Lane.Service, "destination": q.Lane.Destination, "before": string(q.Before),
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	h, err := get[server.History](ctx, c, "/v1/history", v)
	return h.Releases, err
}

// Release returns one release and its events.
func (c *Client) Release(ctx context.Context, id release.ID) (server.Detail, error) {
	return get[server.Detail](ctx, c, "/v1/releases/"+url.PathEscape(string(id)), nil)
}

// Plan returns what a rollout of the newest commit would change.
func (c *Client) Plan(ctx context.Context, repo, destination string) (release.Plan, error) {
	return get[release.Plan](ctx, c, "/v1/plan", url.Values{"repo": {repo}, "destination": {destination}})
}

// Submit hands an order in. What comes of it is among the Events, as the
// release that it returns ("" for a hold).
func (c *Client) Submit(ctx context.Context, o server.Order) (release.ID, error) {
	a, err := post[server.Accepted](ctx, c, "/v1/submit", o)
	return a.Release, err
}

// Cordon keeps new releases off a host, or lifts that.
func (c *Client) Cordon(ctx context.Context, o server.CordonOrder) error {
	_, err := post[struct{}](ctx, c, "/v1/hosts/cordon", o)
	return err
}

// TestNotify sends a test message to every channel.
func (c *Client) TestNotify(ctx context.Context) ([]server.Sent, error) {
	return post[[]server.Sent](ctx, c, "/v1/notify/test", nil)
}

func get[T any](ctx context.Context, c *Client, path string, q url.Values) (T, error) {
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return ask[T](ctx, c, http.MethodGet, path, nil)
}

func post[T any](ctx context.Context, c *Client, path string, body any) (T, error) {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			var none T
			return none, fmt.Errorf("ask daemon: %w", err)
		}
	}
	return ask[T](ctx, c, http.MethodPost, path, data)
}

func ask[T any](ctx context.Context, c *Client, method, path string, body []byte) (v T, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, errSlow)
	defer cancel()
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return v, fmt.Errorf("ask daemon: %w", err)
	case len(data) > maxAnswer:
		return v, fmt.Errorf("ask daemon: the answer is longer than %d bytes; ask for less", maxAnswer)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, fmt.Errorf("ask daemon: read answer: %w", err)
	}
	return v, nil
}

// do sends a request and turns refusals into errors: of type *server.Error
// where the daemon refused, ErrNoDaemon where there is none.
func (c *Client) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://fairlead"+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask daemon: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unanswered(ctx, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, refused(resp)
}

// refused is the error that an answer other than 200 holds.
func refused(resp *http.Response) error {
	refusal := &server.Error{Status: resp.StatusCode}
	data, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err == nil {
		err = json.Unmarshal(data, refusal)
	}
	if err != nil || refusal.Message == "" {
		refusal.Message = "the daemon answered " + resp.Status
	}
	return refusal
}

func (c *Client) unanswered(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("ask daemon: %w", context.Cause(ctx))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w at %s; start it with `fairlead watch`, or name its socket as in fairlead.yml", ErrNoDaemon, c.socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("ask daemon: %s may be opened by the daemon's user only; run this as that user or with sudo", c.socket)
	}
	return fmt.Errorf("ask daemon: %w", err)
}
