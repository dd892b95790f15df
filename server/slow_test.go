package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// one gives a single connection.
type one struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (o one) Accept() (net.Conn, error) {
	select {
	case c := <-o.conn:
		return c, nil
	case <-o.closed:
		return nil, net.ErrClosed
	}
}
func (o one) Close() error   { return nil }
func (o one) Addr() net.Addr { return &net.TCPAddr{} }

// TestWhoeverSaysARequestSlowlyIsCutOff sends a byte of a request each second,
// of its header and of its body.
func TestWhoeverSaysARequestSlowlyIsCutOff(t *testing.T) {
	for name, said := range map[string]string{"header": "GET /health HTTP/1.1\r\nHost: a\r\nX: ", "body": "POST /hooks/shop HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Server{o: Options{Log: slog.New(slog.DiscardHandler)}}
				l := one{make(chan net.Conn, 1), make(chan struct{})}
				srv := s.server(t.Context(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if _, err := io.Copy(io.Discard, r.Body); err == nil {
						t.Error("the body was read to its end")
					}
				}))
				near, far := net.Pipe()
				l.conn <- far
				done := make(chan error, 1)
				go func() { done <- srv.Serve(l) }()
				go func() { _, _ = io.Copy(io.Discard, near) }()
				began := time.Now()
				_, err := io.WriteString(near, said)
				for err == nil && time.Since(began) < 10*time.Minute {
					time.Sleep(time.Second)
					_, err = near.Write([]byte("x"))
				}
				if took := time.Since(began); err == nil || took > 2*time.Minute {
					t.Errorf("it was listened to for %s", took)
				}
				_ = near.Close()
				close(l.closed)
				_ = srv.Shutdown(context.WithoutCancel(t.Context()))
				if err := <-done; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			})
		})
	}
}

// countless gives a silent connection whenever it is asked for one.
type countless struct {
	net.Listener
	accepted chan struct{}
}

func (c countless) Accept() (net.Conn, error) {
	select {
	case c.accepted <- struct{}{}:
	default:
		return c.Listener.Accept() // enough
	}
	near, _ := net.Pipe()
	return near, nil
}

// TestStrangersConnectionsAreCounted has ten thousand connect at once and say
// nothing: some are heard at a time, and are cut off for the next.
func TestStrangersConnectionsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := one{make(chan net.Conn), make(chan struct{})}
		l := countless{inner, make(chan struct{}, 10_000)}
		s := &Server{o: Options{Log: slog.New(slog.DiscardHandler)}, socket: one{make(chan net.Conn), inner.closed}, tcp: l}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		if n := len(l.accepted); n != 256 {
			t.Errorf("%d connections at once", n)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if n := len(l.accepted); n != 512 {
			t.Errorf("%d connections when the first ones were silent for 6 s", n)
		}
		stop()
		close(inner.closed)
		if err := <-done; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}
