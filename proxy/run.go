package proxy

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-deploy/fairlead/proxy/certs"
	"github.com/fairlead-deploy/fairlead/proxy/router"
	"github.com/fairlead-deploy/fairlead/proxy/state"
)

const (
	// drainOnExit is below the 10 s after which `docker stop` kills.
	drainOnExit = 8 * time.Second
	// headerTimeout bounds how long a client may take to say what it wants.
	headerTimeout = 30 * time.Second
	// idleClient is how long a client's connection is kept between requests: longer than the 60 s of
	// common load balancers, so that it is they who close it.
	idleClient = 75 * time.Second
)

// settings of `run`.
type settings struct {
	httpPort, httpsPort, metricsPort int
	debug                            bool
	socket                           string
	given                            heritage
	env                              environment
	out                              io.Writer
}

// run serves until ctx ends, then drains.
func run(ctx context.Context, s settings) (err error) {
	s.out = &lockedWriter{w: s.out}
	if s.given, err = inherit(s.env); err != nil {
		return err
	}
	level := slog.LevelInfo
	if s.debug {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewJSONHandler(s.out, &slog.HandlerOptions{Level: level}))
	// A container made of one file has no /tmp; bodies beyond the memory limit and the socket need it.
	if err := os.MkdirAll(os.TempDir(), 0o1777); err != nil {
		return fmt.Errorf("make temporary folder: %w", err)
	}
	keeper, err := certs.New(certs.Config{
		Folder: filepath.Join(s.env.configDir(), "fairlead-certs"), Directory: s.env("KAMAL_PROXY_ACME_DIRECTORY"),
		Email: s.env("KAMAL_PROXY_ACME_EMAIL"), Roots: s.env("KAMAL_PROXY_ACME_ROOTS"), HTTPPort: s.httpPort, HTTPSPort: s.httpsPort, Log: s.out,
	})
	if err != nil {
		return err
	}
	defer keeper.Close()
	r := router.New(router.Config{Store: state.File{Path: s.env.statePath()}, Certificates: keeper, Log: log, Access: log})
	if err := r.Restore(); err != nil {
		if !errors.Is(err, state.ErrUnreadable) {
			return err
		}
		log.Error("routes were not restored, deploy every service again", "error", err)
	}
	return listenAndServe(ctx, s, log, r, keeper)
}

// lockedWriter lets the two loggers, ours and certmagic's, share one output line by line.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// listenAndServe opens all listeners before it serves on any. Once another program shall take over, it
// ends by becoming that.
func listenAndServe(ctx context.Context, s settings, log *slog.Logger, r *router.Router, keeper *certs.Keeper) error {
	plain, err := s.given.listen(ctx, "http", s.httpPort)
	if err != nil {
		return err
	}
	secure, err := s.given.listen(ctx, "https", s.httpsPort)
	if err != nil {
		return errors.Join(err, plain.Close())
	}
	public := map[string]net.Listener{"http": plain, "https": secure}
	var sockets []net.Listener
	if s.given.ready == 0 { // an interim takes no commands
		if sockets, err = listenControl(ctx, s, log); err != nil {
			return errors.Join(err, plain.Close(), secure.Close())
		}
	}
	log.Info("proxy started", "version", Version, "http", plain.Addr().String(), "https", secure.Addr().String(), "socket", s.socket)
	served, hand := context.WithCancelCause(ctx)
	if s.given.ready != 0 { // an interim's end is a handover, too
		served, hand = context.WithCancelCause(context.WithoutCancel(ctx))
		defer context.AfterFunc(ctx, func() { hand(errHandover) })()
	}
	defer hand(nil)
	u := &upgrader{instance: rand.Text(), public: public, hand: hand, log: log}
	endpoints := []endpoint{{plain, challengesFirst(keeper, r), nil}, {secure, r, tlsConfig(r, keeper)}}
	for _, l := range sockets {
		endpoints = append(endpoints, endpoint{l, newAPI(r, u, log), nil})
	}
	err = serve(served, log, r, endpoints, keeper.Run, s.given.serves)
	if next := u.next; next != nil {
		if err != nil || ctx.Err() != nil { // it was told to end meanwhile
			return errors.Join(err, next.abandon(), next.close())
		}
		log.Info("proxy hands over", "interim", next.interim.Process.Pid)
		return next.execute()
	}
	return err
}

type endpoint struct {
	listener net.Listener
	handler  http.Handler
	tls      *tls.Config // nil: plain
}

// listenControl listens on the socket and on the one for the ssh user. Without the second the proxy
// still works, so that its failure is only logged.
func listenControl(ctx context.Context, s settings, log *slog.Logger) ([]net.Listener, error) {
	own, err := listenUnix(ctx, s.socket)
	if err != nil {
		return nil, err
	}
	sockets := []net.Listener{own}
	second, err := listenForOwner(ctx, filepath.Join(s.env.home(), ".apps-config"))
	if err != nil {
		log.Warn("second control socket not opened", "error", err)
	} else if second != nil {
		sockets = append(sockets, second)
	}
	return sockets, nil
}

// serve runs all servers, and background beside them, until ctx ends or one fails. Then no connection is
// taken any more, the requests get some time, and what is left is cut. When it serves it calls begun.
func serve(ctx context.Context, log *slog.Logger, r *router.Router, endpoints []endpoint, background func(context.Context) error, begun func() error) error {
	quiet := slog.NewLogLogger(log.Handler(), slog.LevelDebug) // clients' broken handshakes are no news
	var servers []*http.Server
	leaving := &leaving{}
	group, ctx := errgroup.WithContext(ctx)
	for _, e := range endpoints {
		s := &http.Server{
			Handler: leaving.over(e.handler), TLSConfig: e.tls, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleClient, ErrorLog: quiet, ConnState: leaving.count,
		}
		servers = append(servers, s)
		leaving.serving.Add(1)
		group.Go(func() error {
			defer leaving.serving.Done()
			return e.serve(s)
		})
	}
	group.Go(func() error { return background(ctx) })
	group.Go(func() error {
		if err := begun(); err != nil {
			log.Warn("proxy taken over in part", "error", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		limit := drainOnExit
		if errors.Is(context.Cause(ctx), errHandover) {
			limit = drainForSuccessor
		}
		log.Info("proxy ending", "drain", limit.String())
		end, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if limit == drainForSuccessor {
			leaving.leave(end, endpoints)
		}
		shutdown(end, servers, r)
		return nil
	})
	err := group.Wait()
	log.Info("proxy ended")
	return err
}

func (e endpoint) serve(s *http.Server) (err error) {
	if e.tls != nil {
		err = s.ServeTLS(e.listener, "", "")
	} else {
		err = s.Serve(e.listener)
	}
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) { // closed by nobody but us
		return nil
	}
	return fmt.Errorf("serve %s: %w", e.listener.Addr(), err)
}

func shutdown(ctx context.Context, servers []*http.Server, r *router.Router) {
	var group errgroup.Group
	for _, s := range servers {
		group.Go(func() error { return s.Shutdown(ctx) })
	}
	late := group.Wait() != nil
	r.Close() // upgraded connections, and what did not end in time
	if late {
		for _, s := range servers {
			_ = s.Close() // its requests are cut already
		}
	}
}
