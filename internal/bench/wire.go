package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// wire is a TCP proxy that makes one address look far away: all bytes arrive
// half a round trip late, in both directions, and a connection takes a round
// trip to be made. The throughput is not limited.
type wire struct {
	listener net.Listener
	to       string
	rtt      atomic.Int64 // nanoseconds
	opened   atomic.Int64 // connections so far
	last     atomic.Int64 // when the last one was asked for, Unix nanoseconds
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup
}

// segment is what was read at once, and when it arrives.
type segment struct {
	bytes []byte
	due   time.Time
}

// onTheWay bounds how many segments of at most segmentSize bytes are between
// the two ends.
const (
	onTheWay    = 4096
	segmentSize = 32 << 10
)

// stretch listens on this machine and passes everything on to an address.
func stretch(to string) (*wire, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for a delayed connection: %w", err)
	}
	w := &wire{listener: l, to: to}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.wg.Go(w.accept)
	return w, nil
}

func (w *wire) port() int { return w.listener.Addr().(*net.TCPAddr).Port }

// delay sets the round trip for what is sent from now on.
func (w *wire) delay(rtt time.Duration) { w.rtt.Store(int64(rtt)) }

func (w *wire) half() time.Duration { return time.Duration(w.rtt.Load() / 2) }

// close ends all connections and waits until they have ended.
func (w *wire) close() error {
	w.cancel()
	err := w.listener.Close()
	w.wg.Wait()
	return err
}

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.opened.Add(1)
		w.last.Store(time.Now().UnixNano())
		w.wg.Go(func() { w.carry(near) })
	}
}

// carry connects the far end a round trip later: the SYN and its answer.
func (w *wire) carry(near net.Conn) {
	defer near.Close()
	if !w.sleep(2 * w.half()) {
		return
	}
	far, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(w.ctx, "tcp", w.to)
	if err != nil {
		return
	}
	defer far.Close()
	stop := context.AfterFunc(w.ctx, func() { _ = errors.Join(near.Close(), far.Close()) })
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { w.pass(near, far) })
	both.Go(func() { w.pass(far, near) })
	both.Wait()
}

// pass copies one direction, each segment half a round trip after it was read.
func (w *wire) pass(from, to net.Conn) {
	way := make(chan segment, onTheWay)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(way)
		for {
			buf := make([]byte, segmentSize)
			n, err := from.Read(buf)
			if n > 0 {
				way <- segment{buf[:n], time.Now().Add(w.half())}
			}
			if err != nil {
				return
			}
		}
	})
	var err error
	for s := range way {
		if err == nil && w.sleep(time.Until(s.due)) {
			_, err = to.Write(s.bytes)
		}
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite()
	} else {
		_ = to.Close()
	}
	reader.Wait()
}

func (w *wire) sleep(d time.Duration) bool {
	if d <= 0 {
		return w.ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-w.ctx.Done():
		return false
	}
}
