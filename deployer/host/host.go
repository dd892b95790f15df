package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/files"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
)

// maxStdio is how many sessions may carry the Engine API where the socket
// cannot be forwarded; the others of sshd's ten are for files and commands.
const maxStdio = 5

// A Host is one server. It is safe for concurrent use; what breaks is
// connected anew at the next use.
type Host struct {
	name   string
	socket string
	client *ssh.Client // nil for this machine
	engine *docker.Engine
	sftp   *files.SFTP // over SSH, or through the engine
	door   files.Door
	config Config

	homeOnce sync.Mutex
	home     string // absolute, once asked
	archOnce sync.Mutex
	arch     string // once asked

	selfOnce  sync.Mutex
	selfKnown bool
	self      container.Observed // without an ID: this process runs in none of its containers

	noRoute atomic.Bool // containers cannot be dialled from here

	stdio atomic.Bool // the socket cannot be forwarded
	slots chan struct{}
}

func newHost(a Address, client *ssh.Client, config Config, log *slog.Logger) *Host {
	h := &Host{name: cmp.Or(a.Name, a.Host, "localhost"), socket: cmp.Or(a.Socket, DefaultSocket), client: client,
		config: config, slots: make(chan struct{}, maxStdio)}
	h.engine = docker.New(h.name, h.dialEngine, log)
	h.engine.Protect(config.Self...)
	if client == nil {
		h.home, h.sftp = a.Home, newMounted(h)
		h.door = files.Lazy(h.chooseDoor)
		return h
	}
	h.sftp = files.NewSFTP(h.name, func(ctx context.Context) (io.ReadWriteCloser, error) { return client.Subsystem(ctx, "sftp") }, config.Unique)
	h.door = h.sftp.Door()
	return h
}

func (h *Host) close() error {
	err := h.sftp.Close() // which may need the engine
	return errors.Join(err, h.engine.Close())
}

// Name is the host as written in deploy.yml.
func (h *Host) Name() string { return h.name }

// Engine is the host's container engine.
func (h *Host) Engine() *docker.Engine { return h.engine }

// Files is the door to the home folder of the SSH user.
func (h *Host) Files() files.Door { return h.door }

// IsLocal tells whether the host is this machine, reached without SSH.
func (h *Host) IsLocal() bool { return h.client == nil }

// Ping makes sure that the host can be reached and its engine answers.
func (h *Host) Ping(ctx context.Context) error { return h.engine.Ping(ctx) }

// DialEngine connects to the engine's socket, by whichever way the host allows.
func (h *Host) DialEngine(ctx context.Context) (net.Conn, error) { return h.dialEngine(ctx) }

// dialEngine connects to the engine's socket: forwarded by sshd, which starts
// no process and costs no session, or else through the docker program.
func (h *Host) dialEngine(ctx context.Context) (net.Conn, error) {
	if h.client == nil {
		return h.dialHere(ctx, "unix", h.socket)
	}
	if !h.stdio.Load() {
		conn, err := h.client.Dial(ctx, "unix", h.socket)
		if err == nil || !errors.Is(err, ssh.ErrRefused) && !errors.Is(err, ssh.ErrProhibited) {
			return conn, err
		}
		// A missing socket and a forbidden one look alike: the docker program
		// on the host tells which.
		if out, version := h.client.Output(ctx, h.docker("version")); version != nil {
			return nil, fmt.Errorf("%w; `docker version` there says: %s", err, strings.TrimSpace(cmp.Or(out, version.Error())))
		}
		h.stdio.Store(true)
	}
	return h.dialStdio(ctx)
}

// docker is a command line of the docker program for the host's socket, whose
// path check has found to be plain.
func (h *Host) docker(command string) string {
	if h.socket == DefaultSocket {
		return "docker " + command
	}
	return "docker -H unix://" + h.socket + " " + command
}

func (h *Host) dialStdio(ctx context.Context) (net.Conn, error) {
	if err := h.takeSlot(ctx); err != nil {
		return nil, err
	}
	release := sync.OnceFunc(func() { <-h.slots })
	conn, err := h.openStdio(ctx)
	if err != nil {
		release()
		return nil, err
	}
	return &stdioConn{Conn: conn, release: release}, nil
}

// openStdio opens a session. sshd counts those that we have closed until it
// has seen the end of their commands, so that it may refuse one too many.
func (h *Host) openStdio(ctx context.Context) (net.Conn, error) {
	for wait := 20 * time.Millisecond; ; wait *= 2 {
		conn, err := h.client.Stream(ctx, h.docker("system dial-stdio"))
		if err == nil || !errors.Is(err, ssh.ErrRefused) || wait > time.Second {
			return conn, err
		}
		pause := time.NewTimer(wait)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, err
		}
	}
}

// takeSlot waits for a place for a session of the Engine API. Idle ones give
// way: a command's streams cannot use them.
func (h *Host) takeSlot(ctx context.Context) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case h.slots <- struct{}{}:
			return nil
		default:
		}
		_ = h.engine.Close() // only what is idle
		select {
		case h.slots <- struct{}{}:
			return nil
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for a session: %w", context.Cause(ctx))
		}
	}
}

// stdioConn frees its slot when it is closed.
type stdioConn struct {
	net.Conn
	release func()
}

// Close closes the connection.
func (c *stdioConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// CloseWrite ends what the engine reads, for commands with standard input.
func (c *stdioConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
