package ssh_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh/sshtest"
	"go.uber.org/goleak"
	xssh "golang.org/x/crypto/ssh"
)

// x/crypto's openChannel may hang on a connection that is gone.
func TestMain(m *testing.M) {
	if os.Getenv(connects) != "" {
		os.Exit(connect(os.Args[1]))
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("golang.org/x/crypto/ssh.(*mux).openChannel"))
}

func client(t *testing.T, s *sshtest.Server, knownHosts string) *ssh.Client {
	return clientThrough(t, s, knownHosts, (&net.Dialer{}).DialContext)
}

func clientThrough(t *testing.T, s *sshtest.Server, knownHosts string, dial ssh.DialFunc) *ssh.Client {
	t.Helper()
	c := ssh.NewClient(ssh.Target{Name: "web-1", Host: s.Host, Port: s.Port, User: "root"},
		ssh.Identity{KnownHosts: []string{knownHosts, "/none/known_hosts"}, Signers: []xssh.Signer{s.Signer}}, dial,
		ssh.NewLimiter(8, func() time.Duration { return time.Millisecond }), slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// listen serves "hello" on a socket of the host.
func listen(t *testing.T, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })}
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() { _ = server.Close(); wg.Wait() })
	return l.Addr().String()
}

func get(t *testing.T, c *ssh.Client, network, address string) {
	t.Helper()
	conn, err := c.Dial(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
	if answer, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(answer), "hello") {
		t.Fatalf("%q, %v", answer, err)
	}
}

func TestManyUsersShareOneConnection(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{Commands: map[string]func(io.Reader, io.Writer, io.Writer) int{
		"echo": func(in io.Reader, out, _ io.Writer) int { _, _ = io.Copy(out, in); return 0 }}})
	c := client(t, s, sshtest.KnownHosts(t, s))
	tcp, unix := listen(t, "tcp", "127.0.0.1:0"), listen(t, "unix", t.TempDir()+"/s.sock")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { get(t, c, "tcp", tcp); get(t, c, "unix", unix) })
	}
	for range 20 {
		wg.Go(func() {
			conn, err := c.Stream(t.Context(), "echo")
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "to and fro")
			_ = conn.(interface{ CloseWrite() error }).CloseWrite()
			if b, err := io.ReadAll(conn); string(b) != "to and fro" || err != nil {
				t.Errorf("%q, %v", b, err)
			}
			_ = conn.Close()
		})
	}
	wg.Wait()
	if n := s.Connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	if n := s.Channels.Load(); n != 40 {
		t.Errorf("%d channels", n)
	}
}

func TestALostConnectionIsMadeAnew(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c := client(t, s, sshtest.KnownHosts(t, s))
	address := listen(t, "tcp", "127.0.0.1:0")
	for range 3 {
		get(t, c, "tcp", address)
		s.Drop()
	}
	if n := s.Logins.Load(); n != 3 {
		t.Errorf("%d logins", n)
	}
}

func TestABusyServerIsAskedAgain(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{DropHandshakes: 2})
	if err := client(t, s, sshtest.KnownHosts(t, s)).Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestHostKeysAreStrict(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	empty := t.TempDir() + "/empty"
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, "/none/at/all"} {
		err := client(t, s, file).Connect(t.Context())
		unknown, ok := errors.AsType[*ssh.UnknownHostKeyError](err)
		if !ok || !strings.HasPrefix(unknown.Fingerprint, "SHA256:") || unknown.KeyType != "ssh-ed25519" {
			t.Errorf("an unknown host: %v", err)
		} else if !strings.Contains(err.Error(), "fairlead host trust web-1") {
			t.Errorf("no remedy in %q", err)
		}
	}
	file := sshtest.KnownHosts(t, s)
	s.ChangeHostKey(t)
	err := client(t, s, file).Connect(t.Context())
	if changed, ok := errors.AsType[*ssh.HostKeyChangedError](err); !ok || changed.KnownAt != file+":1" {
		t.Errorf("a changed key: %v", err)
	}
	if n := s.Logins.Load(); n != 0 {
		t.Errorf("%d logins on hosts that are not trusted", n)
	}
}

func TestARefusedLoginIsNotTriedAgainAtOnce(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	file := sshtest.KnownHosts(t, s)
	c := ssh.NewClient(ssh.Target{Name: "web-1", Host: s.Host, Port: s.Port, User: "root"},
		ssh.Identity{KnownHosts: []string{file}, Signers: []xssh.Signer{newKey(t)}}, (&net.Dialer{}).DialContext,
		ssh.NewLimiter(1, func() time.Duration { return 0 }), slog.New(slog.DiscardHandler))
	defer c.Close()
	for range 5 {
		if err := c.Connect(t.Context()); !errors.Is(err, ssh.ErrAuth) {
			t.Fatal(err)
		}
	}
	if n := s.Connections.Load(); n != 1 {
		t.Errorf("%d tries", n)
	}
}

// newKey makes a key that only another server lets in.
func newKey(t *testing.T) xssh.Signer { return sshtest.Start(t, sshtest.Options{}).Signer }

func TestAHostThatIsAwayIsNamedOnce(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	unresolved := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "web-1"}}
	}
	quiet := func(at ssh.Target, dial ssh.DialFunc) *ssh.Client {
		return ssh.NewClient(at, ssh.Identity{Signers: []xssh.Signer{s.Signer}}, dial,
			ssh.NewLimiter(1, func() time.Duration { return 0 }), slog.New(slog.DiscardHandler))
	}
	bastion := quiet(ssh.Target{Name: "bastion", Host: "b.example.com"}, unresolved)
	defer bastion.Close()
	for _, c := range []struct {
		at   ssh.Target
		dial ssh.DialFunc
		want string
	}{
		{ssh.Target{Name: "127.0.0.1", Host: "127.0.0.1", Port: 1}, (&net.Dialer{}).DialContext, "connect to 127.0.0.1: the host cannot be reached: port 1: connect: connection refused"},
		{ssh.Target{Name: "web-1", Host: "127.0.0.1", Port: 1}, (&net.Dialer{}).DialContext, "connect to web-1: the host cannot be reached: 127.0.0.1:1: connect: connection refused"},
		{ssh.Target{Name: "web-1", Host: "web-1"}, unresolved, "connect to web-1: the host cannot be reached: its name: no such host"},
		// It is the jump host whose name is wrong.
		{ssh.Target{Name: "web-1", Host: "web-1"}, bastion.Dial, "connect to web-1: the host cannot be reached: connect to bastion: the host cannot be reached: b.example.com:22: lookup web-1: no such host"},
	} {
		client := quiet(c.at, c.dial)
		defer client.Close()
		if err := client.Connect(t.Context()); !errors.Is(err, ssh.ErrUnreachable) || err.Error() != c.want {
			t.Errorf("%q, want %q", err, c.want)
		}
	}
}

func TestAMuteServerEndsWithTheCallersDeadline(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{MuteHandshake: true})
	c := client(t, s, sshtest.KnownHosts(t, s))
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("asked too long"))
	defer cancel()
	if err := c.Connect(ctx); err == nil || !strings.Contains(err.Error(), "asked too long") {
		t.Error(err)
	}
	s.Drop() // or the dial, which is shared, would go on for its own ten seconds
}

func TestRefusalsAreToldApart(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{RefuseTCP: true, RefuseStreamlocal: true})
	c := client(t, s, sshtest.KnownHosts(t, s))
	if _, err := c.Dial(t.Context(), "tcp", "127.0.0.1:80"); !errors.Is(err, ssh.ErrProhibited) {
		t.Errorf("forbidden: %v", err)
	}
	if _, err := c.Dial(t.Context(), "unix", "/run/docker.sock"); !errors.Is(err, ssh.ErrRefused) {
		t.Errorf("a socket: %v", err)
	}
	open := sshtest.Start(t, sshtest.Options{})
	if _, err := client(t, open, sshtest.KnownHosts(t, open)).Dial(t.Context(), "tcp", "127.0.0.1:1"); !errors.Is(err, ssh.ErrRefused) {
		t.Errorf("nobody listens: %v", err)
	}
	if s.Logins.Load() != 1 {
		t.Errorf("a refusal cost the connection: %d logins", s.Logins.Load())
	}
}

func TestAHostIsReachedThroughAJumpHost(t *testing.T) {
	jump, inner := sshtest.Start(t, sshtest.Options{}), sshtest.Start(t, sshtest.Options{})
	known := sshtest.KnownHosts(t, jump, inner)
	c := clientThrough(t, inner, known, client(t, jump, known).Dial)
	get(t, c, "tcp", listen(t, "tcp", "127.0.0.1:0"))
	if jump.Channels.Load() != 1 || inner.Channels.Load() != 1 {
		t.Error("it did not go through the jump host")
	}
}

func TestNeverMoreThanEightSessionsAreOpen(t *testing.T) {
	busy := make(chan struct{}, 100)
	leave := make(chan struct{})
	s := sshtest.Start(t, sshtest.Options{MaxSessions: 8, Commands: map[string]func(io.Reader, io.Writer, io.Writer) int{
		"wait": func(io.Reader, io.Writer, io.Writer) int { busy <- struct{}{}; <-leave; return 0 }}})
	c := client(t, s, sshtest.KnownHosts(t, s))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := c.Output(t.Context(), "wait"); err != nil {
				t.Error(err)
			}
		})
	}
	for range 8 {
		<-busy
	}
	close(leave)
	wg.Wait()
	if n := s.Sessions.Load(); n != 20 {
		t.Errorf("%d sessions", n)
	}
}

func TestACommandThatFailsSaysWhy(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	_, err := client(t, s, sshtest.KnownHosts(t, s)).Output(t.Context(), "docker version")
	if err == nil || !strings.Contains(err.Error(), "command not found: docker version") {
		t.Error(err)
	}
}

func TestAClosedClientStaysClosed(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c := client(t, s, sshtest.KnownHosts(t, s))
	if err := errors.Join(c.Connect(t.Context()), c.Close(), c.Close()); err != nil {
		t.Fatal(err)
	}
	if err := c.Connect(t.Context()); !errors.Is(err, ssh.ErrClosed) {
		t.Error(err)
	}
}
