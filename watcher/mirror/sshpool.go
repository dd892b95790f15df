package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
)

const (
	sshHandshake = 20 * time.Second // TCP, key exchange and login together
	sshKeepalive = 20 * time.Second // between questions whether the host lives
	sshPatience  = 15 * time.Second // for its answer
	sshIdle      = 10 * time.Minute // without a session until the connection ends
	sshSessions  = 8                // at once; sshd's MaxSessions is 10 by default
)

// sshPool keeps one connection per host, user and key: repositories with the
// same deploy key share it, those with another cannot.
type sshPool struct {
	mu    sync.Mutex
	hosts map[string]*sshHost
}

func newSSHPool() *sshPool { return &sshPool{hosts: map[string]*sshHost{}} }

func (p *sshPool) open(a address, auth Auth) (*sshWire, error) {
	if len(auth.Signers) == 0 {
		return nil, trouble(ErrAuth, "no ssh key is configured for %s; set ssh: key:", a)
	}
	if a.secret != "" {
		return nil, trouble(ErrAddress, "the url of %s has a password in it; ssh uses keys: leave it out", a)
	}
	h := &sshHost{
		at:         a.hostPort(),
		user:       cmp.Or(a.user, auth.User, "git"),
		signers:    auth.Signers,
		knownHosts: auth.KnownHosts,
		dialing:    make(chan struct{}, 1),
		slots:      make(chan struct{}, sshSessions),
	}
	key := []string{h.at, h.user, strings.Join(h.knownHosts, "\x00")}
	for _, s := range auth.Signers {
		key = append(key, ssh.FingerprintSHA256(s.PublicKey()))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	name := strings.Join(key, "\x01")
	if known, ok := p.hosts[name]; ok {
		h = known
	}
	p.hosts[name] = h
	return &sshWire{host: h, path: a.path}, nil
}

func (p *sshPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.hosts {
		h.drop()
		h.tenders.Wait()
	}
}

// sshHost is one host as one user with one set of keys.
type sshHost struct {
	at, user   string
	signers    []ssh.Signer
	knownHosts []string

	dialing chan struct{} // held while connecting
	slots   chan struct{} // one per session
	tenders sync.WaitGroup

	mu   sync.Mutex
	conn *sshConn
}

type sshConn struct {
	client *ssh.Client
	raw    net.Conn
	gone   chan struct{} // closed when the connection has ended
	used   time.Time     // guarded by sshHost.mu
}

// session opens one; release gives its place to the next.
func (h *sshHost) session(ctx context.Context) (*ssh.Session, func(), error) {
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, timedOut(context.Cause(ctx))
	}
	release := func() { <-h.slots }
	var s *ssh.Session
	var err error
	for range 2 { // a connection that ended unnoticed is replaced once
		var c *sshConn
		if c, err = h.connected(ctx); err != nil {
			break
		}
		if s, err = h.newSession(ctx, c); err == nil {
			return s, release, nil
		}
	}
	release()
	return nil, nil, err
}

// newSession waits no longer than ctx; the wait itself has no deadline in
// x/crypto, so what cannot be awaited is cut.
func (h *sshHost) newSession(ctx context.Context, c *sshConn) (*ssh.Session, error) {
	stop := context.AfterFunc(ctx, func() { c.raw.Close() })
	defer stop()
	s, err := c.client.NewSession()
	if err == nil {
		return s, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return nil, timedOut(cause)
	}
	if _, refused := errors.AsType[*ssh.OpenChannelError](err); !refused {
		c.raw.Close()
		<-c.gone
	}
	return nil, because(ErrUnreachable, err, "%s: connection lost (%v); trying again", h.at, err)
}

// connected returns the live connection or makes one.
func (h *sshHost) connected(ctx context.Context) (*sshConn, error) {
	select {
	case h.dialing <- struct{}{}:
		defer func() { <-h.dialing }()
	case <-ctx.Done():
		return nil, timedOut(context.Cause(ctx))
	}
	if c := h.live(); c != nil {
		return c, nil
	}
	c, err := h.dial(ctx)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.conn = c
	h.mu.Unlock()
	h.tenders.Go(func() {
		_ = c.client.Wait()
		close(c.gone)
		h.forget(c)
	})
	h.tenders.Go(func() { h.tend(c) })
	return c, nil
}

func (h *sshHost) live() *sshConn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn != nil {
		h.conn.used = time.Now()
	}
	return h.conn
}

func (h *sshHost) forget(c *sshConn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn == c {
		h.conn = nil
	}
}

// drop cuts the connection, if there is one.
func (h *sshHost) drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn != nil {
		h.conn.raw.Close()
	}
}

// tend asks now and then whether the host still answers, and cuts the
// connection when it does not or nobody has used it for long.
func (h *sshHost) tend(c *sshConn) {
	tick := time.NewTicker(sshKeepalive)
	defer tick.Stop()
	for {
		select {
		case <-c.gone:
			return
		case <-tick.C:
		}
		h.mu.Lock()
		idle := time.Since(c.used) > sshIdle && len(h.slots) == 0
		h.mu.Unlock()
		if idle {
			c.raw.Close()
			continue
		}
		cut := time.AfterFunc(sshPatience, func() { c.raw.Close() })
		_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
		cut.Stop()
		if err != nil {
			c.raw.Close()
		}
	}
}

func (h *sshHost) dial(ctx context.Context) (*sshConn, error) {
	known, err := knownhosts.NewDB(h.knownHosts...)
	if err != nil {
		return nil, because(ErrHostKey, err, "known_hosts cannot be read (%v); check ssh: known_hosts:", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, sshHandshake, errors.New("ssh handshake took too long"))
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", h.at)
	if err != nil {
		return nil, inTime(ctx, because(ErrUnreachable, err, "%v; trying again", err))
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	conn, chans, reqs, err := ssh.NewClientConn(raw, h.at, &ssh.ClientConfig{
		User:              h.user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(h.signers...)},
		HostKeyCallback:   known.HostKeyCallback(),
		HostKeyAlgorithms: known.HostKeyAlgorithms(h.at),
		ClientVersion:     "SSH-2.0-Fairlead",
	})
	if !stop() || err != nil {
		raw.Close()
		return nil, h.handshake(ctx, err)
	}
	return &sshConn{client: ssh.NewClient(conn, chans, reqs), raw: raw, gone: make(chan struct{}), used: time.Now()}, nil
}

// handshake explains why a connection did not come about.
func (h *sshHost) handshake(ctx context.Context, err error) error {
	if err == nil || context.Cause(ctx) != nil {
		return timedOut(context.Cause(ctx))
	}
	host, _, _ := net.SplitHostPort(h.at)
	_, algorithms := errors.AsType[*ssh.AlgorithmNegotiationError](err)
	switch {
	case knownhosts.IsHostKeyChanged(err):
		return because(ErrHostKey, err, "%s shows another key than known_hosts has; somebody may be listening in: if the host was really reinstalled, remove the old line, then fairlead host trust %s", host, host)
	case knownhosts.IsHostUnknown(err):
		return because(ErrHostKey, err, "%s is not in known_hosts; compare its key with what its operator publishes: fairlead host trust %s", host, host)
	case algorithms:
		return because(ErrHostKey, err, "%s and we have no algorithm in common (%v); if known_hosts has an old kind of key: fairlead host trust %s", host, err, host)
	case strings.Contains(err.Error(), "unable to authenticate"):
		return because(ErrAuth, err, "%s does not accept the key for user %s; add its public half as a deploy key (fairlead key)", host, h.user)
	}
	return because(ErrUnreachable, err, "%s: %s; trying again", h.at, fmt.Sprint(err))
}
