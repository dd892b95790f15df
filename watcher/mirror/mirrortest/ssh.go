package mirrortest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
)

// SSH is an SSH server that runs git-upload-pack and nothing else.
type SSH struct {
	Addr        string       // host:port
	Key         ssh.Signer   // that opens it
	KnownHosts  string       // file with its host key
	Connections atomic.Int64 // made so far
	Sessions    atomic.Int64 // opened so far

	mu   sync.Mutex
	open map[net.Conn]chan struct{}
}

// NewKey makes an ssh key out of a name; the same name gives the same key.
func NewKey(t testing.TB, name string) ssh.Signer {
	t.Helper()
	seed := bytes.Repeat([]byte(name), 32)[:ed25519.SeedSize]
	s, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ServeSSH serves the repositories of this machine: the path in the URL is the
// path on disk, as with a real sshd.
func ServeSSH(t testing.TB) *SSH {
	t.Helper()
	s := &SSH{Key: NewKey(t, "client"), open: map[net.Conn]chan struct{}{}}
	hostKey := NewKey(t, "host")
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		if !bytes.Equal(k.Marshal(), s.Key.PublicKey().Marshal()) {
			return nil, os.ErrPermission
		}
		return &ssh.Permissions{}, nil
	}}
	config.AddHostKey(hostKey)
	ctx, cancel := context.WithCancel(context.Background())
	s.Addr = Talk(t, func(raw net.Conn) {
		conn, chans, reqs, err := ssh.NewServerConn(raw, config)
		if err != nil {
			raw.Close()
			return
		}
		ended := make(chan struct{})
		defer close(ended)
		defer conn.Close()
		s.mu.Lock()
		s.open[raw] = ended
		s.mu.Unlock()
		s.Connections.Add(1)
		go answerKeepalives(reqs)
		for c := range chans {
			channel, requests, err := c.Accept()
			if err != nil {
				return
			}
			s.Sessions.Add(1)
			go serveSession(ctx, channel, requests)
		}
	})
	t.Cleanup(cancel)
	s.KnownHosts = WriteKnownHosts(t, s.Addr, hostKey.PublicKey())
	return s
}

// WriteKnownHosts writes a known_hosts file with one host and returns its path.
func WriteKnownHosts(t testing.TB, addr string, key ssh.PublicKey) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "known_hosts")
	line := knownhosts.Line([]string{addr}, key) + "\n"
	if err := os.WriteFile(at, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	return at
}

// Hangup cuts all connections and returns when they have ended.
func (s *SSH) Hangup() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for raw, ended := range s.open {
		raw.Close()
		<-ended
		delete(s.open, raw)
	}
}

// URL is the address of a repository on disk.
func (s *SSH) URL(dir string) string { return "ssh://git@" + s.Addr + dir }

func answerKeepalives(reqs <-chan *ssh.Request) {
	for r := range reqs {
		_ = r.Reply(true, nil)
	}
}

func serveSession(ctx context.Context, channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	for r := range requests {
		var command struct{ Line string }
		if r.Type != "exec" || ssh.Unmarshal(r.Payload, &command) != nil || !strings.HasPrefix(command.Line, "git-upload-pack ") {
			_ = r.Reply(false, nil)
			continue
		}
		_ = r.Reply(true, nil)
		// As sshd does: the user's shell takes the line apart.
		cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command.Line)
		cmd.Env = Env()
		cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
		// Not cmd.Stdin: Wait would wait for the client to end it.
		stdin, err := cmd.StdinPipe()
		if err != nil || cmd.Start() != nil {
			return
		}
		go func() {
			_, _ = io.Copy(stdin, channel)
			stdin.Close()
		}()
		status := struct{ Code uint32 }{}
		if cmd.Wait() != nil {
			status.Code = uint32(max(cmd.ProcessState.ExitCode(), 1))
		}
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
		return
	}
}
