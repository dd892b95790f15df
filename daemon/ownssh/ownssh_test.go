package ownssh

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	xssh "golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

// put writes a file with its folders.
func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// privateKey makes a key's file, locked where there is a passphrase.
func privateKey(t *testing.T, passphrase string) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := xssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = xssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

// person is somebody with this home and deploy.yml's ssh:, and the agent at a socket.
func person(t *testing.T, home, agent string, s spec.SSH) *Person {
	t.Helper()
	u := &Person{home: home, name: "ana", agent: agent, ssh: s}
	if err := u.read(); err != nil {
		t.Fatal(err)
	}
	return u
}

func usual() spec.SSH { return spec.SSH{Config: spec.SSHConfig{Default: true}} }

func host(t *testing.T, u *Person, name string) Host {
	t.Helper()
	h, err := u.Host(name)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// names are the last parts of paths.
func names(paths []string) (list []string) {
	for _, p := range paths {
		list = append(list, filepath.Base(p))
	}
	return list
}

func TestTheUsersSSHConfigIsReadAsSSHReadsIt(t *testing.T) {
	home := t.TempDir()
	put(t, filepath.Join(home, ".ssh/shop"), privateKey(t, ""))
	put(t, filepath.Join(home, ".ssh/second"), privateKey(t, ""))
	put(t, filepath.Join(home, ".ssh/config"), `Host web1
  HostName %h.internal
  Port 2222
  IdentityFile ~/.ssh/shop
  IdentityFile "~/.ssh/gone"
  HostKeyAlias shop-web
  UserKnownHostsFile ~/.ssh/shop_hosts /dev/null
Host web*
  User deploy
  ProxyJump ops@bastion,second
  IdentityFile %d/.ssh/second
  IdentitiesOnly yes
Match host db
  User postgres
  ProxyCommand nc %h %p
Host direct
  ProxyJump none
Host *
  ProxyCommand none
`)
	u := person(t, home, "", usual())
	for name, want := range map[string]Host{
		"web1":   {Address: "web1.internal", Port: 2222, User: "deploy", Proxy: "ops@bastion,second"},
		"web2":   {User: "deploy", Proxy: "ops@bastion,second"},
		"db":     {User: "postgres", Command: "nc %h %p"},
		"direct": {}, "other": {},
	} {
		got := host(t, u, name)
		login := got.Login
		if got.Login = (ssh.Login{}); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v; want %+v", name, got, want)
		}
		keys := map[string][]string{"web1": {"shop", "second"}, "web2": {"second"}}[name]
		if !slices.Equal(names(login.KeyFiles), keys) || login.Only != (keys != nil) {
			t.Errorf("%s: keys %v, only %v", name, login.KeyFiles, login.Only)
		}
		if aliased := name == "web1"; aliased != (login.Alias == "shop-web") || aliased != slices.Equal(names(login.KnownHosts), []string{"shop_hosts"}) {
			t.Errorf("%s: %+v", name, login)
		}
	}
	if len(u.Notes()) != 0 {
		t.Error(u.Notes())
	}
}

func TestDeployYMLSaysWhichSSHConfigsAreRead(t *testing.T) {
	home := t.TempDir()
	put(t, filepath.Join(home, ".ssh/config"), "Host *\n  User usual\n")
	put(t, filepath.Join(home, "other"), "Host *\n  User other\n")
	u := person(t, home, "", spec.SSH{})
	if h := host(t, u, "web1"); h.User != "" {
		t.Errorf("with `config: false`: %+v", h)
	}
	u = person(t, home, "", spec.SSH{Config: spec.SSHConfig{Files: []string{"~/gone", "~/other"}}})
	if h := host(t, u, "web1"); h.User != "other" || len(u.Notes()) != 1 || !strings.Contains(u.Notes()[0], "gone is not there") {
		t.Errorf("with files: %+v, %q", h, u.Notes())
	}
}

func TestABlockThatACommandDecidesAboutIsLeftOutWithANote(t *testing.T) {
	home := t.TempDir()
	put(t, filepath.Join(home, ".ssh/config"), "Match host web1 exec \"true\"\n  User evil\nMatch all\n  Port 2022\nMatch user x\n  Port 1\nHost web1\n  User deploy\n")
	u := person(t, home, "", usual())
	if h := host(t, u, "web1"); h.User != "deploy" || h.Port != 2022 {
		t.Errorf("%+v", h)
	}
	if notes := strings.Join(u.Notes(), "\n"); !strings.Contains(notes, "config:1: ") || !strings.Contains(notes, "config:5: ") {
		t.Error(notes)
	}
}

func TestAnSSHConfigThatCannotBeReadIsToldWithTheRemedy(t *testing.T) {
	for text, want := range map[string]string{"Host *\n  Port ssh\n": "no port", "Include HOME/.ssh/config\n": "config: false"} {
		home := t.TempDir()
		put(t, filepath.Join(home, ".ssh/config"), strings.ReplaceAll(text, "HOME", home))
		u := &Person{home: home, ssh: usual()}
		err := u.read()
		if err == nil {
			_, err = u.Host("web1")
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestTheKeysAreThoseThatSSHWouldOffer(t *testing.T) {
	home := t.TempDir()
	path := func(name string) string { return filepath.Join(home, ".ssh", name) }
	put(t, path("id_ed25519"), privateKey(t, ""))
	put(t, path("id_rsa"), privateKey(t, "a passphrase"))
	put(t, path("shop"), privateKey(t, ""))
	put(t, path("broken"), "no key\n")
	socket := filepath.Join(home, "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, tt := range map[string]struct {
		ssh   spec.SSH
		agent string
		want  []string
		asked bool   // the agent
		fails string // with this error
	}{
		"the usual ones":             {agent: socket, want: []string{"id_ed25519"}, asked: true},
		"and what deploy.yml names":  {ssh: spec.SSH{Keys: []string{"~/.ssh/shop"}}, want: []string{"shop", "id_ed25519"}},
		"only those with keys_only":  {ssh: spec.SSH{Keys: []string{"~/.ssh/shop"}, KeysOnly: true}, agent: socket, want: []string{"shop"}},
		"a locked one of the agent":  {ssh: spec.SSH{Keys: []string{"~/.ssh/id_rsa"}, KeysOnly: true}, agent: socket, asked: true},
		"one that is gone":           {ssh: spec.SSH{Keys: []string{"~/.ssh/gone"}}, want: []string{"id_ed25519"}},
		"one that is broken is told": {ssh: spec.SSH{Keys: []string{"~/.ssh/broken"}}, fails: "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			u := person(t, home, tt.agent, tt.ssh)
			id, err := u.Identity(nil)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || !slices.Equal(names(id.KeyFiles), tt.want) || (id.Agent != "") != tt.asked || id.KnownHosts[0] != path("known_hosts") {
				t.Errorf("got %v, agent %q, %v", id.KeyFiles, id.Agent, err)
			}
			if noted := strings.Contains(strings.Join(u.Notes(), ""), "gone is not there"); noted != (name == "one that is gone") {
				t.Error(u.Notes())
			}
		})
	}
}

func TestWithIdentitiesOnlyTheKeysOfDeployYMLAreOfferedToo(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"id_ed25519", "shop", "web"} {
		put(t, filepath.Join(home, ".ssh", name), privateKey(t, ""))
	}
	put(t, filepath.Join(home, ".ssh/config"), "Host web1\n  IdentityFile ~/.ssh/web\nHost *\n  IdentitiesOnly yes\n  IdentityAgent /none\n")
	for name, tt := range map[string]struct {
		keys []string
		data [][]byte
		want map[string][]string // by host
	}{
		"deploy.yml names none": {nil, nil, map[string][]string{"web1": {"web"}, "db": {"id_ed25519"}}},
		"it names a file":       {[]string{"~/.ssh/shop"}, nil, map[string][]string{"web1": {"shop", "web"}, "db": {"shop"}}},
		"it names a secret":     {nil, [][]byte{[]byte(privateKey(t, ""))}, map[string][]string{"web1": {"web"}, "db": nil}},
	} {
		s := usual()
		s.Keys = tt.keys
		u := person(t, home, "", s)
		id, err := u.Identity(tt.data)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup // as hosts are reached
		for at, want := range tt.want {
			wg.Go(func() {
				h, err := u.Host(at)
				if is := id.At(h.Login); err != nil || !slices.Equal(names(is.KeyFiles), want) || len(is.Signers) != len(tt.data) {
					t.Errorf("%s: %s is offered %v and %d more, %v; want %v", name, at, is.KeyFiles, len(is.Signers), err, want)
				}
			})
		}
		wg.Wait()
		if notes := u.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "/none is not there") {
			t.Errorf("%s: %q", name, notes)
		}
	}
}

func TestAKeyThatCannotBeUsedIsToldWithTheRemedy(t *testing.T) {
	home := t.TempDir()
	put(t, filepath.Join(home, ".ssh/id_ed25519"), privateKey(t, "a passphrase"))
	u := person(t, home, filepath.Join(home, "gone"), spec.SSH{})
	id, err := u.Identity(nil)
	notes := strings.Join(u.notes, "\n")
	if err != nil || id.Agent != "" || len(id.KeyFiles) != 0 || !strings.Contains(notes, "does not answer") || !strings.Contains(notes, "ssh-add") {
		t.Errorf("got %+v, %v, %q", id, err, notes)
	}
	id, err = u.Identity([][]byte{[]byte(privateKey(t, ""))})
	if err != nil || len(id.Signers) != 1 {
		t.Errorf("with key_data: %+v, %v", id, err)
	}
}

// FuzzAnySSHConfigIsReadOrRefused: no text of a config makes it crash.
func FuzzAnySSHConfigIsReadOrRefused(f *testing.F) {
	for _, seed := range []string{"Host *\n  Port 22\n", "Match exec x\n", "Host=a\nProxyJump a,b", "Include ~/x\n", "IdentityFile \"~/.ssh/%d\"\n", "Match host a\n\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(strings.ToLower(text), "include") {
			return // other files
		}
		home := t.TempDir()
		put(t, filepath.Join(home, ".ssh/config"), text)
		u := &Person{home: home, ssh: usual()}
		if u.read() == nil {
			_, _ = u.Host("web1")
		}
	})
}

func TestOfAJumpAndACommandTheOneThatIsWrittenFirstCounts(t *testing.T) {
	home := t.TempDir()
	more := filepath.Join(home, "more")
	put(t, more, "Host included\n  ProxyCommand nc %h %p\n")
	put(t, filepath.Join(home, ".ssh/config"), "Include "+more+`
Host bastion
  ProxyCommand none
Host old
  ProxyCommand "connect %h"
Host near
  ProxyJump none
Host *
  ProxyJump bastion
  ProxyCommand never
`)
	u := person(t, home, "", usual())
	for name, want := range map[string]Host{
		"included": {Command: "nc %h %p"}, "bastion": {}, "near": {}, "old": {Command: "connect %h"}, "web1": {Proxy: "bastion"},
	} {
		got := host(t, u, name)
		if got.Login = (ssh.Login{}); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v; want %+v", name, got, want)
		}
	}
}
