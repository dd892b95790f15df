package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/program"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
)

// DefaultSocket is where Docker listens.
const DefaultSocket = "/var/run/docker.sock"

// ErrClosed: the Pool was closed.
var ErrClosed = errors.New("the pool of hosts is closed")

// An Address says where a host is and how it is reached.
type Address struct {
	Name string // as written in deploy.yml; for messages
	// Host is a name or IP address; empty and "localhost" are the machine that
	// runs Fairlead, reached without SSH.
	Host string
	Port int    // of SSH; 0 is 22
	User string // empty is "root"
	Jump *Address
	// Program connects in place of TCP; nil is TCP. Not with Jump.
	Program *ssh.Program
	// Login is what differs here from the Pool's identity.
	Login ssh.Login
	// Socket is the engine's socket on the host; empty is DefaultSocket.
	Socket string
	// Home is the folder for files where there is no SSH, as the host names it;
	// empty is that of this process's user. Where this process does not see it,
	// it is reached through the engine.
	Home string
}

// IsLocal tells whether no SSH is needed.
func (a Address) IsLocal() bool { return a.Host == "" || a.Host == "localhost" }

// key tells apart addresses that need different connections.
func (a Address) key() string {
	via := ""
	if a.Jump != nil {
		via = a.Jump.key()
	}
	if a.Program != nil {
		via = fmt.Sprintf("%q", a.Program.Argv)
	}
	return fmt.Sprintf("%s|%d|%s|%s|%s|%s|%s", a.Host, cmp.Or(a.Port, 22), a.User, a.Socket, a.Home, via, a.Login.Tag())
}

// sshKey is key without what does not concern the connection.
func (a Address) sshKey() string {
	a.Socket, a.Home = "", ""
	return a.key()
}

func (a Address) check() error {
	socket := cmp.Or(a.Socket, DefaultSocket)
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-", r)
	}
	// It may become part of a command line (dial-stdio).
	if !strings.HasPrefix(socket, "/") || strings.ContainsFunc(socket, func(r rune) bool { return !plain(r) }) {
		return fmt.Errorf("host %s: the engine's socket %q must be an absolute path of letters, digits and /._-", a.Name, a.Socket)
	}
	if strings.HasPrefix(a.Host, "-") || strings.ContainsAny(a.Host, " \t\n") {
		return fmt.Errorf("host %q is no host name", a.Host)
	}
	return nil
}

// A Config is what all hosts of a Pool share.
type Config struct {
	Identity ssh.Identity
	// Dials is how many SSH handshakes run at once; 0 is 64. One sshd never sees
	// more than eight of them.
	Dials int
	// Dial opens the TCP connections to servers; nil is this machine's way.
	Dial ssh.DialFunc
	// Jitter makes a short random pause, for dials that had to wait.
	Jitter func() time.Duration
	// Unique makes a word that was never used before.
	Unique func() string
	// Environ are the variables, as NAME=value, of the user that works on this
	// machine as a host without SSH; nil: none. A daemon's own, which may hold
	// its tokens, are no repository's to read.
	Environ func() []string
	// Binary is the program for hosts whose files only their engine reaches;
	// nil: there is none.
	Binary program.Binary
	// Self is what SelfIDs returned, so that the container that this process
	// runs in is known on its host and left alone there.
	Self []string
}

// A Pool keeps one Host, and so one connection, per address.
type Pool struct {
	config  Config
	limiter *ssh.Limiter
	log     *slog.Logger

	mu     sync.Mutex
	hosts  map[string]*Host
	ssh    map[string]*ssh.Client
	sshd   map[string]*ssh.Limiter // by address
	closed bool
}

const (
	dials       = 64
	dialsOfSSHD = 8 // sshd starts to refuse at ten (MaxStartups)
)

// NewPool makes a Pool. Nothing is dialled before a host is used.
func NewPool(config Config, log *slog.Logger) *Pool {
	return &Pool{config: config, log: log, limiter: ssh.NewLimiter(cmp.Or(config.Dials, dials), config.Jitter),
		hosts: map[string]*Host{}, ssh: map[string]*ssh.Client{}, sshd: map[string]*ssh.Limiter{}}
}

// Get returns the host at an address, without connecting to it; it belongs to
// the Pool.
func (p *Pool) Get(ctx context.Context, a Address) (*Host, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	if h, ok := p.hosts[a.key()]; ok {
		return h, nil
	}
	var client *ssh.Client
	if !a.IsLocal() {
		client = p.client(a)
	}
	h := newHost(a, client, p.config, p.log)
	p.hosts[a.key()] = h
	return h, nil
}

// client returns the SSH connection for an address, through those of its jump
// hosts. The caller holds the lock.
func (p *Pool) client(a Address) *ssh.Client {
	if c, ok := p.ssh[a.sshKey()]; ok {
		return c
	}
	dial := p.config.Dial
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext
	}
	if a.Jump != nil {
		dial = p.client(*a.Jump).Dial
	}
	if a.Program != nil {
		dial = a.Program.Dial
	}
	at := net.JoinHostPort(a.Host, strconv.Itoa(cmp.Or(a.Port, 22)))
	if p.sshd[at] == nil {
		p.sshd[at] = p.limiter.Part(dialsOfSSHD)
	}
	c := ssh.NewClient(ssh.Target{Name: cmp.Or(a.Name, a.Host), Host: a.Host, Port: a.Port, User: cmp.Or(a.User, "root"), Alias: a.Login.Alias},
		p.config.Identity.At(a.Login), dial, p.sshd[at], p.log)
	p.ssh[a.sshKey()] = c
	return c
}

// Close ends all connections.
func (p *Pool) Close() error {
	p.mu.Lock()
	hosts, clients := p.hosts, p.ssh
	p.hosts, p.ssh, p.closed = nil, nil, true
	p.mu.Unlock()
	var all []error
	for _, h := range hosts {
		all = append(all, h.close())
	}
	for _, c := range clients {
		all = append(all, c.Close())
	}
	return errors.Join(all...)
}
