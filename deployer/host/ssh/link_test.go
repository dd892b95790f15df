package ssh

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/schedule"
	"golang.org/x/crypto/ssh"
)

func TestAMuteHandshakeEndsAfterTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		began := time.Now()
		_, err := shake(t.Context(), ours, "host:22", &ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()})
		if took := time.Since(began); !errors.Is(err, ErrUnreachable) || took != 10*time.Second {
			t.Errorf("after %s: %v", took, err)
		}
		_ = theirs.Close()
	})
}

// bufferedPipe is a net.Pipe whose writes do not wait for the other side's
// read: in SSH both sides speak first.
func bufferedPipe() (net.Conn, net.Conn) {
	a, b := net.Pipe()
	return newBuffered(a), newBuffered(b)
}

type buffered struct {
	net.Conn
	writes chan []byte
	closed chan struct{}
	once   sync.Once
}

func newBuffered(c net.Conn) *buffered {
	b := &buffered{Conn: c, writes: make(chan []byte, 256), closed: make(chan struct{})}
	go func() {
		for {
			select {
			case p := <-b.writes:
				if _, err := c.Write(p); err != nil {
					return
				}
			case <-b.closed:
				return
			}
		}
	}()
	return b
}

func (b *buffered) Write(p []byte) (int, error) {
	select {
	case b.writes <- slices.Clone(p):
		return len(p), nil
	case <-b.closed:
		return 0, net.ErrClosed
	}
}

func (b *buffered) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Conn.Close()
}

// frozen is a machine that is stopped after the handshake: TCP stays, nobody
// answers. It returns our link to it.
func frozen(t *testing.T) *link {
	t.Helper()
	_, key, _ := ed25519.GenerateKey(nil)
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := bufferedPipe()
	go func() {
		config := &ssh.ServerConfig{NoClientAuth: true}
		config.AddHostKey(signer)
		c, channels, requests, err := ssh.NewServerConn(theirs, config)
		if err != nil {
			return
		}
		go func() {
			for range channels {
			}
		}()
		go func() {
			for range requests {
			}
		}()
		_ = c.Wait()
	}()
	l, err := shake(t.Context(), ours, "host:22", &ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAFrozenHostIsGivenUpWithin15Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := frozen(t)
		began := time.Now()
		// What x/crypto cannot time out is released too.
		_, err := l.client.NewSession()
		if took := time.Since(began); err == nil || took > 15*time.Second || took < 10*time.Second {
			t.Errorf("after %s: %v", took, err)
		}
		<-l.done
		l.close()
	})
}

func TestASessionThatNeverOpensEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := frozen(t)
		reason := errors.New("asked too long")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, reason)
		defer cancel()
		if _, err := openSession(ctx, l); !errors.Is(err, reason) {
			t.Error(err)
		}
		l.close()
	})
}

func TestWhoeverHadToWaitForASlotWaitsForTheJitterToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(1, func() time.Duration { return 70 * time.Millisecond })
		if err := l.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		go func() { _ = schedule.Pause(t.Context(), time.Second); l.release() }()
		if err := l.acquire(t.Context()); err != nil || time.Since(began) != 1070*time.Millisecond {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, ErrUnreachable)
		defer cancel()
		if err := l.acquire(ctx); !errors.Is(err, ErrUnreachable) {
			t.Error(err)
		}
	})
}

func TestAPartOfALimitIsALimitOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := NewLimiter(5, func() time.Duration { return 0 })
		parts := []*Limiter{all.Part(2), all.Part(2), all.Part(2)}
		inside, most, at := make([]int, len(parts)), make([]int, len(parts)), 0
		var mu sync.Mutex
		var wg sync.WaitGroup
		sum := 0
		for i := range 30 {
			wg.Go(func() {
				part := i % len(parts)
				if err := parts[part].acquire(t.Context()); err != nil {
					t.Error(err)
				}
				mu.Lock()
				inside[part]++
				sum++
				most[part], at = max(most[part], inside[part]), max(at, sum)
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				inside[part]--
				sum--
				mu.Unlock()
				parts[part].release()
			})
		}
		wg.Wait()
		if most[0] != 2 || most[1] != 2 || most[2] != 2 || at != 5 {
			t.Errorf("at most %d at once in each part and %d in all", most, at)
		}
		full := parts[0]
		for range 2 {
			if err := full.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, ErrUnreachable)
		defer cancel()
		if err := full.acquire(ctx); !errors.Is(err, ErrUnreachable) {
			t.Error(err)
		}
	})
}
