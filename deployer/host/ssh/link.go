package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	dialTimeout      = 10 * time.Second // TCP
	handshakeTimeout = 10 * time.Second // version, keys and authentication
	keepaliveEvery   = 5 * time.Second
	keepaliveMisses  = 2 // so that a dead peer is given up within 15 s
)

// A link is one connection, from its handshake to its loss.
type link struct {
	conn   net.Conn
	client *ssh.Client
	done   chan struct{} // closed when the connection has ended
	wg     sync.WaitGroup
}

// shake does the handshake over conn and starts to watch the connection. It
// takes conn over.
func shake(ctx context.Context, conn net.Conn, address string, config *ssh.ClientConfig) (*link, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, handshakeTimeout,
		fmt.Errorf("%w: no SSH handshake within %s", ErrUnreachable, handshakeTimeout))
	defer cancel()
	// Not SetDeadline: a connection through a jump host has none.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	c, channels, requests, err := ssh.NewClientConn(conn, address, config)
	if !stop() {
		if err == nil {
			_ = c.Close()
		}
		return nil, context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	l := &link{conn: conn, client: ssh.NewClient(c, channels, requests), done: make(chan struct{})}
	l.wg.Go(func() {
		_ = l.client.Wait()
		_ = conn.Close()
		close(l.done)
	})
	l.wg.Go(l.keepalive)
	return l, nil
}

// keepalive asks for an answer every few seconds and closes the connection
// when some are missing in a row. Closing the TCP connection is what releases
// calls that hang: x/crypto's sessions and requests have no timeouts.
func (l *link) keepalive() {
	ticker := time.NewTicker(keepaliveEvery)
	defer ticker.Stop()
	replies := make(chan error, 1)
	waiting, missed := false, 0
	for {
		select {
		case <-l.done:
			return
		case err := <-replies:
			waiting, missed = false, 0
			if err != nil {
				_ = l.conn.Close()
				return
			}
		case <-ticker.C:
			if waiting {
				if missed++; missed >= keepaliveMisses {
					_ = l.conn.Close()
					return
				}
				continue
			}
			waiting = true
			l.wg.Go(func() {
				_, _, err := l.client.SendRequest("keepalive@openssh.com", true, nil)
				replies <- err
			})
		}
	}
}

func (l *link) lost() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// bound returns a context that also ends with the connection.
func (l *link) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-l.done:
			cancel(ErrLost)
		case <-ctx.Done():
		}
	})
	return ctx, func() { cancel(nil); wg.Wait() }
}

// close ends the connection and waits for those who watched it.
func (l *link) close() {
	_ = l.conn.Close()
	l.wg.Wait()
}

// classify gives a failed handshake its class.
func classify(err error) error {
	if permanent(err) || errors.Is(err, ErrUnreachable) {
		return err
	}
	// x/crypto has no type for it; this text is in its tests.
	if strings.Contains(err.Error(), "ssh: unable to authenticate") {
		return fmt.Errorf("%w (%w)", ErrAuth, err)
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}
