package setup

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh/sshtest"
)

// world is a fairlead.yml in a folder of its own.
type world struct {
	t    *testing.T
	dir  string
	file string
}

func newWorld(t *testing.T, text string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.file = filepath.Join(w.dir, "fairlead.yml")
	writeText(t, w.file, text)
	return w
}

func (w *world) config() *config.Config {
	w.t.Helper()
	c, err := config.Load(w.file)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) reach(c *config.Config) *daemon.Reach {
	w.t.Helper()
	r, err := daemon.NewReach(c, slog.New(slog.DiscardHandler), func() float64 { return 0 })
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := r.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return r
}

const trusting = "repositories: {}\nssh: { key: id, known_hosts: known_hosts }\n"

// trust runs `host trust` and returns what was printed.
func (w *world) trust(name, answer string, change func(*Trust)) (string, error) {
	var out bytes.Buffer
	c := w.config()
	t := Trust{Config: c, Reach: w.reach(c), Console: Console{Out: &out, In: strings.NewReader(answer), Terminal: answer != ""}}
	if change != nil {
		change(&t)
	}
	err := t.Host(w.t.Context(), name)
	return out.String(), err
}

func (w *world) knownHosts() string {
	text, err := os.ReadFile(filepath.Join(w.dir, "known_hosts"))
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	return string(text)
}

func TestAHostIsTrustedAfterAYes(t *testing.T) {
	server := sshtest.Start(t, sshtest.Options{})
	w := newWorld(t, trusting)
	out, err := w.trust(server.Addr, "y\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := Scan(t.Context(), server.Addr, dialDirect)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, ssh.FingerprintSHA256(key)) || !strings.Contains(out, key.Type()) {
		t.Errorf("the key was not shown:\n%s", out)
	}
	if how, _, err := standing([]string{filepath.Join(w.dir, "known_hosts")}, server.Addr, key); err != nil || how != known {
		t.Fatalf("standing %v, %v:\n%s", how, err, w.knownHosts())
	}
	info, err := os.Stat(filepath.Join(w.dir, "known_hosts"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info.Mode(), err)
	}
	before := w.knownHosts()
	if out, err := w.trust(server.Addr, "y\n", nil); err != nil || !strings.Contains(out, "already") || w.knownHosts() != before {
		t.Fatalf("again: %v\n%s", err, out)
	}
}

func TestNothingIsTrustedWithoutAYes(t *testing.T) {
	server := sshtest.Start(t, sshtest.Options{})
	for name, test := range map[string]struct {
		answer, want string
		change       func(*Trust)
	}{
		"a no":                  {"n\n", "not trusted", nil},
		"an empty line":         {"\n", "not trusted", nil},
		"no terminal":           {"", "--fingerprint", nil},
		"the wrong fingerprint": {"y\n", "not SHA256:other", func(t *Trust) { t.Fingerprint = "SHA256:other" }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, trusting)
			if _, err := w.trust(server.Addr, test.answer, test.change); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want %q", err, test.want)
			}
			if w.knownHosts() != "" {
				t.Fatal("it was written")
			}
		})
	}
}

func TestAFingerprintOrAYesFlagNeedsNoTerminal(t *testing.T) {
	server := sshtest.Start(t, sshtest.Options{})
	key, err := Scan(t.Context(), server.Addr, dialDirect)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Trust){
		"fingerprint": func(t *Trust) { t.Fingerprint = ssh.FingerprintSHA256(key) },
		"yes":         func(t *Trust) { t.Console.Yes = true },
	} {
		w := newWorld(t, trusting)
		if _, err := w.trust(server.Addr, "", change); err != nil || w.knownHosts() == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAChangedKeyIsOnlyReplacedWhenToldTo(t *testing.T) {
	server := sshtest.Start(t, sshtest.Options{})
	other := sshtest.Start(t, sshtest.Options{})
	w := newWorld(t, trusting)
	for _, s := range []*sshtest.Server{server, other} {
		if _, err := w.trust(s.Addr, "y\n", nil); err != nil {
			t.Fatal(err)
		}
	}
	before := w.knownHosts()
	server.ChangeHostKey(t)
	if _, err := w.trust(server.Addr, "y\n", func(t *Trust) { t.Console.Yes = true }); err == nil || !strings.Contains(err.Error(), "--replace") {
		t.Fatalf("error %v", err)
	}
	if w.knownHosts() != before {
		t.Fatal("it was written")
	}
	if _, err := w.trust(server.Addr, "y\n", func(t *Trust) { t.Replace = true }); err != nil {
		t.Fatal(err)
	}
	after := w.knownHosts()
	if strings.Count(after, "\n") != 2 || !strings.Contains(after, strings.SplitAfter(before, "\n")[1]) || after == before {
		t.Fatalf("known_hosts is now\n%s\nwas\n%s", after, before)
	}
	if out, err := w.trust(server.Addr, "", nil); err != nil || !strings.Contains(out, "already") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestHostsOfFairleadYmlAreFoundByName(t *testing.T) {
	server := sshtest.Start(t, sshtest.Options{})
	_, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, trusting+"hosts:\n  web1: { address: 127.0.0.1, port: "+port+" }\n  here: { address: local }\n")
	if _, err := w.trust("web1", "y\n", nil); err != nil || !strings.Contains(w.knownHosts(), "[127.0.0.1]:"+port) {
		t.Fatalf("%v\n%s", err, w.knownHosts())
	}
	if _, err := w.trust("here", "y\n", nil); err == nil || !strings.Contains(err.Error(), "this machine") {
		t.Fatalf("error %v", err)
	}
	for _, bad := range []string{"", "-oProxyCommand=x", "web1:0", "web1:http", "a,b", "*"} {
		if _, err := w.trust(bad, "y\n", nil); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestAHostIsTrustedByItsAliasAndThroughTheProgramThatConnects(t *testing.T) {
	server := sshtest.Start(t, sshtest.Options{})
	_, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeText(t, filepath.Join(home, ".ssh/config"), "Host web1\n  HostName 127.0.0.1\n  Port "+port+"\n  HostKeyAlias shop-web\n"+
		"Host db\n  HostName db.invalid\n  ProxyCommand bash -c 'exec 3<>/dev/tcp/127.0.0.1/"+port+"; cat <&3 & exec cat >&3'\n")
	r, c, err := daemon.NewOwnReach(slog.New(slog.DiscardHandler), func() float64 { return 0 })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for name, known := range map[string]string{"web1": "shop-web ssh-", "db": "db.invalid ssh-"} {
		err := Trust{Config: c, Reach: r, Console: Console{Out: io.Discard, In: strings.NewReader("y\n"), Terminal: true}}.Host(t.Context(), name)
		text, _ := os.ReadFile(filepath.Join(home, ".ssh/known_hosts"))
		if err != nil || !strings.Contains(string(text), known) {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}

func TestLinesOfSeveralHostsAreNotTakenOut(t *testing.T) {
	server := sshtest.Start(t, sshtest.Options{})
	w := newWorld(t, trusting)
	if _, err := w.trust(server.Addr, "y\n", nil); err != nil {
		t.Fatal(err)
	}
	shared := "web9," + w.knownHosts()
	writeText(t, filepath.Join(w.dir, "known_hosts"), shared)
	server.ChangeHostKey(t)
	if _, err := w.trust(server.Addr, "y\n", func(t *Trust) { t.Replace = true }); err == nil || w.knownHosts() != shared {
		t.Fatalf("%v\n%s", err, w.knownHosts())
	}
}

func TestForgesArePinnedByTheirPublishedFingerprints(t *testing.T) {
	// What the forges publish is the fingerprint of this key.
	line := "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte("ssh-ed25519 " + line))
	if err != nil {
		t.Fatal(err)
	}
	if got := ssh.FingerprintSHA256(key); got != forges()["github.com"].fingerprints[0] {
		t.Fatalf("github.com's ed25519 key has %s", got)
	}
	for name, f := range forges() {
		if len(f.fingerprints) != 3 || f.source == "" || !strings.Contains(f.deployKeys, "{path}") {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestAServerThatPosesAsAForgeIsRefused(t *testing.T) {
	server := sshtest.Start(t, sshtest.Options{})
	w := newWorld(t, trusting)
	c := w.config()
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialDirect(ctx, network, server.Addr)
	}
	err := Trust{Config: c, Console: Console{Out: io.Discard}}.pin(t.Context(), gitAddress{host: "github.com"}, dial)
	if err == nil || !strings.Contains(err.Error(), "none of the keys published") || w.knownHosts() != "" {
		t.Fatalf("%v\n%s", err, w.knownHosts())
	}
}
