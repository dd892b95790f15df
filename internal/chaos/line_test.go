package chaos_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// line is a TCP connection to somewhere that can be disturbed.
type line struct {
	address string // where it listens, on this machine

	to     string
	listen net.Listener
	mu     sync.Mutex
	state  string // "", "refusing", "mute" or "slow"
	open   map[net.Conn]bool
}

// draw lays a line to an address.
func draw(t testing.TB, to string) *line {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := &line{address: l.Addr().String(), to: to, listen: l, open: map[net.Conn]bool{}}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			ln.hold(conn)
			served.Go(func() { ln.carry(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		ln.disturb("refusing") // ends all that is open
		served.Wait()
	})
	return ln
}

// disturb ends what is under way and treats what comes as said.
func (l *line) disturb(state string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = state
	for conn := range l.open {
		_ = conn.Close()
	}
	clear(l.open)
}

func (l *line) hold(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[conn] = true
}

func (l *line) drop(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, conn)
	_ = conn.Close()
}

func (l *line) now() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

func (l *line) carry(conn net.Conn) {
	defer l.drop(conn)
	switch l.now() {
	case "refusing":
		return
	case "mute":
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	far, err := net.DialTimeout("tcp", l.to, 5*time.Second)
	if err != nil {
		return
	}
	l.hold(far)
	var there sync.WaitGroup
	there.Go(func() {
		_, _ = io.Copy(far, conn)
		_ = far.(*net.TCPConn).CloseWrite()
	})
	if l.now() == "slow" {
		trickle(conn, far)
	} else {
		_, _ = io.Copy(conn, far)
	}
	l.drop(far)
	_ = conn.Close()
	there.Wait()
}

// trickle carries 200 bytes a second.
func trickle(to io.Writer, from io.Reader) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := io.CopyN(to, from, 20); err != nil {
			return
		}
		<-tick.C
	}
}
