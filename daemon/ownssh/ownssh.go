// Package ownssh is how a person's own ssh reaches hosts: agent, keys,
// known_hosts and config, as ssh(1) finds them and deploy.yml's ssh: adjusts
// them.
//
// Lives here: finding and reading these. May not live here: any connection but
// the knock at the agent's socket; the daemon's own keys, which are
// fairlead.yml's.
package ownssh

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kevinburke/ssh_config"
	xssh "golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

// Person is somebody with an ~/.ssh, and the deploy.yml that he works with.
type Person struct {
	home   string // with .ssh in it
	system string // the machine's ssh_config; "" for none
	agent  string // socket; "" for none
	deploy *spec.Deploy
	notes  []string // see Notes
}

// New finds the person who runs this process. The error is that he has no home.
func New(d *spec.Deploy) (*Person, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, fmt.Errorf("find your ssh keys: %w", err)
	}
	return &Person{home: home, system: "/etc/ssh/ssh_config", agent: os.Getenv("SSH_AUTH_SOCK"), deploy: d}, nil
}

// Hosts returns what ~/.ssh/config says about the hosts of deploy.yml, where
// deploy.yml itself does not, and the keys that it names for them.
func (u *Person) Hosts() (map[string]config.Host, []string, error) {
	files := []string{filepath.Join(u.home, ".ssh/config"), u.system}
	if len(u.deploy.SSH.Config.Files) > 0 {
		files = nil
		for _, f := range u.deploy.SSH.Config.Files {
			files = append(files, u.expand(f))
		}
	} else if !u.deploy.SSH.Config.Default {
		return nil, nil, nil
	}
	var configs []*ssh_config.Config
	for _, name := range files {
		c, err := readSSHConfig(name)
		if err != nil {
			return nil, nil, err
		}
		if c != nil {
			configs = append(configs, c)
		}
	}
	found, keys := map[string]config.Host{}, []string{}
	for _, role := range u.deploy.Roles {
		for _, h := range role.Hosts {
			said := func(key string) string { return lookUp(configs, h.Address, key) }
			m := config.Host{Address: strings.ReplaceAll(said("HostName"), "%h", h.Address)}
			if h.User == "" && !u.deploy.SSH.UserSet {
				m.User = said("User")
			}
			if jump := said("ProxyJump"); jump != "none" && u.deploy.SSH.Proxy == "" {
				m.Proxy, _, _ = strings.Cut(jump, ",")
			}
			if port := said("Port"); port != "" && h.Port == 0 && !u.deploy.SSH.PortSet {
				if _, err := fmt.Sscan(port, &m.Port); err != nil {
					return nil, nil, fmt.Errorf("read ssh config: Port %q of %s is no number", port, h.Address)
				}
			}
			if key := said("IdentityFile"); key != "" {
				keys = append(keys, u.expand(key))
			}
			found[h.Address] = m
		}
	}
	return found, keys, nil
}

func readSSHConfig(name string) (*ssh_config.Config, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read ssh config: %w", err)
	}
	defer f.Close()
	c, err := ssh_config.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("read ssh config %s: %w; `ssh: { config: false }` in deploy.yml leaves it out", name, err)
	}
	return c, nil
}

// lookUp returns the first value, as ssh_config(5) says.
func lookUp(configs []*ssh_config.Config, host, key string) string {
	for _, c := range configs {
		if v, err := c.Get(host, key); err == nil && v != "" {
			return v
		}
	}
	return ""
}

func (u *Person) expand(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(u.home, rest)
	}
	return path
}

// KnownHosts are the files that ssh reads, the one that it writes first.
func (u *Person) KnownHosts() []string {
	return []string{filepath.Join(u.home, ".ssh/known_hosts"), filepath.Join(u.home, ".ssh/known_hosts2"), "/etc/ssh/ssh_known_hosts"}
}

// Identity is with what the person logs in. Keys with a passphrase are left to
// the agent; data are the private keys that deploy.yml names as secrets.
func (u *Person) Identity(named []string, data [][]byte) (ssh.Identity, error) {
	id := ssh.Identity{Own: true, KnownHosts: u.KnownHosts()}
	for _, pem := range data {
		signer, err := xssh.ParsePrivateKey(pem)
		if err != nil {
			return id, fmt.Errorf("read ssh.key_data: %w", err)
		}
		id.Signers = append(id.Signers, signer)
	}
	candidates := map[string]bool{} // true: the person named it
	for _, k := range u.deploy.SSH.Keys {
		candidates[u.expand(k)] = true
	}
	if !u.deploy.SSH.KeysOnly {
		for _, k := range named {
			candidates[k] = false
		}
		for _, k := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			path := filepath.Join(u.home, ".ssh", k)
			if !candidates[path] {
				candidates[path] = false
			}
		}
	}
	locked := ""
	for _, file := range slices.Sorted(maps.Keys(candidates)) {
		usable, err := usableKey(file)
		switch {
		case lockedKey(err):
			locked = cmp.Or(locked, file)
		case err != nil && candidates[file]:
			return id, err
		case usable:
			id.KeyFiles = append(id.KeyFiles, file)
		}
	}
	if !u.deploy.SSH.KeysOnly || locked != "" {
		id.Agent = u.liveAgent()
	}
	if id.Agent == "" && locked != "" && len(id.KeyFiles)+len(id.Signers) == 0 {
		u.notes = append(u.notes, locked+" has a passphrase and no ssh-agent runs: start one and run `ssh-add`")
	}
	return id, nil
}

// Notes are what the person should know about his keys, once Identity was asked.
func (u *Person) Notes() []string { return u.notes }

// liveAgent is the agent's socket where one answers.
func (u *Person) liveAgent() string {
	if u.agent == "" {
		return ""
	}
	conn, err := net.Dial("unix", u.agent)
	if err != nil {
		u.notes = append(u.notes, fmt.Sprintf("the ssh-agent at SSH_AUTH_SOCK (%s) does not answer; using key files only", u.agent))
		return ""
	}
	_ = conn.Close()
	return u.agent
}

// usableKey tells whether a file is a private key that needs no passphrase;
// the error is about one that is there.
func usableKey(file string) (bool, error) {
	pem, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		_, err = xssh.ParsePrivateKey(pem)
	}
	if err != nil {
		return false, fmt.Errorf("read key %s: %w", file, err)
	}
	return true, nil
}

// lockedKey tells whether its passphrase is what is missing.
func lockedKey(err error) bool {
	_, ok := errors.AsType[*xssh.PassphraseMissingError](err)
	return ok
}
