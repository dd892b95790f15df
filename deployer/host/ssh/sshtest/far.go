package sshtest

import (
	"io"
	"net"
	"sync"
	"time"
)

// far is a connection whose bytes are on their way for half a round trip, in
// both directions. The throughput is not limited.
type far struct {
	net.Conn
	half   time.Duration
	opened time.Time

	out  chan segment
	in   chan segment
	rest []byte // of the segment that is being read
	gone chan struct{}
	once sync.Once
	wg   sync.WaitGroup
}

// segment is what was sent at once, and when it arrives.
type segment struct {
	bytes []byte
	due   time.Time
}

func newFar(conn net.Conn, roundTrip time.Duration) *far {
	f := &far{Conn: conn, half: roundTrip / 2, opened: time.Now(), out: make(chan segment, 1024), in: make(chan segment, 1024), gone: make(chan struct{})}
	f.wg.Go(f.receive)
	f.wg.Go(f.send)
	return f
}

// due is when something that is sent now arrives: not before the connection
// itself was made, a round trip after it was asked for.
func (f *far) due(made time.Duration) time.Time {
	now := time.Now()
	if first := f.opened.Add(made); now.Before(first) {
		now = first
	}
	return now.Add(f.half)
}

func (f *far) receive() {
	defer close(f.in)
	for {
		buf := make([]byte, 16<<10)
		n, err := f.Conn.Read(buf)
		if n > 0 {
			select {
			case f.in <- segment{buf[:n], f.due(2 * f.half)}:
			case <-f.gone:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (f *far) send() {
	for {
		select {
		case s := <-f.out:
			if !f.until(s.due) {
				return
			}
			if _, err := f.Conn.Write(s.bytes); err != nil {
				f.close()
				return
			}
		case <-f.gone:
			return
		}
	}
}

func (f *far) until(due time.Time) bool {
	d := time.Until(due)
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-f.gone:
		return false
	}
}

// Read gives what has arrived.
func (f *far) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		select {
		case s, ok := <-f.in:
			if !ok || !f.until(s.due) {
				return 0, io.EOF
			}
			f.rest = s.bytes
		case <-f.gone:
			return 0, io.EOF
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// Write sends.
func (f *far) Write(p []byte) (int, error) {
	select {
	case f.out <- segment{append([]byte(nil), p...), f.due(f.half)}:
		return len(p), nil
	case <-f.gone:
		return 0, net.ErrClosed
	}
}

// Close ends the connection at once.
func (f *far) Close() error {
	f.close()
	return nil
}

func (f *far) close() {
	f.once.Do(func() {
		close(f.gone)
		_ = f.Conn.Close()
	})
}

// end closes it and waits for its goroutines.
func (f *far) end() {
	f.close()
	f.wg.Wait()
}
