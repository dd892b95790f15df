package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// margin is what a call may take beyond the waits it asked for.
const margin = 15 * time.Second

// Client steers one proxy. It may be used from many goroutines.
type Client struct {
	// Dial opens a connection to the proxy's control socket; each call has its own.
	Dial func(ctx context.Context) (net.Conn, error)
	// Kept, where not nil, is used in place of Dial and keeps connections between calls.
	Kept *http.Transport
}

// Keep makes a Client that keeps a connection between calls: over a long way that saves a round trip
// each. A call on one that broke meanwhile is made again if the proxy cannot have seen it.
func Keep(dial func(ctx context.Context) (net.Conn, error)) Client {
	return Client{Kept: &http.Transport{MaxIdleConnsPerHost: 1, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dial(ctx)
	}}}
}

// Unix returns a Client for the socket at path on this machine.
func Unix(path string) Client {
	return Client{Dial: func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}
}

// Deploy waits for the targets' health, switches the service to them and drains the old ones.
// Errors that the proxy reports are *Error; any other means that the outcome is unknown: ask List.
func (c Client) Deploy(ctx context.Context, r DeployRequest) (DeployResult, error) {
	var result DeployResult
	err := c.call(ctx, "/v1/deploy", r.DeployTimeout.Duration+r.DrainTimeout.Duration, r, &result)
	return result, err
}

// Remove ends the service; requests in flight are cut.
func (c Client) Remove(ctx context.Context, service string) error {
	return c.call(ctx, "/v1/remove", 0, ServiceRequest{service}, nil)
}

// Pause holds new requests back and waits for those in flight.
func (c Client) Pause(ctx context.Context, r PauseRequest) error {
	return c.call(ctx, "/v1/pause", r.DrainTimeout.Duration, r, nil)
}

// Stop answers new requests with 503 and waits for those in flight.
func (c Client) Stop(ctx context.Context, r StopRequest) error {
	return c.call(ctx, "/v1/stop", r.DrainTimeout.Duration, r, nil)
}

// Resume serves a paused or stopped service again.
func (c Client) Resume(ctx context.Context, service string) error {
	return c.call(ctx, "/v1/resume", 0, ServiceRequest{service}, nil)
}

// RolloutDeploy waits for health and keeps the targets ready for a split.
func (c Client) RolloutDeploy(ctx context.Context, r RolloutRequest) (DeployResult, error) {
	var result DeployResult
	err := c.call(ctx, "/v1/rollout/deploy", r.DeployTimeout.Duration+r.DrainTimeout.Duration, r, &result)
	return result, err
}

// RolloutSet says which requests go to the rollout targets.
func (c Client) RolloutSet(ctx context.Context, r SplitRequest) error {
	return c.call(ctx, "/v1/rollout/set", 0, r, nil)
}

// RolloutStop sends all requests to the service's targets again.
func (c Client) RolloutStop(ctx context.Context, r RolloutStopRequest) error {
	return c.call(ctx, "/v1/rollout/stop", r.DrainTimeout.Duration, r, nil)
}

// List returns all services, sorted by name.
func (c Client) List(ctx context.Context) ([]Service, error) {
	var answer struct {
		Services []Service `json:"services"`
	}
	err := c.call(ctx, "/v1/services", 0, nil, &answer)
	return answer.Services, err
}

// About tells which proxy runs; an answer means that it is alive.
func (c Client) About(ctx context.Context) (About, error) {
	var about About
	err := c.call(ctx, "/v1/version", 0, nil, &about)
	return about, err
}

// Upgrade makes the proxy run the program that is at its path by now, and returns what it was. It is
// done when About tells of another instance. After an error nothing has changed.
func (c Client) Upgrade(ctx context.Context) (About, error) {
	var about About
	err := c.call(ctx, "/v1/upgrade", 0, struct{}{}, &about)
	return about, err
}

// call posts body, or gets when it is nil, and gives up when waits and the margin have passed.
func (c Client) call(ctx context.Context, path string, waits time.Duration, body, answer any) error {
	limit := max(waits, 0) + margin
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer from the proxy within %s", limit))
	defer cancel()
	method, payload := http.MethodGet, []byte(nil)
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("write request: %w", err)
		}
		method, payload = http.MethodPost, text
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://kamal-proxy"+path, bytes.NewReader(payload))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	transport := c.Kept
	if transport == nil {
		transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return c.Dial(ctx)
		}}
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("call proxy: %w (is `kamal-proxy run` running?)", err)
	}
	defer func() { _ = resp.Body.Close() }()
	err = read(resp, answer)
	_, _ = io.CopyN(io.Discard, resp.Body, 1<<10) // to its end, so that the connection can be kept
	return err
}

func read(resp *http.Response, answer any) error {
	if resp.StatusCode != http.StatusOK {
		failure := &Error{}
		if err := Decode(resp.Body, failure); err != nil || failure.Text == "" {
			return fmt.Errorf("call proxy: unexpected answer %s", resp.Status)
		}
		return failure
	}
	if answer == nil {
		return nil
	}
	dec := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, maxAnswer))
	if err := dec.Decode(answer); err != nil {
		return fmt.Errorf("read answer of the proxy: %w", err)
	}
	return nil
}

// maxAnswer bounds an answer, in bytes: a list may be longer than any request. Unknown fields are
// let pass, because the proxy on a server may be newer than the caller.
const maxAnswer = 64 << 20
