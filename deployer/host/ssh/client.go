package ssh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/singleflight"

	"github.com/fairlead-deploy/fairlead/internal/schedule"
)

const (
	connectTimeout = 30 * time.Second // all tries of one connect
	connectTries   = 3
	authPause      = 30 * time.Second // between logins that were refused
	nameTries      = 3                // more to resolve a name, as Kamal's sshkit.dns_retries
	maxSessions    = 8                // sshd refuses the eleventh (MaxSessions)
)

// A DialFunc opens the TCP connection to a server; it must heed ctx.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// A Target is where to connect.
type Target struct {
	Name string // as the operator wrote it, for messages
	Host string
	Port int // 0 is 22
	User string
	// Alias is its name in known_hosts; "" is its address.
	Alias string
}

// known is the address that known_hosts has it under.
func (t Target) known() string {
	if t.Alias != "" {
		return net.JoinHostPort(t.Alias, "22") // whatever the port is, as with ssh
	}
	return t.address()
}

func (t Target) address() string {
	port := t.Port
	if port == 0 {
		port = 22
	}
	return net.JoinHostPort(t.Host, strconv.Itoa(port))
}

// door is the address for sentences that have the host's name already.
func (t Target) door() string {
	host, port, _ := net.SplitHostPort(t.address())
	if host == t.Name {
		return "port " + port
	}
	return t.address()
}

// A Client is the connection to one host. It connects when first used and
// again after a loss; many may use it at once.
type Client struct {
	target   Target
	identity Identity
	dial     DialFunc
	limiter  *Limiter
	log      *slog.Logger
	sessions chan struct{}
	flight   singleflight.Group

	mu      sync.Mutex
	link    *link
	closed  bool
	refused error     // the last login that was refused …
	until   time.Time // … and when the next may be tried
}

// NewClient makes a Client. dial is a plain net.Dialer's DialContext, or the
// Dial of the Client of a jump host. Nothing is dialled before the first use.
func NewClient(target Target, identity Identity, dial DialFunc, limiter *Limiter, log *slog.Logger) *Client {
	return &Client{target: target, identity: identity, dial: dial, limiter: limiter, log: log, sessions: make(chan struct{}, maxSessions)}
}

// Close ends the connection and all that goes through it, for good.
func (c *Client) Close() error {
	c.mu.Lock()
	l := c.link
	c.link, c.closed = nil, true
	c.mu.Unlock()
	if l != nil {
		l.close()
	}
	return nil
}

// Connect makes sure that there is a connection.
func (c *Client) Connect(ctx context.Context) error {
	_, _, err := c.connected(ctx)
	return err
}

// connected returns the connection, made now (fresh) where there is none.
// Callers at the same time share one dial, which outlives the one that gave up.
func (c *Client) connected(ctx context.Context) (l *link, fresh bool, err error) {
	c.mu.Lock()
	l, closed := c.link, c.closed
	refused := c.refused
	if time.Now().After(c.until) {
		refused = nil
	}
	c.mu.Unlock()
	switch {
	case closed:
		return nil, false, c.named(ErrClosed)
	case l != nil && !l.lost():
		return l, false, nil
	case refused != nil:
		return nil, false, c.named(refused)
	}
	result := c.flight.DoChan("connect", func() (any, error) {
		ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), connectTimeout,
			fmt.Errorf("%w: no connection within %s", ErrUnreachable, connectTimeout))
		defer cancel()
		return c.connect(ctx)
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, false, c.named(r.Err)
		}
		return r.Val.(*link), true, nil
	case <-ctx.Done():
		return nil, false, c.named(context.Cause(ctx))
	}
}

// connect tries a few times: a busy sshd drops handshakes at random.
func (c *Client) connect(ctx context.Context) (*link, error) {
	var err error
	for try := range connectTries {
		if try > 0 {
			if schedule.Pause(ctx, 200*time.Millisecond<<try+c.limiter.jitter()) != nil {
				break
			}
		}
		var l *link
		if l, err = c.once(ctx); err == nil {
			return c.keep(l)
		}
		if permanent(err) || ctx.Err() != nil || !dropped(err) {
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, ErrAuth) {
		// Trying on would get us banned.
		c.refused, c.until = err, time.Now().Add(authPause)
	}
	return nil, err
}

func (c *Client) keep(l *link) (*link, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		l.close()
		return nil, ErrClosed
	}
	c.link, c.refused = l, nil
	c.mu.Unlock()
	c.log.Debug("connected by SSH", "host", c.target.Name)
	return l, nil
}

func (c *Client) once(ctx context.Context) (*link, error) {
	if err := c.limiter.acquire(ctx); err != nil {
		return nil, err
	}
	defer c.limiter.release()
	address := c.target.address()
	check, algorithms, err := c.identity.hostKeys(c.target.Name, c.target.known())
	if err != nil {
		return nil, err
	}
	signers, closer, err := c.identity.signers()
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	conn, err := c.dialTCP(ctx, address)
	if err != nil {
		return nil, err
	}
	l, err := shake(ctx, quickAck(conn), c.target.known(), &ssh.ClientConfig{User: c.target.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signers...)},
		HostKeyCallback: check, HostKeyAlgorithms: algorithms, ClientVersion: "SSH-2.0-fairlead"})
	if err != nil {
		err = classify(err)
	}
	if errors.Is(err, ErrAuth) {
		err = fmt.Errorf("%w; %s", err, c.identity.lockedOut(c.target))
	}
	return l, err
}

func (c *Client) dialTCP(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, dialTimeout, fmt.Errorf("%w: no answer at %s within %s", ErrUnreachable, c.target.door(), dialTimeout))
	defer cancel()
	conn, err := c.dial(ctx, "tcp", address)
	for try := 1; try <= nameTries && unresolved(err) && schedule.Pause(ctx, 100*time.Millisecond<<try) == nil; try++ {
		conn, err = c.dial(ctx, "tcp", address)
	}
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	if _, before := errors.AsType[*ConnectError](err); before { // of a jump host, whose words those are
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok { // its words have the address
		err = fmt.Errorf("%s: %w", c.target.door(), op.Err)
	}
	if name, ok := errors.AsType[*net.DNSError](err); ok && c.target.Host == c.target.Name {
		err = fmt.Errorf("its name: %s", name.Err)
	}
	return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// unresolved tells a name that could not be resolved from a host that does not
// answer. Resolvers fail at random, too.
func unresolved(err error) bool {
	_, ok := errors.AsType[*net.DNSError](err)
	_, before := errors.AsType[*ConnectError](err) // a jump host was asked for again already
	return ok && !before
}

// dropped tells a handshake that the server cut off from an answer.
func dropped(err error) bool {
	return errors.Is(err, errEOF) || errors.Is(err, errReset)
}

func (c *Client) named(err error) error { return &ConnectError{Host: c.target.Name, Err: err} }
