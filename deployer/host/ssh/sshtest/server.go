// Package sshtest runs an SSH server inside the test's process, with the
// faults of real ones on demand.
//
// Lives here: the server. May not live here: anything that a program imports.
package sshtest

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Options are what the server is like.
type Options struct {
	Home              string // where sftp starts; empty is a new folder
	MuteHandshake     bool   // accepts TCP, says nothing
	RefuseStreamlocal bool   // AllowStreamLocalForwarding no
	RefuseTCP         bool   // AllowTcpForwarding no
	DropHandshakes    int    // so many first connections are cut at once, as MaxStartups does
	MaxSessions       int    // 0 is sshd's 10
	// Signer is the key that it lets in; nil is a new one.
	Signer ssh.Signer
	// RoundTrip makes it as far away: bytes arrive half of it late, both ways,
	// and a connection takes one to be made.
	RoundTrip time.Duration
	// Listener takes its connections; nil is one of the loopback device.
	Listener net.Listener
	// Dial is where forwarded channels lead; nil is this machine's network.
	Dial func(network, address string) (net.Conn, error)
	// Commands maps a command line to what its session does; it returns the
	// exit status. Others end with 127.
	Commands map[string]func(in io.Reader, out, errs io.Writer) int
}

// A Server is a running server.
type Server struct {
	Addr   string // 127.0.0.1:PORT
	Host   string
	Port   int
	Home   string
	Signer ssh.Signer // the key that it lets in, as any user

	// Connections counts accepted TCP connections, Logins those that
	// authenticated, Sessions and Channels (direct-tcpip and
	// direct-streamlocal) what was opened in all.
	Connections, Logins, Sessions, Channels atomic.Int64
	// Refused counts sessions over MaxSessions, Waiting the connections that
	// have not logged in, MostWaiting how many these were at most (MaxStartups).
	Refused, Waiting, MostWaiting atomic.Int64
	// Silent makes the server stop answering requests and opening channels,
	// as a frozen machine does; the TCP connection stays.
	Silent atomic.Bool

	options  Options
	hostKey  ssh.Signer
	listener net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]bool
	done     chan struct{}
	commands []string
}

// Commands are the command lines that sessions asked for so far.
func (s *Server) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.commands...)
}

// Start runs a server until the end of the test.
func Start(t testing.TB, options Options) *Server {
	t.Helper()
	if options.Home == "" {
		options.Home = t.TempDir()
	}
	if options.Signer == nil {
		options.Signer = newSigner(t)
	}
	if options.Dial == nil {
		options.Dial = net.Dial
	}
	listener := options.Listener
	if listener == nil {
		var err error
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	number, _ := strconv.Atoi(port)
	s := &Server{Addr: listener.Addr().String(), Host: host, Port: number, Home: options.Home, Signer: options.Signer, hostKey: newSigner(t),
		options: options, listener: listener, conns: map[net.Conn]bool{}, done: make(chan struct{})}
	s.wg.Go(s.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		close(s.done)
		s.Drop()
		s.wg.Wait()
	})
	return s
}

func newSigner(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// KnownHosts writes a known_hosts file that trusts the given servers.
func KnownHosts(t testing.TB, servers ...*Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "known_hosts")
	var text string
	for _, s := range servers {
		text += knownhosts.Line([]string{s.Addr}, s.hostKey.PublicKey()) + "\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// ChangeHostKey makes the server show a new host key from now on.
func (s *Server) ChangeHostKey(t testing.TB) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hostKey = newSigner(t)
}

// Drop cuts all connections.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		if int(s.Connections.Add(1)) <= s.options.DropHandshakes {
			_ = conn.Close()
			continue
		}
		s.mu.Lock()
		s.conns[conn] = true
		s.mu.Unlock()
		s.wg.Go(func() {
			if s.options.RoundTrip > 0 {
				far := newFar(conn, s.options.RoundTrip)
				s.serve(far)
				far.end()
			} else {
				s.serve(conn)
			}
			_ = conn.Close()
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
		})
	}
}

func (s *Server) serve(conn net.Conn) {
	if s.options.MuteHandshake {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(s.Signer.PublicKey().Marshal()) {
			return nil, errors.New("unknown key")
		}
		return nil, nil
	}}
	config.AuthLogCallback = func(_ ssh.ConnMetadata, _ string, err error) { // before the client knows
		if err == nil {
			s.Logins.Add(1)
		}
	}
	s.mu.Lock()
	config.AddHostKey(s.hostKey)
	s.mu.Unlock()
	for n := s.Waiting.Add(1); ; {
		if most := s.MostWaiting.Load(); n <= most || s.MostWaiting.CompareAndSwap(most, n) {
			break
		}
	}
	c, channels, requests, err := ssh.NewServerConn(conn, config)
	s.Waiting.Add(-1)
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer c.Close()
	wg.Go(func() {
		for r := range requests {
			if !s.Silent.Load() && r.WantReply {
				_ = r.Reply(false, nil)
			}
		}
	})
	var sessions atomic.Int64
	for ch := range channels {
		if s.Silent.Load() {
			continue
		}
		wg.Go(func() { s.open(ch, &sessions) })
	}
}

func (s *Server) open(ch ssh.NewChannel, sessions *atomic.Int64) {
	switch ch.ChannelType() {
	case "session":
		limit := s.options.MaxSessions
		if limit == 0 {
			limit = 10
		}
		defer sessions.Add(-1)
		if int(sessions.Add(1)) > limit {
			s.Refused.Add(1)
			_ = ch.Reject(ssh.ConnectionFailed, "open failed")
			return
		}
		s.Sessions.Add(1)
		s.session(ch)
	case "direct-tcpip":
		var to struct {
			Host   string
			Port   uint32
			From   string
			FromPt uint32
		}
		if s.options.RefuseTCP || ssh.Unmarshal(ch.ExtraData(), &to) != nil {
			_ = ch.Reject(ssh.Prohibited, "administratively prohibited")
			return
		}
		s.forward(ch, "tcp", net.JoinHostPort(to.Host, fmt.Sprint(to.Port)))
	case "direct-streamlocal@openssh.com":
		var to struct {
			Path     string
			Reserved string
			Unused   uint32
		}
		if s.options.RefuseStreamlocal || ssh.Unmarshal(ch.ExtraData(), &to) != nil {
			_ = ch.Reject(ssh.ConnectionFailed, "open failed")
			return
		}
		s.forward(ch, "unix", to.Path)
	default:
		_ = ch.Reject(ssh.UnknownChannelType, "unknown channel type")
	}
}

func (s *Server) forward(ch ssh.NewChannel, network, address string) {
	conn, err := s.options.Dial(network, address)
	if err != nil {
		_ = ch.Reject(ssh.ConnectionFailed, "open failed")
		return
	}
	s.Channels.Add(1)
	channel, requests, err := ch.Accept()
	if err != nil {
		_ = conn.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	Join(channel, conn)
}

// Join copies between a channel and a connection until one side is through.
func Join(channel io.ReadWriteCloser, conn net.Conn) {
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(conn, channel)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	})
	_, _ = io.Copy(channel, conn)
	_ = channel.Close()
	_ = conn.Close()
	wg.Wait()
}

func (s *Server) session(ch ssh.NewChannel) {
	channel, requests, err := ch.Accept()
	if err != nil {
		return
	}
	defer channel.Close()
	for r := range requests {
		var name struct{ Value string }
		_ = ssh.Unmarshal(r.Payload, &name)
		switch {
		case r.Type == "subsystem" && name.Value == "sftp":
			_ = r.Reply(true, nil)
			server, err := sftp.NewServer(channel, sftp.WithServerWorkingDirectory(s.Home))
			if err == nil {
				_ = server.Serve()
			}
			return
		case r.Type == "exec":
			s.mu.Lock()
			s.commands = append(s.commands, name.Value)
			s.mu.Unlock()
			_ = r.Reply(true, nil)
			status := 127
			if run := s.options.Commands[name.Value]; run != nil {
				status = run(channel, channel, channel.Stderr())
			} else {
				_, _ = io.WriteString(channel.Stderr(), "command not found: "+name.Value+"\n")
			}
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
			return
		default:
			if r.WantReply {
				_ = r.Reply(false, nil)
			}
		}
	}
}

// DialStdio is a command for Options.Commands that does what `docker system
// dial-stdio` does: it joins the session to a unix socket.
func DialStdio(socket string) func(io.Reader, io.Writer, io.Writer) int {
	return func(in io.Reader, out, errs io.Writer) int {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			_, _ = fmt.Fprintln(errs, err)
			return 1
		}
		Join(struct {
			io.Reader
			io.Writer
			io.Closer
		}{in, out, io.NopCloser(nil)}, conn)
		return 0
	}
}
