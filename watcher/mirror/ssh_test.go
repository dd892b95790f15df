package mirror_test

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/watcher/mirror"
	"github.com/fairlead-deploy/fairlead/watcher/mirror/mirrortest"
)

func TestRepositoriesOfOneHostShareOneSSHConnection(t *testing.T) {
	root := t.TempDir()
	server := mirrortest.ServeSSH(t)
	pool := mirror.NewPool(t.TempDir())
	t.Cleanup(pool.Close)
	auth := mirror.Auth{Signers: []ssh.Signer{server.Key}, KnownHosts: []string{server.KnownHosts}}
	var wg sync.WaitGroup
	const repos, polls = 12, 3
	for n := range repos {
		repo := mirrortest.NewRepo(t, root, fmt.Sprintf("%d.git", n))
		repo.Commit("one", nil)
		m, err := pool.Open(mirror.Remote{Name: repo.Dir, URL: server.URL(repo.Dir), Auth: auth})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for range polls {
				if _, err := m.Tip(t.Context(), "main"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if c, s := server.Connections.Load(), server.Sessions.Load(); c != 1 || s != repos*polls {
		t.Errorf("%d connections and %d sessions, want 1 and %d", c, s, repos*polls)
	}
}

func TestALostSSHConnectionIsReplacedUnnoticed(t *testing.T) {
	repo := mirrortest.NewRepo(t, t.TempDir(), "shop.git")
	repo.Commit("one", nil)
	server := mirrortest.ServeSSH(t)
	m := openIn(t, t.TempDir(), mirror.Remote{URL: server.URL(repo.Dir), Auth: mirror.Auth{Signers: []ssh.Signer{server.Key}, KnownHosts: []string{server.KnownHosts}}})
	for want := range int64(3) {
		if _, err := m.Tip(t.Context(), "main"); err != nil {
			t.Fatal(err)
		}
		if got := server.Connections.Load(); got != want+1 {
			t.Errorf("%d connections, want %d", got, want+1)
		}
		server.Hangup()
	}
}

func TestAHostWhoseKeyIsUnknownOrChangedIsRefused(t *testing.T) {
	repo := mirrortest.NewRepo(t, t.TempDir(), "shop.git")
	repo.Commit("one", nil)
	server := mirrortest.ServeSSH(t)
	for says, known := range map[string]string{
		"not in known_hosts": os.DevNull,
		"another key":        mirrortest.WriteKnownHosts(t, server.Addr, mirrortest.NewKey(t, "impostor").PublicKey()),
	} {
		m := openIn(t, t.TempDir(), mirror.Remote{URL: server.URL(repo.Dir), Auth: mirror.Auth{Signers: []ssh.Signer{server.Key}, KnownHosts: []string{known}}})
		_, err := m.Tip(t.Context(), "main")
		wantTrouble(t, err, mirror.ErrHostKey, says)
		wantTrouble(t, err, mirror.ErrHostKey, "fairlead host trust 127.0.0.1")
	}
	if server.Sessions.Load() != 0 {
		t.Error("a session was opened on an unverified host")
	}
}

func TestAKeyThatTheHostDoesNotKnowIsRefused(t *testing.T) {
	server := mirrortest.ServeSSH(t)
	m := openIn(t, t.TempDir(), mirror.Remote{URL: server.URL("/shop.git"), Auth: mirror.Auth{
		Signers: []ssh.Signer{mirrortest.NewKey(t, "stranger")}, KnownHosts: []string{server.KnownHosts}}})
	_, err := m.Tip(t.Context(), "main")
	wantTrouble(t, err, mirror.ErrAuth, "deploy key")
}

func TestNoShellReadsTheRepositorysPath(t *testing.T) {
	root := t.TempDir()
	server := mirrortest.ServeSSH(t)
	auth := mirror.Auth{Signers: []ssh.Signer{server.Key}, KnownHosts: []string{server.KnownHosts}}
	for _, name := range []string{"a'; touch trap; '.git", "$(touch trap).git", "`touch trap`.git", "!x \\'!.git", "-x.git"} {
		repo := mirrortest.NewRepo(t, root, name)
		sha := repo.Commit("one", nil)
		path := (&url.URL{Path: repo.Dir}).EscapedPath()
		tip, err := openIn(t, t.TempDir(), mirror.Remote{URL: server.URL(path), Auth: auth}).Tip(t.Context(), "main")
		if err != nil || tip.SHA != sha {
			t.Errorf("%q: %+v, %v", name, tip, err)
		}
	}
}

func TestARealSSHDServesRepositories(t *testing.T) {
	repo := mirrortest.NewRepo(t, t.TempDir(), "shop.git")
	sha := repo.Commit("one", map[string]string{"config/deploy.yml": "1"})
	key := mirrortest.NewKey(t, "client")
	addr, known := startSSHD(t, key.PublicKey())
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	m := openIn(t, t.TempDir(), mirror.Remote{Name: "shop", URL: "ssh://" + me.Username + "@" + addr + repo.Dir,
		Auth: mirror.Auth{Signers: []ssh.Signer{key}, KnownHosts: []string{known}}})
	s := look(t, m, "main")
	if s.Revision.SHA != sha {
		t.Errorf("tip = %s, want %s", s.Revision.SHA, sha)
	}
	wantFile(t, s.Files, "config/deploy.yml", "1")
}

// startSSHD runs OpenSSH's server on a port of its own.
func startSSHD(t *testing.T, client ssh.PublicKey) (addr, knownHosts string) {
	t.Helper()
	if os.Getuid() == 0 { // sshd's fixed folder, which only its service makes
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	file := func(name, content string) string {
		at := filepath.Join(dir, name)
		if err := os.WriteFile(at, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return at
	}
	hostKey := filepath.Join(dir, "host")
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", hostKey).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v %s", err, out)
	}
	public, err := os.ReadFile(hostKey + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	host, _, _, _, err := ssh.ParseAuthorizedKey(public)
	if err != nil {
		t.Fatal(err)
	}
	authorized := file("authorized_keys", string(ssh.MarshalAuthorizedKey(client)))
	config := file("sshd_config", "HostKey "+hostKey+"\nAuthorizedKeysFile "+authorized+"\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n")
	// sshd -i serves one connection on its standard input, as inetd does.
	addr = mirrortest.Talk(t, func(conn net.Conn) {
		defer conn.Close()
		socket, err := conn.(*net.TCPConn).File()
		if err != nil {
			return
		}
		defer socket.Close()
		cmd := exec.CommandContext(t.Context(), "/usr/sbin/sshd", "-i", "-e", "-f", config)
		var log bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = socket, socket, &log
		if err := cmd.Run(); err != nil {
			t.Logf("sshd: %v: %s", err, log.String())
		}
	})
	return addr, mirrortest.WriteKnownHosts(t, addr, host)
}
