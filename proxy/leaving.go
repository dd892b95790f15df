package proxy

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// idleGrace is how long a kept connection may lie idle until it is closed under a client that may be
// about to use it. One that is used meanwhile is told that this was the last time.
const idleGrace = 5 * time.Second

// leaving ends connections so that no request is lost on one. (*http.Server).Shutdown answers none that
// it reads after it was called: so it comes when there is nothing to read any more.
type leaving struct {
	now     atomic.Bool
	serving sync.WaitGroup // endpoints that take connections
	open    atomic.Int64   // connections
}

// over makes each answer the last of its connection, once that shall be. (HTTP/2 has a word for it that
// its server says by itself.)
func (l *leaving) over(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if l.now.Load() && req.ProtoMajor == 1 && req.Header.Get("Upgrade") == "" {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, req)
	})
}

func (l *leaving) count(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		l.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		l.open.Add(-1)
	}
}

// leave takes no more connections, and returns when all are closed or idle for long.
func (l *leaving) leave(ctx context.Context, endpoints []endpoint) {
	l.now.Store(true)
	for _, e := range endpoints {
		_ = e.listener.Close() // it is only this process's: others have the socket, too
	}
	l.serving.Wait() // what was taken is counted
	ctx, cancel := context.WithTimeout(ctx, idleGrace)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for l.open.Load() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
