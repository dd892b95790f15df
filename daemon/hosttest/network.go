package hosttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
)

// Network is one that exists in the test's process only, so that a bubble
// (testing/synctest) knows when all on it wait.
type Network struct {
	mu  sync.Mutex
	all map[string]*listener
}

// listen takes the next address of the network.
func (n *Network) listen() *listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all == nil {
		n.all = map[string]*listener{}
	}
	l := newListener(&net.TCPAddr{IP: net.IPv4(10, 1, byte(len(n.all)>>8), byte(len(n.all))), Port: 22})
	n.all[l.Addr().String()] = l
	return l
}

// Dial connects to a server.
func (n *Network) Dial(_ context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	l := n.all[address]
	n.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("dial %s: %w", address, errNobody)
	}
	return l.dial()
}

// A listener takes connections within the process.
type listener struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newListener(addr net.Addr) *listener {
	return &listener{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *listener) dial() (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return whole{near, l.addr}, nil
	case <-l.closed:
		return nil, errNobody
	}
}

// Accept waits for a connection.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is where it listens.
func (l *listener) Addr() net.Addr { return l.addr }

// whole is a pipe whose other end sees the end of what was written: then all of
// it ends.
type whole struct {
	net.Conn
	to net.Addr
}

// CloseWrite closes it.
func (w whole) CloseWrite() error { return w.Close() }

// RemoteAddr is what was dialled.
func (w whole) RemoteAddr() net.Addr { return w.to }

var errNobody = errors.New("connection refused")

// A door is an HTTP server that is reached within the process.
type door struct {
	*listener
	server *http.Server
	done   chan struct{}
}

func newDoor(h http.Handler) *door {
	d := &door{listener: newListener(&net.UnixAddr{Name: "inside", Net: "unix"}), done: make(chan struct{}),
		server: &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}}
	go func() {
		defer close(d.done)
		_ = d.server.Serve(d)
	}()
	return d
}

func (d *door) end() {
	_ = d.server.Close()
	<-d.done
}
