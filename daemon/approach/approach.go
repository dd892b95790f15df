// Package approach decides how a host is reached: at which address, as whom,
// with which keys, through which others. fairlead.yml's words go first, then
// deploy.yml's, then, where a person works, those of his own ssh config; what is
// said of one host goes before what is said of all.
//
// Lives here: that decision. May not live here: reading any of these files, any
// connection.
package approach

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"

	xssh "golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/daemon/ownssh"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/reach"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/internal/secret/program"
)

// Ways are where it is said how hosts are reached.
type Ways struct {
	Config *config.Config
	// Person is whose own ssh speaks, too; nil in a daemon, which nothing of
	// deploy.yml may lead to a file of its machine.
	Person *ownssh.Person
}

// ErrProxyCommand is that deploy.yml names a program that nobody allowed.
var ErrProxyCommand = errors.New("ssh.proxy_command of deploy.yml is not allowed; write `allow: [proxy_command]` at the repository in fairlead.yml")

// maxJumps bounds a way; jump hosts may have jump hosts.
const maxJumps = 8

// Address is how a host is reached.
func (w Ways) Address(at reach.Address) (host.Address, error) {
	mine, own, err := w.said(at.Name)
	if err != nil {
		return host.Address{}, err
	}
	a := host.Address{
		Name: at.Name, Host: cmp.Or(mine.Address, own.Address, at.Host),
		Port:   cmp.Or(mine.Port, at.Port, w.Config.SSH.Port),
		User:   cmp.Or(mine.User, at.User, w.Config.SSH.User),
		Socket: mine.Socket, Home: mine.Home, Login: own.Login,
	}
	if at.SSH.PortSet {
		a.Port = cmp.Or(a.Port, at.SSH.Port)
	}
	if at.SSH.UserSet {
		a.User = cmp.Or(a.User, at.SSH.User)
	}
	a.Port, a.User = cmp.Or(a.Port, own.Port), cmp.Or(a.User, own.User)
	if a.Host == "local" {
		a.Host = ""
	}
	if a.IsLocal() {
		return a, nil
	}
	if err := w.keys(&a, mine, at); err != nil {
		return a, err
	}
	return a, w.through(&a, mine, own, at)
}

// said is what fairlead.yml and the person's ssh config say about one host.
func (w Ways) said(name string) (mine config.Host, own ownssh.Host, err error) {
	mine = w.Config.Hosts[name]
	if w.Person != nil {
		own, err = w.Person.Host(name)
	}
	return mine, own, err
}

// keys adds those that are offered to this host alone. A person's ssh.key_data
// is among the keys that all his hosts share.
func (w Ways) keys(a *host.Address, mine config.Host, at reach.Address) error {
	if mine.Key != "" {
		a.Login.KeyFiles = append([]string{mine.Key}, a.Login.KeyFiles...)
	}
	if w.Person != nil {
		return nil
	}
	for i, key := range at.Keys {
		if key.IsZero() {
			continue // not known, as on the way back
		}
		signer, err := xssh.ParsePrivateKey([]byte(key.Reveal()))
		if err != nil {
			return fmt.Errorf("read the private key in secret %s (ssh.key_data): it is not one in OpenSSH's or PEM's form without passphrase", at.SSH.KeyData[i])
		}
		a.Login.Signers = append(a.Login.Signers, signer)
	}
	return nil
}

// through adds what lies between: jump hosts, or a program.
func (w Ways) through(a *host.Address, mine config.Host, own ownssh.Host, at reach.Address) (err error) {
	// Each source says one of the two, or nothing.
	switch jump := cmp.Or(mine.Proxy, w.Config.SSH.Proxy); {
	case jump == "none":
	case jump != "":
		a.Jump, err = w.jumps(jump, "", maxJumps, reach.Address{})
	case at.SSH.Proxy != "":
		a.Jump, err = w.jumps(at.SSH.Proxy, "", maxJumps, at)
	case at.SSH.ProxyCommand.Raw != "":
		if !at.Commands {
			return ErrProxyCommand
		}
		a.Program = w.program(*a, at.SSH.ProxyCommand.Args)
	case own.Proxy != "":
		a.Jump, err = w.jumps(own.Proxy, w.Person.Name(), maxJumps, reach.Address{})
	case own.Command != "":
		a.Program = w.shell(*a, at.Name, own.Command)
	}
	return err
}

// jumps is the last of [USER@]HOST[:PORT],…; user is who logs in where nothing
// else is said, "" for Kamal's root, and the keys are those of at.
func (w Ways) jumps(list, user string, left int, at reach.Address) (*host.Address, error) {
	var via *host.Address
	for hop := range strings.SplitSeq(list, ",") {
		if left--; left < 0 {
			return nil, fmt.Errorf("jump through %q: more than %d hosts, one after another", list, maxJumps)
		}
		a, err := w.jump(strings.TrimSpace(hop), user, at)
		if err != nil {
			return nil, err
		}
		mine, own, err := w.said(a.Name)
		if err != nil {
			return nil, err
		}
		switch more := cmp.Or(mine.Proxy, own.Proxy); {
		case via != nil:
			a.Jump = via
		case more != "" && more != "none":
			if a.Jump, err = w.jumps(more, user, left, at); err != nil {
				return nil, err
			}
		case own.Command != "":
			a.Program = w.shell(a, a.Name, own.Command)
		}
		via = &a
	}
	return via, nil
}

// jump is one hop, without what lies before it.
func (w Ways) jump(text, user string, at reach.Address) (host.Address, error) {
	name, who, port := text, "", 0
	if u, rest, ok := strings.Cut(text, "@"); ok {
		who, name = u, rest
	}
	if h, p, err := net.SplitHostPort(name); err == nil {
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return host.Address{}, fmt.Errorf("read jump host %q: %q is no port", text, p)
		}
		name = h
	}
	mine, own, err := w.said(name)
	if err != nil {
		return host.Address{}, err
	}
	a := host.Address{
		Name: name, Host: cmp.Or(mine.Address, own.Address, name),
		Port: cmp.Or(port, mine.Port, own.Port), User: cmp.Or(who, mine.User, own.User, user), Login: own.Login,
	}
	return a, w.keys(&a, mine, at)
}

// program is deploy.yml's, word by word.
func (w Ways) program(a host.Address, argv []string) *ssh.Program {
	p := w.attended()
	for _, word := range argv {
		p.Argv = append(p.Argv, fill(word, a, a.Name))
	}
	return p
}

// shell is a command line of the person's own, which ssh gives to a shell, too.
func (w Ways) shell(a host.Address, name, line string) *ssh.Program {
	p := w.attended()
	p.Argv = []string{"sh", "-c", "exec " + fill(line, a, name)}
	return p
}

// attended is how a program runs: a person's as he would run it; on a daemon's
// machine in a folder of nobody, without the daemon's environment.
func (w Ways) attended() *ssh.Program {
	if w.Person != nil {
		return &ssh.Program{Env: os.Environ(), Attended: true}
	}
	return &ssh.Program{Dir: os.TempDir(), Env: program.Environ()}
}

func fill(text string, a host.Address, name string) string {
	return strings.NewReplacer("%%", "%", "%h", a.Host, "%n", name, "%p", strconv.Itoa(cmp.Or(a.Port, 22)), "%r", cmp.Or(a.User, config.DefaultSSHUser)).Replace(text)
}

// Keys are the values of the secrets that deploy.yml's ssh.key_data names; open
// opens the places where its secrets are.
func Keys(ctx context.Context, open Opener, files fs.FS, d *spec.Deploy) (map[string]secret.Value, error) {
	keys := map[string]secret.Value{}
	if len(d.SSH.KeyData) == 0 {
		return keys, nil
	}
	source, err := open(ctx, files, d.Destination, d.SecretsPath)
	if err == nil {
		err = source.Missing(d.SSH.KeyData)
	}
	if err != nil {
		return nil, fmt.Errorf("open secrets: %w", err)
	}
	for _, name := range d.SSH.KeyData {
		if keys[name], _, err = source.Lookup(name); err != nil {
			return nil, fmt.Errorf("look up secret %s: %w", name, err)
		}
	}
	return keys, nil
}

// Opener opens the places where a repository's secrets are.
type Opener = func(ctx context.Context, files fs.FS, destination, path string) (secret.Source, error)
