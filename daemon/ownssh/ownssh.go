// Package ownssh is how a person's own ssh reaches hosts: agent, keys,
// known_hosts and config, as ssh(1) finds them and deploy.yml's ssh: adjusts
// them.
//
// Lives here: finding and reading these. May not live here: any connection but
// the knock at the agent's socket; the daemon's own keys, which are
// fairlead.yml's; which words go first (approach).
package ownssh

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/kevinburke/ssh_config"
	xssh "golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

// Person is somebody with an ~/.ssh, and the ssh: of the deploy.yml that he
// works with.
type Person struct {
	home    string // with .ssh in it
	name    string // of the account
	system  string // the machine's ssh_config; "" for none
	agent   string // socket; "" for none
	ssh     spec.SSH
	configs []*ssh_config.Config // in the order of their say
	given   ssh.Login            // what deploy.yml names, once Identity was asked
	usual   keyring              // what ssh offers where none is named; likewise

	mu    sync.Mutex // hosts are asked about side by side
	notes []string   // see Notes
}

// New finds the person who runs this process and reads his ssh configs. The
// error is that he has no home, or that a config cannot be read.
func New(s spec.SSH) (*Person, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, fmt.Errorf("find your ssh keys: %w", err)
	}
	u := &Person{home: home, name: account(), system: "/etc/ssh/ssh_config", agent: os.Getenv("SSH_AUTH_SOCK"), ssh: s}
	return u, u.read()
}

// account is the name of this process's user, as far as its environment says it.
func account() string {
	for _, name := range []string{"USER", "LOGNAME"} {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return "root"
}

// Name is that of his account, which ssh logs in to a jump host with.
func (u *Person) Name() string { return u.name }

// expand reads a path as ssh_config(5) writes it.
func (u *Person) expand(path string) string {
	path = strings.Trim(path, `"`)
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(u.home, rest)
	}
	return strings.NewReplacer("%d", u.home, "%u", u.name, "%%", "%").Replace(path)
}

// KnownHosts are the files that ssh reads, the one that it writes first.
func (u *Person) KnownHosts() []string {
	return []string{filepath.Join(u.home, ".ssh/known_hosts"), filepath.Join(u.home, ".ssh/known_hosts2"), "/etc/ssh/ssh_known_hosts"}
}

// Identity is with what the person logs in where his ssh config says nothing
// else. Keys with a passphrase are left to the agent; data are the private keys
// that deploy.yml names as secrets.
func (u *Person) Identity(data [][]byte) (ssh.Identity, error) {
	id := ssh.Identity{Own: true, KnownHosts: u.KnownHosts()}
	login := ssh.Login{Only: u.ssh.KeysOnly}
	for _, pem := range data {
		signer, err := xssh.ParsePrivateKey(pem)
		if err != nil {
			return id, fmt.Errorf("read ssh.key_data: %w", err)
		}
		login.Signers = append(login.Signers, signer)
	}
	var files []string
	for _, k := range u.ssh.Keys {
		file := u.expand(k)
		if _, err := os.Stat(file); err != nil {
			u.note("ssh.keys: " + file + " is not there")
		}
		files = append(files, file)
	}
	named, err := keysIn(files)
	if err != nil {
		return id, err
	}
	u.given = ssh.Login{KeyFiles: named.files, Signers: login.Signers, Held: named.held}
	usual := keyring{}
	if !u.ssh.KeysOnly {
		for _, k := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			if file := filepath.Join(u.home, ".ssh", k); !slices.Contains(files, file) {
				// One that cannot be used is in nobody's way.
				if more, err := keysIn([]string{file}); err == nil {
					usual.add(more)
				}
			}
		}
	}
	u.usual = usual
	login.KeyFiles, login.Held = slices.Concat(named.files, usual.files), slices.Concat(named.held, usual.held)
	locked := slices.Concat(named.locked, usual.locked)
	if !u.ssh.KeysOnly || len(locked) > 0 {
		id.Agent = u.liveAgent()
	}
	if id.Agent == "" && len(locked) > 0 && len(login.KeyFiles)+len(login.Signers) == 0 {
		u.note(locked[0] + " has a passphrase and no ssh-agent runs: start one and run `ssh-add`")
	}
	return id.At(login), nil
}

// note keeps what the person should know, once.
func (u *Person) note(text string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !slices.Contains(u.notes, text) {
		u.notes = append(u.notes, text)
	}
}

// Notes are what the person should know about his keys and configs.
func (u *Person) Notes() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.notes)
}

// liveAgent is the agent's socket where one answers.
func (u *Person) liveAgent() string {
	if u.agent == "" {
		return ""
	}
	conn, err := net.Dial("unix", u.agent)
	if err != nil {
		u.note(fmt.Sprintf("the ssh-agent at SSH_AUTH_SOCK (%s) does not answer; using key files only", u.agent))
		return ""
	}
	_ = conn.Close()
	return u.agent
}
