package ssh_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh/sshtest"
	xssh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"
)

// connects in the environment makes this program one that connects its standard
// input and output to its argument, as `nc` does.
const connects = "FAIRLEAD_TEST_CONNECTS"

func connect(address string) int {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer conn.Close()
	go func() { _, _ = io.Copy(conn, os.Stdin) }()
	_, _ = io.Copy(os.Stdout, conn)
	return 0
}

// nc connects to a server, after a shell has done something else.
func nc(t *testing.T, first string, s *sshtest.Server) ssh.Program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return ssh.Program{Argv: []string{"sh", "-c", first + ` exec "$0" "$1"`, self, s.Addr}, Env: []string{"PATH=" + os.Getenv("PATH"), connects + "=1"}}
}

func TestAProgramCanBeTheConnection(t *testing.T) {
	t.Setenv("DAEMONS_TOKEN", "canary")
	s := sshtest.Start(t, sshtest.Options{})
	pids := filepath.Join(t.TempDir(), "pids")
	p := nc(t, `sleep 600 & echo $! $$ >"`+pids+`"; env >>"`+pids+`";`, s)
	c := clientThrough(t, s, sshtest.KnownHosts(t, s), p.Dial)
	get(t, c, "tcp", listen(t, "tcp", "127.0.0.1:0"))
	get(t, c, "unix", listen(t, "unix", t.TempDir()+"/s.sock"))
	text, err := os.ReadFile(pids)
	if err != nil || strings.Contains(string(text), "canary") || s.Connections.Load() != 1 {
		t.Fatalf("%s, %v, %d connections", text, err, s.Connections.Load())
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for _, pid := range strings.Fields(line) {
		if state := eventually(pid); state != "" {
			t.Errorf("process %s is still there: %s", pid, state)
		}
	}
}

// eventually waits until a process has ended, and returns what it is otherwise.
func eventually(pid string) (state string) {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if _, rest, _ := strings.Cut(string(stat), ") "); err != nil || strings.HasPrefix(rest, "Z") {
			return ""
		}
		state = string(stat)
		time.Sleep(time.Millisecond)
	}
	return state
}

func TestAProgramThatDoesNotConnectIsToldWithItsLastWords(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	known := sshtest.KnownHosts(t, s)
	for script, want := range map[string]string{
		`echo; printf 'no such\033 instance\n\n' >&2; exit 3`: "exit status 3): no such instance",
		"exit 0":               "exit status 0",
		"exec >&- ; sleep 600": "closed the connection",
	} {
		p := ssh.Program{Argv: []string{"sh", "-c", script}}
		err := clientThrough(t, s, known, p.Dial).Connect(t.Context())
		if !errors.Is(err, ssh.ErrUnreachable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", script, err)
		}
	}
	p := ssh.Program{Argv: []string{"/none/connect"}}
	if err := clientThrough(t, s, known, p.Dial).Connect(t.Context()); !errors.Is(err, ssh.ErrUnreachable) || !strings.Contains(err.Error(), "/none/connect") {
		t.Errorf("no such program: %v", err)
	}
}

func TestAHostKeyIsCheckedThroughAProgramToo(t *testing.T) {
	s, other := sshtest.Start(t, sshtest.Options{}), sshtest.Start(t, sshtest.Options{})
	err := clientThrough(t, s, sshtest.KnownHosts(t, other), nc(t, "", s).Dial).Connect(t.Context())
	if _, unknown := errors.AsType[*ssh.UnknownHostKeyError](err); !unknown || s.Logins.Load() != 0 {
		t.Errorf("%v, %d logins", err, s.Logins.Load())
	}
}

// signers makes so many keys.
func signers(t *testing.T, n int) (list []xssh.Signer) {
	t.Helper()
	for range n {
		list = append(list, sshtest.Start(t, sshtest.Options{}).Signer)
	}
	return list
}

// enter tries to log in to a server.
func enter(t *testing.T, s *sshtest.Server, id ssh.Identity, l ssh.Login) error {
	t.Helper()
	id.KnownHosts = append(id.KnownHosts, sshtest.KnownHosts(t, s))
	c := ssh.NewClient(ssh.Target{Name: "web-1", Host: s.Host, Port: s.Port, User: "root", Alias: l.Alias}, id.At(l), (&net.Dialer{}).DialContext,
		ssh.NewLimiter(8, func() time.Duration { return time.Millisecond }), slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = c.Close() })
	return c.Connect(t.Context())
}

func TestAHostsOwnKeysAreOfferedFirst(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	wrong := signers(t, 8) // sshd ends a login after six
	if err := enter(t, s, ssh.Identity{Signers: append(wrong, s.Signer)}, ssh.Login{}); !errors.Is(err, ssh.ErrAuth) && !errors.Is(err, ssh.ErrUnreachable) {
		t.Errorf("the ninth key: %v", err)
	}
	if err := enter(t, s, ssh.Identity{Signers: wrong}, ssh.Login{Signers: []xssh.Signer{s.Signer}}); err != nil {
		t.Error(err)
	}
	if err := enter(t, s, ssh.Identity{Signers: []xssh.Signer{s.Signer}}, ssh.Login{Only: true, Signers: wrong[:1]}); !errors.Is(err, ssh.ErrAuth) {
		t.Errorf("a key of others, with Only: %v", err)
	}
}

// ofAgent serves an agent with keys.
func ofAgent(t *testing.T, keys ...any) (socket string) {
	t.Helper()
	ring := agent.NewKeyring()
	for _, k := range keys {
		if err := ring.Add(agent.AddedKey{PrivateKey: k}); err != nil {
			t.Fatal(err)
		}
	}
	socket = t.TempDir() + "/agent"
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { _ = agent.ServeAgent(ring, conn); _ = conn.Close() })
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return socket
}

func TestOfAnAgentOnlyTheKeysThatAreMeantAreOffered(t *testing.T) {
	mine, signer := keyOf(t)
	others, _ := keyOf(t)
	s := sshtest.Start(t, sshtest.Options{Signer: signer})
	socket := ofAgent(t, others, mine)
	if err := enter(t, s, ssh.Identity{}, ssh.Login{Agent: socket}); err != nil {
		t.Errorf("all of them: %v", err)
	}
	if err := enter(t, s, ssh.Identity{Agent: "/none"}, ssh.Login{Agent: socket, Only: true, Held: []xssh.PublicKey{signer.PublicKey()}}); err != nil {
		t.Errorf("the one: %v", err)
	}
	_, other := keyOf(t)
	if err := enter(t, s, ssh.Identity{Agent: socket}, ssh.Login{Only: true, Held: []xssh.PublicKey{other.PublicKey()}}); err == nil || !strings.Contains(err.Error(), "no SSH key") { // none is left to offer
		t.Errorf("another: %v", err)
	}
}

func TestAnAliasIsTheHostsNameInKnownHosts(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	text, err := os.ReadFile(sshtest.KnownHosts(t, s))
	if err != nil {
		t.Fatal(err)
	}
	_, key, _ := strings.Cut(string(text), " ")
	file := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(file, []byte(knownhosts.Normalize("shop-web")+" "+key), 0o600); err != nil {
		t.Fatal(err)
	}
	id := ssh.Identity{Signers: []xssh.Signer{s.Signer}}
	if err := enter(t, s, id, ssh.Login{Alias: "shop-web", KnownHosts: []string{file}}); err != nil {
		t.Error(err)
	}
	if _, unknown := errors.AsType[*ssh.UnknownHostKeyError](enter(t, s, id, ssh.Login{Alias: "shop-db", KnownHosts: []string{file}})); !unknown {
		t.Error("it is known by another name")
	}
}

func TestANameThatDoesNotResolveIsAskedForAgain(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	asked := 0
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if asked++; asked <= 3 {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "server misbehaving", Name: "web-1"}}
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	if err := clientThrough(t, s, sshtest.KnownHosts(t, s), dial).Connect(t.Context()); err != nil || asked != 4 {
		t.Errorf("%v after %d", err, asked)
	}
}

// keyOf makes a private key and its signer.
func keyOf(t *testing.T) (any, xssh.Signer) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := xssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &key, signer
}
