package ownssh

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kevinburke/ssh_config"

	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
)

// Host is what the ssh config says about a host; what it does not say is zero.
type Host struct {
	Address string // HostName
	User    string
	Port    int
	// Proxy is ProxyJump: [USER@]HOST[:PORT], several with commas. Command is
	// ProxyCommand, with its %h, %p and %r, for a shell. At most one is set.
	Proxy, Command string
	Login          ssh.Login
}

// maxConfig bounds one ssh config, in bytes.
const maxConfig = 1 << 20

// read reads the configs that deploy.yml's ssh.config means.
func (u *Person) read() error {
	files := []string{filepath.Join(u.home, ".ssh/config"), u.system}
	if len(u.ssh.Config.Files) > 0 {
		files = nil
		for _, f := range u.ssh.Config.Files {
			file := u.expand(f)
			if _, err := os.Stat(file); err != nil {
				u.note("ssh.config: " + file + " is not there")
			}
			files = append(files, file)
		}
	} else if !u.ssh.Config.Default {
		return nil
	}
	for _, name := range files {
		c, err := u.readConfig(name)
		if err != nil {
			return err
		}
		if c != nil {
			u.configs = append(u.configs, c)
		}
	}
	return nil
}

func (u *Person) readConfig(name string) (*ssh_config.Config, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read ssh config: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig))
	if err != nil {
		return nil, fmt.Errorf("read ssh config: %w", err)
	}
	c, err := ssh_config.Decode(strings.NewReader(u.known(name, string(text))))
	if err != nil {
		return nil, fmt.Errorf("read ssh config %s: %w; `ssh: { config: false }` in deploy.yml leaves it out", name, err)
	}
	return c, nil
}

// known is a config without the blocks of Match that mean more than hosts: a
// command decides about some. They are noted, and their lines are blank.
func (u *Person) known(name, text string) string {
	var out strings.Builder
	skip, number := false, 0
	for line := range strings.Lines(text) {
		number++
		switch words := strings.Fields(strings.Replace(line, "=", " ", 1)); {
		case len(words) == 0:
		case strings.EqualFold(words[0], "match"):
			all := len(words) == 2 && strings.EqualFold(words[1], "all")
			hosts := len(words) == 3 && strings.EqualFold(words[1], "host")
			if skip = !all && !hosts; skip {
				u.note(fmt.Sprintf("%s:%d: this block of Match is not used; only `Match all` and `Match host` are", name, number))
			}
		case strings.EqualFold(words[0], "host"):
			skip = false
		}
		if skip {
			line = "\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

// Host returns what ssh would know of a host by this name.
func (u *Person) Host(name string) (Host, error) {
	said := func(key string) string { return strings.Trim(u.lookUp(name, key), `"`) }
	h := Host{Address: strings.ReplaceAll(said("HostName"), "%h", name), User: said("User")}
	if port := said("Port"); port != "" {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return h, fmt.Errorf("read ssh config: Port %q of %s is no port", port, name)
		}
		h.Port = n
	}
	// The first of the two that is written counts, even `none`.
	switch key, value := u.first(name, "ProxyJump", "ProxyCommand"); key {
	case "ProxyJump":
		h.Proxy = strings.Trim(value, `"`)
	case "ProxyCommand":
		h.Command = strings.Trim(value, `"`)
	}
	h.Proxy, h.Command = unless(h.Proxy, "none"), unless(h.Command, "none")
	var err error
	h.Login, err = u.login(name, said)
	return h, err
}

func unless(text, word string) string {
	if strings.EqualFold(text, word) {
		return ""
	}
	return text
}

// login is with what ssh logs in to a host: its own keys first.
func (u *Person) login(name string, said func(key string) string) (ssh.Login, error) {
	l := ssh.Login{Alias: said("HostKeyAlias")}
	for _, file := range strings.Fields(said("UserKnownHostsFile")) {
		if file = u.expand(file); file != "/dev/null" && file != "none" {
			l.KnownHosts = append(l.KnownHosts, file)
		}
	}
	if u.ssh.KeysOnly {
		return l, nil // deploy.yml's alone
	}
	var files []string
	for _, c := range u.configs {
		list, err := c.GetAll(name, "IdentityFile")
		if err != nil {
			return l, fmt.Errorf("read ssh config: %w", err)
		}
		for _, file := range list {
			if file = u.expand(file); file != "none" && !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	keys, err := keysIn(files)
	if err != nil {
		return l, err
	}
	l.KeyFiles = keys.files
	if l.Only = strings.EqualFold(said("IdentitiesOnly"), "yes"); l.Only {
		// Besides, as after ssh's -i; and the usual ones where none is named.
		if len(files)+len(u.given.KeyFiles)+len(u.given.Held)+len(u.given.Signers) == 0 {
			keys = u.usual
		}
		l.Signers = u.given.Signers
		l.KeyFiles, l.Held = slices.Concat(u.given.KeyFiles, keys.files), slices.Concat(u.given.Held, keys.held)
	}
	switch agent := said("IdentityAgent"); {
	case agent == "" || agent == "SSH_AUTH_SOCK" || strings.EqualFold(agent, "none"):
	case strings.HasPrefix(agent, "$"):
		l.Agent = os.Getenv(strings.Trim(agent, "${}"))
	default:
		l.Agent = u.expand(agent)
	}
	if _, err := os.Stat(l.Agent); l.Agent != "" && err != nil {
		u.note("IdentityAgent " + l.Agent + " is not there; it is not asked")
		l.Agent = ""
	}
	return l, nil
}

// first returns which of some keys is said first, and its value. Of two within
// one included file the order is that of keys.
func (u *Person) first(host string, keys ...string) (key, value string) {
	for _, c := range u.configs {
		for _, block := range c.Hosts {
			if !block.Matches(host) {
				continue
			}
			for _, node := range block.Nodes {
				line := &ssh_config.Config{Hosts: []*ssh_config.Host{{Patterns: []*ssh_config.Pattern{everyone()}, Nodes: []ssh_config.Node{node}}}}
				for _, key := range keys {
					if v, err := line.Get(host, key); err == nil && v != "" {
						return key, v
					}
				}
			}
		}
	}
	return "", ""
}

func everyone() *ssh_config.Pattern {
	p, _ := ssh_config.NewPattern("*") // it errs of empty ones alone
	return p
}

// lookUp returns the first value, as ssh_config(5) says.
func (u *Person) lookUp(host, key string) string {
	for _, c := range u.configs {
		if v, err := c.Get(host, key); err == nil && v != "" {
			return v
		}
	}
	return ""
}
