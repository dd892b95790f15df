package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/internal/schedule"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"
	"golang.org/x/sync/singleflight"
)

// Bounds of every call.
const (
	callTimeout = 30 * time.Second // a frozen engine is noticed by then
	pingTimeout = 10 * time.Second
	maxBody     = 32 << 20 // bytes of a JSON answer
)

// An Engine talks to the container engine of one host. It is safe for
// concurrent use; it connects on first use and again after a loss.
type Engine struct {
	host      string
	transport *http.Transport
	log       *slog.Logger
	flight    singleflight.Group

	mu      sync.Mutex
	session *session           // nil until a version is agreed on
	ignored *container.Ignored // what this machine's kernel lacks; nil until read
	seen    map[string]seen    // by container id
	images  map[string]Image   // by image id

	protected []string // ids or their beginnings, see Protect
}

// A session is a version agreed on with whoever answers at the socket.
type session struct {
	cli *client.Client
	// attach is for hijacked connections: the SDK dials those itself, and only
	// through a bare *http.Transport.
	attach *client.Client
}

// New makes an Engine. The host's name is for messages. Nothing is dialled
// before the first call.
func New(host string, dial DialFunc, log *slog.Logger) *Engine {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := dial(ctx)
			if slot, ok := ctx.Value(dialErrorKey{}).(*dialError); ok {
				slot.set(err)
			}
			return conn, err
		},
		MaxIdleConnsPerHost: 8,
		DisableCompression:  true,
	}
	return &Engine{host: host, transport: transport, log: log, seen: map[string]seen{}, images: map[string]Image{}}
}

// Close drops idle connections. Calls under way end with their contexts.
func (e *Engine) Close() error {
	e.transport.CloseIdleConnections()
	return nil
}

// newClient makes an SDK client. The order of options matters: WithHost after
// WithHTTPClient would replace the dial function.
func newClient(through http.RoundTripper, more ...client.Opt) (*client.Client, error) {
	cli, err := client.New(append([]client.Opt{client.WithHost("http://docker.invalid"),
		client.WithHTTPClient(&http.Client{Transport: through, CheckRedirect: client.CheckRedirect}),
		client.WithUserAgent("fairlead")}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("make engine client: %w", err)
	}
	return cli, nil
}

// dialError carries why a dial failed past the SDK, which drops it.
type dialError struct {
	mu  sync.Mutex
	err error
}

type dialErrorKey struct{}

func (d *dialError) set(err error) { d.mu.Lock(); d.err = err; d.mu.Unlock() }
func (d *dialError) get() error    { d.mu.Lock(); defer d.mu.Unlock(); return d.err }

// call runs one exchange with the engine: version agreed on, at most limit
// long, the error classed and named after the call and the host.
func (e *Engine) call(ctx context.Context, name string, limit time.Duration, do func(context.Context, *session) error) error {
	ctx, cancel := e.deadline(ctx, name, limit)
	defer cancel()
	return e.open(ctx, name, do)
}

// living is call for what a good engine may take longer over than callTimeout.
// It ends when a ping meanwhile is not answered.
func (e *Engine) living(ctx context.Context, name string, limit time.Duration, do func(context.Context, *session) error) error {
	return e.call(ctx, name, limit, func(ctx context.Context, s *session) error {
		ctx, end := context.WithCancelCause(ctx)
		var asking sync.WaitGroup
		asking.Go(func() {
			for schedule.Pause(ctx, callTimeout-pingTimeout) == nil {
				if _, mute := errors.AsType[*TimeoutError](e.Ping(ctx)); mute {
					end(&TimeoutError{Call: name, Host: e.host, After: callTimeout.String()})
				}
			}
		})
		defer asking.Wait()
		defer end(nil)
		err := do(ctx, s)
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	})
}

// open is call without a deadline of its own, for streams.
func (e *Engine) open(ctx context.Context, name string, do func(context.Context, *session) error) error {
	s, err := e.agreed(ctx)
	if err == nil {
		err = e.attempt(ctx, s, do)
	}
	return e.onHost(ctx, name, err)
}

func (e *Engine) deadline(ctx context.Context, name string, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, &TimeoutError{Call: name, Host: e.host, After: limit.String()})
}

// attempt calls do and classes its error.
func (e *Engine) attempt(ctx context.Context, s *session, do func(context.Context, *session) error) error {
	slot := new(dialError)
	err := do(context.WithValue(ctx, dialErrorKey{}, slot), s)
	if err == nil {
		return nil
	}
	if client.IsErrConnectionFailed(err) {
		e.mu.Lock()
		if e.session == s {
			e.session = nil // whoever answers next may speak another version
		}
		e.mu.Unlock()
		if why := slot.get(); why != nil {
			return classed(ErrUnavailable, why)
		}
	}
	return translate(err)
}

// agreed returns the session, and agrees on an API version first where there
// is none. It does so eagerly: otherwise an engine that is too old shows as an
// odd failure of some later call.
func (e *Engine) agreed(ctx context.Context) (*session, error) {
	e.mu.Lock()
	s := e.session
	e.mu.Unlock()
	if s != nil {
		return s, nil
	}
	result := e.flight.DoChan("agree", func() (any, error) {
		// Not the caller's cancellation: others wait for the same answer.
		ctx, cancel := e.deadline(context.WithoutCancel(ctx), "ping", pingTimeout)
		defer cancel()
		s, err := e.agree(ctx)
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return s, err
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*session), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (e *Engine) agree(ctx context.Context) (*session, error) {
	cli, err := newClient(bounded{e.transport})
	if err != nil {
		return nil, err
	}
	s := &session{cli: cli}
	var ping client.PingResult
	err = e.attempt(ctx, s, func(ctx context.Context, _ *session) (err error) {
		ping, err = cli.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
		return err
	})
	if ping.APIVersion != "" && versions.LessThan(ping.APIVersion, client.MinAPIVersion) {
		return nil, fmt.Errorf("%w (it speaks %s)", ErrTooOld, ping.APIVersion)
	}
	if err != nil {
		return nil, err
	}
	if s.attach, err = newClient(e.transport, client.WithAPIVersion(cli.ClientVersion())); err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.session = s
	e.mu.Unlock()
	return s, nil
}

// Ping asks the engine for a sign of life.
func (e *Engine) Ping(ctx context.Context) error {
	return e.call(ctx, "ping", pingTimeout, func(ctx context.Context, s *session) error {
		_, err := s.cli.Ping(ctx, client.PingOptions{})
		return err
	})
}

// Redial asks the engine for a sign of life over a connection of its own. An
// engine that stops goes on answering over the connections that it has, with
// its containers ended one by one; a new one it takes no more (moby,
// cmd/dockerd: the listeners are closed first, the containers stopped then).
func (e *Engine) Redial(ctx context.Context) error {
	fresh := e.transport.Clone()
	fresh.DisableKeepAlives = true
	cli, err := newClient(bounded{fresh})
	if err != nil {
		return err
	}
	return e.call(ctx, "ping", pingTimeout, func(ctx context.Context, _ *session) error {
		_, err := cli.Ping(ctx, client.PingOptions{})
		return err
	})
}

// Info asks the engine about itself and its machine.
func (e *Engine) Info(ctx context.Context) (Info, error) {
	var info Info
	err := e.call(ctx, "read engine info", callTimeout, func(ctx context.Context, s *session) error {
		r, err := s.cli.Info(ctx, client.InfoOptions{})
		if err != nil {
			return err
		}
		info = Info{APIVersion: s.cli.ClientVersion(), ServerVersion: r.Info.ServerVersion, Arch: goArch(r.Info.Architecture),
			OS: r.Info.OSType, CgroupVersion: r.Info.CgroupVersion, Name: r.Info.Name, RootDir: r.Info.DockerRootDir,
			Ignored: container.Ignored{Memory: !r.Info.MemoryLimit, Swap: !r.Info.SwapLimit, CPUShares: !r.Info.CPUShares,
				CPUQuota: !r.Info.CPUCfsQuota, CPUSet: !r.Info.CPUSet, Pids: !r.Info.PidsLimit}}
		return nil
	})
	return info, err
}

// goArch gives uname's name of an architecture Go's.
func goArch(machine string) string {
	switch machine {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "armv7l", "armv6l":
		return "arm"
	case "i386", "i686":
		return "386"
	}
	return machine
}

// bounded limits the answers that the SDK reads whole; streams are bounded by
// who reads them.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	for _, stream := range []string{"/logs", "/archive", "/events", "/images/create", "/images/load"} {
		if strings.HasSuffix(r.URL.Path, stream) {
			return answer, nil
		}
	}
	answer.Body = &boundedBody{ReadCloser: answer.Body, left: maxBody}
	return answer, nil
}

var errTooLarge = errors.New("the engine's answer is larger than 32 MiB")

type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
