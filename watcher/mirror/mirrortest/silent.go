package mirrortest

import (
	"net"
	"sync"
	"testing"
)

// Silent listens, accepts, and never says a word; it returns host:port.
func Silent(t testing.TB) string {
	t.Helper()
	return Talk(t, func(net.Conn) {})
}

// Talk listens and hands every connection to say; it stays open, whatever say
// does, until the test ends. It returns host:port.
func Talk(t testing.TB, say func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			wg.Go(func() { say(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, conn := range open {
			conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}
