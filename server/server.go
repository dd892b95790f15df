// Package server lets people and programs look and ask: an HTTP API on the
// daemon's unix socket, and on TCP what needs no trust: health, metrics and the
// forges' webhooks.
//
// It reads what the store remembers and passes orders on; it never deploys, and
// knows no host, no deploy.yml and no secret. The types of its answers live here,
// together with how they look as text; package client speaks to it.
package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
	"golang.org/x/net/netutil"
)

// Memory is what is read about repositories and lanes.
type Memory interface {
	Looks(ctx context.Context) ([]release.Look, error)
	Holds(ctx context.Context) ([]release.Hold, error)
	Alerts(ctx context.Context) ([]release.Event, error)
	LastSucceeded(ctx context.Context, lane release.Lane) (release.Release, bool, error)
}

// Releases is what is read about releases.
type Releases interface {
	// Release returns store.ErrNotFound when there is none.
	Release(ctx context.Context, id release.ID) (release.Release, error)
	Releases(ctx context.Context, f store.Filter) ([]release.Release, error)
	ReleaseEvents(ctx context.Context, id release.ID) ([]release.Event, error)
}

// Events is what is streamed.
type Events interface {
	Events(ctx context.Context, after int64, limit int) ([]release.Event, error)
	LastSeq(ctx context.Context) (int64, error)
	// Wait returns nil when there is an event after seq.
	Wait(ctx context.Context, after int64) error
}

// Desk takes what people ask for. Errors of type *Error reach the asker with
// their status and hint.
type Desk interface {
	// Submit accepts an order; what comes of it is an event.
	Submit(ctx context.Context, o Order) error
	// Name gives the release a name that will come of an order.
	Name(ctx context.Context, repo string) (release.ID, error)
	// Plan says what a rollout of the newest commit would change.
	Plan(ctx context.Context, repo, destination string) (release.Plan, error)
	// TestNotify sends a test message to every channel.
	TestNotify(ctx context.Context) ([]Sent, error)
}

// Options configure a Server. All but Hooks and Listen are needed.
type Options struct {
	Socket string // path of the unix socket
	Listen string // TCP address; "" for none

	Memory   Memory
	Releases Releases
	Events   Events
	Desk     Desk
	// Operator does what people ask of services that run; nil: nobody does.
	Operator Operator
	// Cordons keeps new releases off hosts; nil: nobody does.
	Cordons Cordons
	// Repos returns the names of the watched repositories. What the store
	// remembers about others is not shown.
	Repos func() []string
	// Refused tells which calls of webhooks were refused; nil: nobody counts.
	Refused func() []Refused
	// Hooks serves /hooks/ on TCP; nil for none.
	Hooks http.Handler
	Log   *slog.Logger
}

// Server is the daemon's ear. Open listens, Run serves.
type Server struct {
	o       Options
	socket  net.Listener
	tcp     net.Listener // nil: none
	streams chan struct{}

	operations chan struct{}
	attended   sync.WaitGroup // the operations that go on
}

const (
	maxBody   = 64 << 10 // of a request
	maxHeader = 16 << 10 // of a request
	// maxStrangers is how many connections the TCP listener has at once: more
	// wait, and leave the daemon descriptors for its hosts.
	maxStrangers = 256
	maxStreams   = 64               // event streams at once
	askTimeout   = 20 * time.Second // of one answer, streams and plans excepted
	planTimeout  = 2 * time.Minute  // hosts are asked
	stopTimeout  = 5 * time.Second  // answers under way when Run ends
)

// Open listens on the socket, with mode 0600, and on TCP. A socket left by a
// dead daemon is replaced; where one answers, Open errors.
func Open(o Options) (*Server, error) {
	s := &Server{o: o, streams: make(chan struct{}, maxStreams), operations: make(chan struct{}, maxOperations)}
	var err error
	if s.socket, err = listenUnix(o.Socket); err != nil {
		return nil, err
	}
	if o.Listen == "" {
		return s, nil
	}
	if s.tcp, err = net.Listen("tcp", o.Listen); err != nil {
		_ = s.socket.Close()
		_ = os.Remove(o.Socket)
		return nil, fmt.Errorf("listen: %w; choose another address with listen: in fairlead.yml, or none", err)
	}
	return s, nil
}

// Addr returns the TCP address listened on, "" for none.
func (s *Server) Addr() string {
	if s.tcp == nil {
		return ""
	}
	return s.tcp.Addr().String()
}

// Run serves until ctx ends, then lets answers under way finish for a moment,
// removes the socket and returns nil. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	servers := map[*http.Server]net.Listener{s.server(ctx, s.API()): s.socket}
	if s.tcp != nil {
		servers[s.server(ctx, s.Public())] = netutil.LimitListener(s.tcp, maxStrangers)
	}
	var wg sync.WaitGroup
	failed := make(chan error, len(servers))
	for srv, listener := range servers {
		wg.Go(func() {
			if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve %s: %w", listener.Addr(), err)
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	cancel() // ends the streams, too
	stopping, stop := context.WithTimeoutCause(context.WithoutCancel(ctx), stopTimeout, errors.New("answers under way took too long"))
	defer stop()
	for srv := range servers {
		wg.Go(func() {
			if srv.Shutdown(stopping) != nil {
				_ = srv.Close()
			}
		})
	}
	wg.Wait()
	s.attended.Wait() // they ended with ctx
	_ = os.Remove(s.o.Socket)
	return err
}

func (s *Server) server(ctx context.Context, h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      planTimeout + 10*time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(quiet{s.o.Log}, "", 0),
	}
}

// quiet puts what net/http complains about, mostly its clients, at debug.
type quiet struct{ log *slog.Logger }

func (q quiet) Write(line []byte) (int, error) {
	q.log.Debug("http server complained", "line", string(line))
	return len(line), nil
}

// listenUnix makes the socket beside its place, closes it to others and moves
// it there: it is never open to them, not even for a moment.
func listenUnix(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("listen: a daemon already answers at %s; stop it first", path)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket == 0 {
		return nil, fmt.Errorf("listen: %s is there and no socket; move it away, or set socket: in fairlead.yml", path)
	}
	temporary := path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temporary, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(temporary, 0o600), os.Rename(temporary, path)); err != nil {
		_ = l.Close()
		_ = os.Remove(temporary)
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}
