package ownssh

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	xssh "golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/daemon/config"
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

// of is a deploy.yml for some hosts.
func of(s spec.SSH, hosts ...string) *spec.Deploy {
	role := spec.Role{Name: "web"}
	for _, h := range hosts {
		role.Hosts = append(role.Hosts, spec.HostEntry{Address: h})
	}
	return &spec.Deploy{SSH: s, Roles: []spec.Role{role}}
}

func TestTheUsersSSHConfigSpeaksWhereDeployYMLDoesNot(t *testing.T) {
	home := t.TempDir()
	put(t, filepath.Join(home, ".ssh/config"), `Host web1
  HostName 10.0.0.5
  Port 2222
  IdentityFile ~/.ssh/shop
Host web*
  User deploy
  ProxyJump ops@bastion,second
Host *
  ProxyJump none
`)
	u := &Person{home: home, deploy: of(spec.SSH{Config: spec.SSHConfig{Default: true}}, "web1", "web2", "db")}
	hosts, keys, err := u.Hosts()
	if err != nil || !slices.Equal(keys, []string{filepath.Join(home, ".ssh/shop")}) {
		t.Fatalf("got %v, %v", keys, err)
	}
	for name, want := range map[string]config.Host{
		"web1": {Address: "10.0.0.5", Port: 2222, User: "deploy", Proxy: "ops@bastion"},
		"web2": {User: "deploy", Proxy: "ops@bastion"},
		"db":   {},
	} {
		if hosts[name] != want {
			t.Errorf("%s: got %+v; want %+v", name, hosts[name], want)
		}
	}
	u.deploy = of(spec.SSH{Config: spec.SSHConfig{Default: true}, User: "root", UserSet: true, Port: 22, PortSet: true, Proxy: "jump"}, "web1")
	if hosts, _, err := u.Hosts(); err != nil || hosts["web1"] != (config.Host{Address: "10.0.0.5"}) {
		t.Errorf("beside deploy.yml: %+v, %v", hosts, err)
	}
	u.deploy = of(spec.SSH{}, "web1")
	if hosts, _, err := u.Hosts(); err != nil || len(hosts) != 0 {
		t.Errorf("with `config: false`: %+v, %v", hosts, err)
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
		named []string
		agent string
		want  []string
		asked bool   // the agent
		fails string // with this error
	}{
		"the usual ones":             {agent: socket, want: []string{"id_ed25519"}, asked: true},
		"and what ssh config names":  {named: []string{path("shop")}, want: []string{"id_ed25519", "shop"}},
		"and what deploy.yml names":  {ssh: spec.SSH{Keys: []string{"~/.ssh/shop"}}, want: []string{"id_ed25519", "shop"}},
		"only those with keys_only":  {ssh: spec.SSH{Keys: []string{"~/.ssh/shop"}, KeysOnly: true}, agent: socket, want: []string{"shop"}},
		"one that is broken is told": {ssh: spec.SSH{Keys: []string{"~/.ssh/broken"}}, fails: "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			u := &Person{home: home, agent: tt.agent, deploy: of(tt.ssh)}
			id, err := u.Identity(tt.named, nil)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("got %v", err)
				}
				return
			}
			var got []string
			for _, f := range id.KeyFiles {
				got = append(got, filepath.Base(f))
			}
			if err != nil || !slices.Equal(got, tt.want) || (id.Agent != "") != tt.asked || id.KnownHosts[0] != path("known_hosts") {
				t.Errorf("got %v, agent %q, %v", got, id.Agent, err)
			}
		})
	}
}

func TestAKeyThatCannotBeUsedIsToldWithTheRemedy(t *testing.T) {
	home := t.TempDir()
	put(t, filepath.Join(home, ".ssh/id_ed25519"), privateKey(t, "a passphrase"))
	u := &Person{home: home, agent: filepath.Join(home, "gone"), deploy: of(spec.SSH{})}
	id, err := u.Identity(nil, nil)
	notes := strings.Join(u.notes, "\n")
	if err != nil || id.Agent != "" || len(id.KeyFiles) != 0 || !strings.Contains(notes, "does not answer") || !strings.Contains(notes, "ssh-add") {
		t.Errorf("got %+v, %v, %q", id, err, notes)
	}
	id, err = u.Identity(nil, [][]byte{[]byte(privateKey(t, ""))})
	if err != nil || len(id.Signers) != 1 {
		t.Errorf("with key_data: %+v, %v", id, err)
	}
}
