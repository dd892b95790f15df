package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
)

var (
	errEOF   = io.EOF
	errReset = syscall.ECONNRESET
)

// channelTimeout bounds the opening of a channel or session: the server only
// has to connect to something on its own machine or network.
const channelTimeout = 20 * time.Second

// Dial connects from the host to an address: network "tcp" (direct-tcpip) or
// "unix" (direct-streamlocal). ErrRefused where nobody listens, ErrProhibited
// where the server forbids it; for a unix socket most servers say ErrRefused
// for both. The connection knows no deadlines; close it to end a read.
func (c *Client) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return with(ctx, c, "dial "+address, func(ctx context.Context, l *link) (net.Conn, error) {
		conn, err := l.client.DialContext(ctx, network, address)
		if refusal, ok := errors.AsType[*ssh.OpenChannelError](err); ok {
			if refusal.Reason == ssh.Prohibited {
				return nil, fmt.Errorf("%w: %w", ErrProhibited, err)
			}
			return nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
		return conn, err
	})
}

// with runs do on a connection, and once more on a new one where the old one
// turns out to be lost.
func with[T any](ctx context.Context, c *Client, what string, do func(context.Context, *link) (T, error)) (T, error) {
	var none T
	ctx, cancel := context.WithTimeoutCause(ctx, channelTimeout+connectTimeout, fmt.Errorf("%w: no answer to %q", ErrLost, what))
	defer cancel()
	for {
		l, fresh, err := c.connected(ctx)
		if err != nil {
			return none, err
		}
		bounded, free := l.bound(ctx)
		value, err := do(bounded, l)
		free()
		switch {
		case err == nil:
			return value, nil
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case errors.Is(err, ErrRefused) || errors.Is(err, ErrProhibited):
		default:
			// x/crypto's errors after a loss have odd texts.
			_ = l.conn.Close()
			<-l.done
			if !fresh {
				continue
			}
			err = fmt.Errorf("%w: %w", ErrLost, err)
		}
		return none, fmt.Errorf("%s on %s: %w", what, c.target.Name, err)
	}
}

// session opens a session; at most eight are open at once. release must be
// called when it is closed.
func (c *Client) session(ctx context.Context) (s *ssh.Session, release func(), err error) {
	select {
	case c.sessions <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("wait for a session on %s: %w", c.target.Name, context.Cause(ctx))
	}
	release = sync.OnceFunc(func() { <-c.sessions })
	s, err = with(ctx, c, "open session", openSession)
	if err != nil {
		release()
		return nil, nil, err
	}
	return s, release, nil
}

// openSession is NewSession that heeds ctx. A session that comes late is closed.
func openSession(ctx context.Context, l *link) (*ssh.Session, error) {
	return inTime(ctx, func() (*ssh.Session, error) {
		s, err := l.client.NewSession()
		if refusal, ok := errors.AsType[*ssh.OpenChannelError](err); ok {
			err = fmt.Errorf("%w: %w (MaxSessions in sshd_config?)", ErrRefused, refusal)
		}
		return s, err
	})
}

// inTime opens something that knows no ctx. What comes when nobody waits for it
// any more is closed: it would keep its place at the server.
func inTime[T io.Closer](ctx context.Context, open func() (T, error)) (T, error) {
	type answer struct {
		opened T
		err    error
		fault  *abreast.Fault
	}
	answers, gone := make(chan answer), make(chan struct{})
	// Nobody can wait for this one: x/crypto's openChannel never returns when
	// the connection ends between its check and its registration.
	go func() {
		var a answer
		a.fault = abreast.Caught(func() { a.opened, a.err = open() })
		select {
		case answers <- a:
		case <-gone:
			if a.err == nil && a.fault == nil {
				_ = a.opened.Close()
			}
		}
	}()
	select {
	case a := <-answers:
		if a.fault != nil {
			panic(a.fault)
		}
		return a.opened, a.err
	case <-ctx.Done():
		close(gone)
		var none T
		return none, context.Cause(ctx)
	}
}

// Stream starts a command and returns its standard input and output as a
// connection, until it is closed. The command must be a constant of ours: the
// user's shell on the host reads it.
func (c *Client) Stream(ctx context.Context, command string) (net.Conn, error) {
	return c.piped(ctx, command, func(s *ssh.Session) error { return s.Start(command) })
}

// Subsystem is Stream for a subsystem of the server, such as "sftp".
func (c *Client) Subsystem(ctx context.Context, name string) (net.Conn, error) {
	return c.piped(ctx, name, func(s *ssh.Session) error { return s.RequestSubsystem(name) })
}

func (c *Client) piped(ctx context.Context, what string, start func(*ssh.Session) error) (net.Conn, error) {
	s, release, err := c.session(ctx)
	if err != nil {
		return nil, err
	}
	p := &pipe{session: s, release: release, host: c.target.Name, what: what}
	s.Stderr = &p.stderr
	p.in, err = s.StdinPipe()
	if err == nil {
		p.out, err = s.StdoutPipe()
	}
	if err == nil {
		// Requests have no timeout either; closing the session ends them.
		stop := context.AfterFunc(ctx, func() { _ = s.Close() })
		err = start(s)
		if !stop() {
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		_ = p.Close()
		return nil, fmt.Errorf("start %s on %s: %w", what, c.target.Name, err)
	}
	return p, nil
}

// Output runs a constant command of ours and returns what it wrote, standard
// error included, at most 64 KiB.
func (c *Client) Output(ctx context.Context, command string) (string, error) {
	conn, err := c.Stream(ctx, command)
	if err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	out, err := io.ReadAll(io.LimitReader(conn, 64<<10))
	p := conn.(*pipe)
	waited := p.session.Wait()
	text := string(out) + p.stderr.String()
	_ = p.Close()
	if ctx.Err() != nil {
		return text, context.Cause(ctx)
	}
	if err = errors.Join(err, waited); err != nil {
		return text, fmt.Errorf("%s on %s: %w: %s", command, c.target.Name, err, strings.TrimSpace(text))
	}
	return text, nil
}

// A pipe is a session's standard input and output as a connection.
type pipe struct {
	session    *ssh.Session
	release    func()
	in         io.WriteCloser
	out        io.Reader
	stderr     lastWords
	host, what string
}

// Read reads the command's output; at its end the error says what the command
// wrote to standard error.
func (p *pipe) Read(b []byte) (int, error) {
	n, err := p.out.Read(b)
	if words := p.stderr.String(); errors.Is(err, io.EOF) && words != "" {
		err = fmt.Errorf("%s on %s ended: %s: %w", p.what, p.host, words, io.EOF)
	}
	return n, err
}

func (p *pipe) Write(b []byte) (int, error) { return p.in.Write(b) }

// CloseWrite ends the command's standard input.
func (p *pipe) CloseWrite() error { return p.in.Close() }

// Close ends the session and frees its place.
func (p *pipe) Close() error {
	defer p.release()
	if err := p.session.Close(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func (p *pipe) LocalAddr() net.Addr  { return pipeAddr{p.what} }
func (p *pipe) RemoteAddr() net.Addr { return pipeAddr{p.host} }

var errNoDeadlines = errors.New("an SSH session has no deadlines")

func (p *pipe) SetDeadline(time.Time) error      { return errNoDeadlines }
func (p *pipe) SetReadDeadline(time.Time) error  { return errNoDeadlines }
func (p *pipe) SetWriteDeadline(time.Time) error { return errNoDeadlines }

type pipeAddr struct{ name string }

func (pipeAddr) Network() string  { return "ssh" }
func (a pipeAddr) String() string { return a.name }

// lastWords keeps the first 4 KiB written to standard error.
type lastWords struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *lastWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(p[:min(len(p), max(0, 4<<10-w.buf.Len()))])
	return len(p), nil
}

func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.TrimSpace(w.buf.String())
}
