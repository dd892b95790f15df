// Package reach gets an attempt to the servers that a deploy.yml names: where
// each is, a connection to it, what all of them run, and which of them are left
// out for now, with the reason.
//
// Lives here: addresses, connecting side by side, who is waited for and who is
// passed over. May not live here: what is done on a server (rollout), what
// should run there (plan), how a connection is made (host).
package reach

import (
	"context"
	"fmt"

	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/observe"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
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
	User string
	Port int
	SSH  spec.SSH
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
	if len(e.Hosts) == 1 {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v (and %s)", e.Err, release.Count(len(e.Hosts)-1, "more host"))
}

// Unwrap gives the first host's error.
func (e *UnreachableError) Unwrap() error { return e.Err }

func (e *UnreachableError) add(host string, err error) {
	if e.Err == nil {
		e.Err = err
	}
	e.Hosts = append(e.Hosts, host)
}
