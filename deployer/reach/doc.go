// Package reach gets an attempt to the servers that a deploy.yml names: where
// each is, a connection to it, what all of them run, and which of them are left
// out for now, with the reason.
//
// Lives here: addresses, connecting side by side, who is waited for and who is
// passed over. May not live here: what is done on a server (rollout), what
// should run there (plan), how a connection is made (host).
package reach

import (
	"cmp"
	"context"
	"fmt"

	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/observe"
	"github.com/fairlead-deploy/fairlead/deployer/policy"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// Fleet gives servers by their address in deploy.yml. Connections are kept
// between calls; Server is cheap where there is one.
type Fleet interface {
	Server(ctx context.Context, at Address) (Server, error)
}

// Address is how deploy.yml reaches a host.
type Address struct {
	Name string // as written; identifies the host
	Host string
	// User and Port are written at the host itself; "" and 0 leave them to SSH.
	User string
	Port int
	SSH  spec.SSH
	// Keys are the private keys that SSH.KeyData names, in its order; those that
	// are not known are zero. All may be missing.
	Keys []secret.Value
	// Traefik tells that deploy.yml keeps Traefik as the hosts' proxy.
	Traefik bool
	// Commands tells that SSH.ProxyCommand may be run: whoever asks has seen that
	// the operator allows it.
	Commands bool
}

// At is how deploy.yml reaches one of its hosts, an accessory's included.
func At(d *spec.Deploy, name string) Address {
	at := Address{Name: name, Host: name, SSH: d.SSH, Traefik: traefik.Keeps(d)}
	for _, role := range d.Roles {
		at.written(role.Hosts)
	}
	for _, a := range d.Accessories {
		at.written(a.Hosts)
	}
	return at
}

// written takes what is said at the host, the first time that it is.
func (a *Address) written(entries []spec.HostEntry) {
	for _, e := range entries {
		if e.Address == a.Name {
			a.User, a.Port = cmp.Or(a.User, e.User), cmp.Or(a.Port, e.Port)
		}
	}
}

// With adds what deploy.yml may use, by the repository's words of allow: in
// fairlead.yml, and the secrets that it names.
func (a Address) With(allow []string, value func(name string) secret.Value) Address {
	a.Commands = policy.ProxyCommand(allow)
	for _, name := range a.SSH.KeyData {
		a.Keys = append(a.Keys, value(name))
	}
	return a
}

// Server is one server, by the roles it plays.
type Server struct {
	Read  observe.Host
	Work  rollout.Host // without Auth
	Files Files
	Home  string // the ssh user's home folder
	// Environment reads the variables of the ssh user's login.
	Environment func(ctx context.Context) (map[string]string, error)
}

// Files is what the lock and a rollout do with a server's files.
type Files interface {
	lock.Files
	rollout.Files
}

// UnreachableError says which hosts could not be read, and why the first.
type UnreachableError struct {
	Hosts []string
	Err   error
}

func (e *UnreachableError) Error() string {
	said := rollout.Plain(e.Err)
	if step, ok := said.(*rollout.StepError); ok {
		said = step.Err // it names the host
	}
	if len(e.Hosts) == 1 {
		return said.Error()
	}
	return fmt.Sprintf("%v (and %s)", said, release.Count(len(e.Hosts)-1, "more host"))
}

// Unwrap gives the first host's error.
func (e *UnreachableError) Unwrap() error { return e.Err }

func (e *UnreachableError) add(host string, err error) {
	if e.Err == nil {
		e.Err = &rollout.StepError{Host: host, Step: "reach it", Err: err}
	}
	e.Hosts = append(e.Hosts, host)
}
