package setup

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/watcher/mirror/mirrortest"
)

const deployYML = `service: shop
image: acme/shop:1
servers: [web1.example.com, "web2.example.com:2222"]
registry:
  username: acme
  password: [KAMAL_REGISTRY_PASSWORD]
env:
  secret: [DATABASE_URL]
`

// add runs `repo add`.
func (w *world) add(url string, change func(*NewRepo)) (string, error) {
	var out bytes.Buffer
	c := w.config()
	n := NewRepo{File: w.file, Config: c, Reach: w.reach(c), Random: rand.Reader, URL: url,
		Console: Console{Out: &out, In: strings.NewReader("")}}
	if change != nil {
		change(&n)
	}
	err := n.Add(w.t.Context())
	return out.String(), err
}

func shop(t *testing.T) *mirrortest.Repo {
	r := mirrortest.NewRepo(t, t.TempDir(), "shop").AllowPartial()
	r.Commit("first", map[string]string{"config/deploy.yml": deployYML})
	return r
}

func TestARepositoryIsAddedWithWhatItNeeds(t *testing.T) {
	repo := shop(t)
	w := newWorld(t, "# mine\n"+trusting)
	out, err := w.add(repo.Dir, func(n *NewRepo) { n.Mode, n.Branch = "observe", "main" })
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"Access works: main is at " + repo.Head()[:7], "web1.example.com (host key not known)",
		"fairlead host trust web1.example.com web2.example.com:2222",
		"Missing secrets: DATABASE_URL, KAMAL_REGISTRY_PASSWORD", "fairlead secret set DATABASE_URL -r shop", "fairlead check",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	r := w.config().Repositories["shop"]
	if r.URL != repo.Dir || r.Mode != "observe" || r.Branch != "main" || r.Secrets.File != filepath.Join(w.dir, "secrets/shop.env") {
		t.Errorf("the entry is %+v", r)
	}
	if !strings.HasPrefix(readText(t, w.file), "# mine\n") {
		t.Error("the comment is gone")
	}
	if _, err := w.add(repo.Dir, nil); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("twice: %v", err)
	}
	if _, err := w.add(repo.Dir+"/", func(n *NewRepo) { n.Name, n.Branch = "other", "main" }); err == nil || !strings.Contains(err.Error(), `as "shop"`) {
		t.Errorf("the same under another name: %v", err)
	}
	if err := RemoveRepo(w.file, w.config(), "shop"); err != nil || len(w.config().Repositories) != 0 {
		t.Errorf("remove: %v", err)
	}
	if err := RemoveRepo(w.file, w.config(), "shop"); err == nil {
		t.Error("removed twice")
	}
}

func TestADeployKeyIsMadeShownAndUsed(t *testing.T) {
	repo, server := shop(t), mirrortest.ServeSSH(t)
	url := server.URL(repo.Dir)
	w := newWorld(t, "repositories: {}\nssh: { known_hosts: "+server.KnownHosts+" }\n")

	out, err := w.add(url, nil) // the server does not know the key yet
	if err == nil || !strings.Contains(err.Error(), "run this again") {
		t.Fatalf("error %v", err)
	}
	file := filepath.Join(w.dir, "keys", "shop")
	key, err := EnsureKey(file, comment("fairlead-shop"), rand.Reader)
	if err != nil || key.Made || !strings.Contains(out, key.Line) {
		t.Fatalf("key %+v, %v; shown was\n%s", key, err, out)
	}
	if len(w.config().Repositories) != 0 {
		t.Fatal("it was added although it cannot be read")
	}
	for name, mode := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}

	// Its owner sees to it that the key opens the door, and presses Enter.
	out, err = w.add(url, func(n *NewRepo) {
		n.Console.Terminal = true
		n.Console.In = readerFunc(func(p []byte) (int, error) {
			writeText(t, file, clientKey(t, server))
			return copy(p, "\n"), nil
		})
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r := w.config().Repositories["shop"]; r.Auth.SSHKey != file || r.URL != url {
		t.Fatalf("the entry is %+v", r)
	}
}

// clientKey is the private key that the server lets in, as a file's text.
func clientKey(t *testing.T, server *mirrortest.SSH) string {
	t.Helper()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte("client"), 32)[:ed25519.SeedSize])
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(block)
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil || !bytes.Equal(signer.PublicKey().Marshal(), server.Key.PublicKey().Marshal()) {
		t.Fatalf("mirrortest's key is made in another way now: %v", err)
	}
	return string(text)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestAnUnknownForgeMustBeTrustedFirst(t *testing.T) {
	repo, server := shop(t), mirrortest.ServeSSH(t)
	w := newWorld(t, trusting)
	_, err := w.add(server.URL(repo.Dir), nil)
	if err == nil || !strings.Contains(err.Error(), "fairlead host trust "+server.Addr) {
		t.Fatalf("error %v, want the command for %s", err, server.Addr)
	}
	if _, err := w.trust(server.Addr, "y\n", nil); err != nil {
		t.Fatal(err)
	}
	if _, err = w.add(server.URL(repo.Dir), func(n *NewRepo) { n.Console.Out = io.Discard }); err == nil || !strings.Contains(err.Error(), "deploy key") {
		t.Fatalf("error %v", err)
	}
}

func TestABadAddressMakesNothing(t *testing.T) {
	for _, url := range []string{"ext::sh -c id", "-x", "https://user:secret@example.com/a.git", "git@-x:a"} {
		w := newWorld(t, trusting)
		_, err := w.add(url, func(n *NewRepo) { n.Name = "x" })
		if err == nil {
			t.Errorf("%q was taken", url)
		} else if strings.Contains(err.Error(), "secret@") {
			t.Errorf("the error shows the password: %v", err)
		}
		if _, err := os.Stat(filepath.Join(w.dir, "keys")); !os.IsNotExist(err) {
			t.Errorf("%q made a key", url)
		}
	}
}

func TestNamesAndSameness(t *testing.T) {
	for url, want := range map[string]string{
		"git@github.com:acme/shop.git": "shop", "https://example.com/a/b%20c.git": "b-c", "/srv/git/blog.git/": "blog",
		"ssh://git@example.com:2222/acme/.dot.git": "dot", "ssh://git@example.com/": "",
	} {
		if got := nameOf(url); got != want {
			t.Errorf("%s is called %q, want %q", url, got, want)
		}
	}
	if !same("git@GitHub.com:acme/shop.git", "ssh://git@github.com/acme/shop") || same("git@github.com:acme/shop", "git@github.com:acme/shop2") ||
		!same("https://example.com/a.git", "https://EXAMPLE.com/a/") || same("https://example.com/a", "/a") {
		t.Error("same is wrong")
	}
	a, ok := sshAddress("ssh://git@example.com:2222/acme/shop.git")
	if !ok || a.target() != "example.com:2222" || a.path != "acme/shop" {
		t.Errorf("%+v %v", a, ok)
	}
	if _, ok := sshAddress("https://example.com/a.git"); ok {
		t.Error("https is no ssh")
	}
}
