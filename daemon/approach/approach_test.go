package approach_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/daemon/approach"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/daemon/ownssh"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	fleetssh "github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh/sshtest"
	"github.com/fairlead-deploy/fairlead/deployer/reach"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// shown is an address in one line, jump hosts before it.
func shown(a host.Address) string {
	text := a.User + "@" + a.Host
	if a.Port != 0 {
		text += ":" + string(rune('0'+a.Port%10))
	}
	if a.Program != nil {
		text = strings.Join(a.Program.Argv, "|") + " > " + text
	}
	if a.Jump != nil {
		text = shown(*a.Jump) + " > " + text
	}
	return text
}

func ssh(edit func(*spec.SSH)) spec.SSH {
	s := spec.SSH{User: "root", Port: 22}
	edit(&s)
	return s
}

func TestTheOperatorsWordsGoBeforeTheFilesAndAHostsBeforeThoseOfAll(t *testing.T) {
	byFile := ssh(func(s *spec.SSH) { s.User, s.UserSet, s.Port, s.PortSet = "file", true, 7, true })
	for name, tt := range map[string]struct {
		conf config.Config
		at   reach.Address
		want string
	}{
		"nothing said":                {at: reach.Address{SSH: ssh(func(*spec.SSH) {})}, want: "@web1"},
		"deploy.yml's ssh:":           {at: reach.Address{SSH: byFile}, want: "file@web1:7"},
		"the operator's ssh:":         {conf: config.Config{SSH: config.SSH{User: "ops", Port: 8}}, at: reach.Address{SSH: byFile}, want: "ops@web1:8"},
		"at the host in deploy.yml":   {conf: config.Config{SSH: config.SSH{User: "ops", Port: 8}}, at: reach.Address{User: "web", Port: 9, SSH: byFile}, want: "web@web1:9"},
		"at the host by the operator": {conf: config.Config{Hosts: map[string]config.Host{"web1": {Address: "10.0.0.1", User: "own", Port: 5}}}, at: reach.Address{User: "web", Port: 9, SSH: byFile}, want: "own@10.0.0.1:5"},
		"this machine":                {conf: config.Config{Hosts: map[string]config.Host{"web1": {Address: "local"}}, SSH: config.SSH{Proxy: "jump"}}, at: reach.Address{}, want: "@"},
	} {
		tt.at.Name, tt.at.Host = "web1", "web1"
		a, err := approach.Ways{Config: &tt.conf}.Address(tt.at)
		if err != nil || shown(a) != tt.want {
			t.Errorf("%s: %s, %v; want %s", name, shown(a), err, tt.want)
		}
	}
}

func TestJumpHostsAreReachedAsTheyAreDescribed(t *testing.T) {
	conf := &config.Config{Hosts: map[string]config.Host{
		"bastion": {Address: "10.9.9.9", User: "jump", Key: "/etc/fairlead/bastion"},
		"inner":   {Proxy: "bastion"},
		"a":       {Proxy: "b"}, "b": {Proxy: "a"},
		"open": {Proxy: "none"},
	}}
	for jump, want := range map[string]string{
		"bastion":               "jump@10.9.9.9 > @web1",
		"ops@bastion:2":         "ops@10.9.9.9:2 > @web1",
		"bastion, root@[::1]:3": "jump@10.9.9.9 > root@::1:3 > @web1",
		"inner":                 "jump@10.9.9.9 > @inner > @web1",
		"root@other":            "root@other > @web1",
	} {
		a, err := approach.Ways{Config: conf}.Address(reach.Address{Name: "web1", Host: "web1", SSH: spec.SSH{Proxy: jump}})
		if err != nil || shown(a) != want {
			t.Errorf("%s: %s, %v; want %s", jump, shown(a), err, want)
		}
		if first := a.Jump; jump == "bastion" && !slices.Equal(first.Login.KeyFiles, []string{"/etc/fairlead/bastion"}) {
			t.Errorf("the jump host's own key: %+v", first.Login)
		}
	}
	for _, bad := range []string{"a", "bastion:0", "bastion:x", strings.Repeat("h,", 9) + "h"} {
		if a, err := (approach.Ways{Config: conf}).Address(reach.Address{Name: "web1", Host: "web1", SSH: spec.SSH{Proxy: bad}}); err == nil {
			t.Errorf("%s: %s", bad, shown(a))
		}
	}
	if a, err := (approach.Ways{Config: conf}).Address(reach.Address{Name: "open", Host: "open", SSH: spec.SSH{Proxy: "bastion"}}); err != nil || a.Jump != nil {
		t.Errorf("proxy: none: %s, %v", shown(a), err)
	}
}

func TestAProxyCommandRunsOnlyWhereItIsAllowedAndWithoutAShell(t *testing.T) {
	t.Setenv("DAEMONS_TOKEN", "canary")
	d := &spec.Deploy{SSH: ssh(func(s *spec.SSH) {
		s.ProxyCommand = spec.Command{Raw: "x", Args: []string{"connect", "--to=%h:%p", "%r", "50%%", "; id"}}
	})}
	ways := approach.Ways{Config: &config.Config{}}
	nothing := func(string) secret.Value { return secret.Value{} }
	for _, words := range [][]string{nil, {"hooks", "build"}} {
		if a, err := ways.Address(reach.At(d, "web1").With(words, nothing)); !errors.Is(err, approach.ErrProxyCommand) {
			t.Errorf("%v: %s, %v", words, shown(a), err)
		}
	}
	for _, word := range []string{"proxy_command", "commands"} {
		a, err := ways.Address(reach.At(d, "web1").With([]string{word}, nothing))
		if err != nil || shown(a) != "connect|--to=web1:22|root|50%|; id > @web1" {
			t.Errorf("%s: %s, %v", word, shown(a), err)
		}
		if env := strings.Join(a.Program.Env, " "); strings.Contains(env, "canary") || !strings.Contains(env, "PATH=") || a.Program.Attended {
			t.Errorf("environment: %s", env)
		}
	}
	ways.Config.SSH.Proxy = "bastion"
	if a, err := ways.Address(reach.At(d, "web1")); err != nil || a.Program != nil || a.Jump == nil {
		t.Errorf("the operator's jump host: %s, %v", shown(a), err)
	}
}

// privateKey makes one.
func privateKey(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := xssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

func TestADaemonOffersKeyDataToThatServicesHostsAloneAndReadsNoFileOfTheRepositorys(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.MkdirAll(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".ssh/config"), []byte("Host *\n  User trap\n  HostName trap\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &spec.Deploy{SSH: ssh(func(s *spec.SSH) {
		s.Keys, s.KeyData = []string{"/etc/fairlead/id_ed25519", "~/.ssh/id_rsa"}, []string{"DEPLOY_KEY"}
		s.Config = spec.SSHConfig{Default: true, Files: []string{"/etc/shadow"}}
	})}
	ways := approach.Ways{Config: &config.Config{}}
	text := privateKey(t)
	value := func(string) secret.Value { return secret.New(text) }
	a, err := ways.Address(reach.At(d, "web1").With(nil, value))
	if err != nil || len(a.Login.Signers) != 1 || len(a.Login.KeyFiles) != 0 || shown(a) != "@web1" {
		t.Fatalf("%+v, %v", a, err)
	}
	if other, err := ways.Address(reach.Address{Name: "web1", Host: "web1"}); err != nil || len(other.Login.Signers) != 0 || other.Login.Tag() == a.Login.Tag() {
		t.Errorf("another service's: %+v, %v", other, err)
	}
	if strings.Contains(a.Login.Tag(), "PRIVATE") {
		t.Error(a.Login.Tag())
	}
	_, err = ways.Address(reach.At(d, "web1").With(nil, func(string) secret.Value { return secret.New("a canary") }))
	if err == nil || !strings.Contains(err.Error(), "DEPLOY_KEY") || strings.Contains(err.Error(), "canary") {
		t.Errorf("a key that is none: %v", err)
	}
}

func TestAPersonsSSHConfigSpeaksWhereNobodyElseDoes(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USER", "ana")
	if err := os.MkdirAll(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".ssh/config"), []byte(`Host web1
  HostName 10.0.0.5
  User deploy
  Port 2222
  ProxyJump gate,inner
Host gate
  HostName gate.example.com
  Port 443
Host db
  ProxyCommand cloud connect %h -p %p
`), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := ownssh.New(spec.SSH{Config: spec.SSHConfig{Default: true}})
	if err != nil {
		t.Fatal(err)
	}
	ways := approach.Ways{Config: &config.Config{}, Person: u}
	for name, tt := range map[string]struct {
		at   reach.Address
		want string
	}{
		"web1":             {want: "ana@gate.example.com:3 > ana@inner > deploy@10.0.0.5:2"},
		"web1 by the file": {at: reach.Address{User: "web", SSH: ssh(func(s *spec.SSH) { s.Proxy = "gate" })}, want: "@gate.example.com:3 > web@10.0.0.5:2"},
		"db":               {want: "sh|-c|exec cloud connect db -p 22 > @db"},
	} {
		name, _, _ = strings.Cut(name, " ")
		tt.at.Name, tt.at.Host = name, name
		a, err := ways.Address(tt.at)
		if err != nil || shown(a) != tt.want {
			t.Errorf("%s: %s, %v; want %s", name, shown(a), err, tt.want)
		}
		if a.Program != nil && (!a.Program.Attended || !reflect.DeepEqual(a.Program.Env, os.Environ())) {
			t.Error("a person's program has another environment than theirs")
		}
	}
}

// gate is a server of the machine, its key in a file, and its line of known_hosts.
type gate struct {
	*sshtest.Server
	file string
}

func start(t *testing.T, home, name string) gate {
	t.Helper()
	text := privateKey(t)
	signer, err := xssh.ParsePrivateKey([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	g := gate{sshtest.Start(t, sshtest.Options{Signer: signer}), filepath.Join(home, name)}
	if err := os.WriteFile(g.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// visit reaches a host and connects from it to a listener of this machine.
func visit(t *testing.T, ways approach.Ways, id fleetssh.Identity, at reach.Address) error {
	t.Helper()
	a, err := ways.Address(at)
	if err != nil {
		return err
	}
	pool := host.NewPool(host.Config{Identity: id, Jitter: func() time.Duration { return 0 }, Unique: rand.Text}, slog.New(slog.DiscardHandler))
	defer pool.Close()
	h, err := pool.Get(t.Context(), a)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := h.Dial(t.Context(), "tcp", l.Addr().String())
	if err == nil {
		err = conn.Close()
	}
	return err
}

func TestAPersonReachesAHostThroughOthersWithTheKeyOfEach(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("SSH_AUTH_SOCK", "")
	outer, inner, web := start(t, home, "outer"), start(t, home, "inner"), start(t, home, "web")
	if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := "Host web1\n  ProxyJump outer,inner\n"
	for name, g := range map[string]gate{"outer": outer, "inner": inner, "web1": web} {
		text += fmt.Sprintf("Host %s\n  HostName %s\n  Port %d\n  IdentityFile %s\n  IdentitiesOnly yes\n", name, g.Host, g.Port, g.file)
	}
	if err := os.WriteFile(filepath.Join(home, ".ssh/config"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := ownssh.New(spec.SSH{Config: spec.SSHConfig{Default: true}})
	if err != nil {
		t.Fatal(err)
	}
	id, err := u.Identity(nil)
	if err != nil {
		t.Fatal(err)
	}
	id.KnownHosts = []string{sshtest.KnownHosts(t, outer.Server, inner.Server, web.Server)}
	if err := visit(t, approach.Ways{Config: &config.Config{}, Person: u}, id, reach.Address{Name: "web1", Host: "web1"}); err != nil {
		t.Fatal(err)
	}
	for _, g := range []gate{outer, inner, web} {
		if g.Logins.Load() != 1 {
			t.Errorf("%d logins", g.Logins.Load())
		}
	}
}

func TestADaemonLogsInWithKeyDataWhereItsOwnKeyIsNotLetIn(t *testing.T) {
	home := t.TempDir()
	jump, web, own := start(t, home, "jump"), start(t, home, "web"), start(t, home, "own")
	text, err := os.ReadFile(web.file)
	if err != nil {
		t.Fatal(err)
	}
	conf := &config.Config{SSH: config.SSH{Port: web.Port}, Hosts: map[string]config.Host{"jump": {Address: jump.Host, Port: jump.Port, Key: jump.file}}}
	id := fleetssh.Identity{KeyFiles: []string{own.file}, KnownHosts: []string{sshtest.KnownHosts(t, jump.Server, web.Server)}}
	d := &spec.Deploy{SSH: spec.SSH{KeyData: []string{"DEPLOY_KEY"}, Proxy: "jump"}}
	at := reach.At(d, web.Host).With(nil, func(string) secret.Value { return secret.New(string(text)) })
	if err := visit(t, approach.Ways{Config: conf}, id, at); err != nil {
		t.Error(err)
	}
	at = reach.At(d, web.Host)
	if err := visit(t, approach.Ways{Config: conf}, id, at); !errors.Is(err, fleetssh.ErrAuth) {
		t.Errorf("without the key: %v", err)
	}
}
