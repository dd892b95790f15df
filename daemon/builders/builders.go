// Package builders wires deployer/build: which connection leads to a builder,
// which agent builds may use, and who joins architectures.
//
// Lives here: that wiring. May not live here: the building, any decision.
package builders

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"runtime"
	"strconv"

	"github.com/fairlead-deploy/fairlead/deployer/build"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/reach"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/registry"
)

// Local is the name under fairlead.yml's hosts: of this machine, whose engine
// builds where deploy.yml names no other.
const Local = "local"

// Ways are what a Yard is wired to.
type Ways struct {
	Pool *host.Pool
	// Address decides how a host is reached.
	Address  func(reach.Address) (host.Address, error)
	Registry *registry.Client
	Scratch  string // folder for contexts; "": the system's
	Log      *slog.Logger
}

// Yard wires one.
func (w Ways) Yard() *build.Yard {
	y := &build.Yard{Machines: w, Index: index{w.Registry}, Scratch: w.Scratch, Arch: runtime.GOARCH, Log: w.Log}
	if socket := os.Getenv("SSH_AUTH_SOCK"); socket != "" {
		y.Agent = func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		}
	}
	return y
}

// Machine reaches a builder: this machine's engine, or ssh://[USER@]HOST[:PORT].
func (w Ways) Machine(ctx context.Context, at string, ssh spec.SSH) (build.Machine, error) {
	h, err := w.host(ctx, at, ssh)
	if err != nil {
		return build.Machine{}, err
	}
	return build.Machine{Name: h.Name(), Dial: h.DialEngine, Images: h.Engine(), Shell: h.Login()}, nil
}

func (w Ways) host(ctx context.Context, at string, ssh spec.SSH) (*host.Host, error) {
	a := reach.Address{Name: Local, Host: Local}
	if at != "" {
		u, err := url.Parse(at)
		if err != nil {
			return nil, fmt.Errorf("read builder.remote: %w", err)
		}
		ssh.PortSet, ssh.ProxyCommand = false, spec.Command{} // its address says the port, and neither does Kamal run that for it
		a = reach.Address{Name: u.Hostname(), Host: u.Hostname(), User: u.User.Username(), SSH: ssh}
		if p := u.Port(); p != "" {
			if a.Port, err = strconv.Atoi(p); err != nil {
				return nil, fmt.Errorf("read builder.remote: %w", err)
			}
		}
	}
	address, err := w.Address(a)
	if err != nil {
		return nil, err
	}
	return w.Pool.Get(ctx, address)
}

// index joins architectures at the registry.
type index struct{ registry *registry.Client }

// Index joins them.
func (i index) Index(ctx context.Context, name string, tags, digests []string, auth docker.Auth) (string, error) {
	return i.registry.Join(ctx, name, tags, digests, registry.Auth{Username: auth.Username, Password: auth.Password})
}

var _ build.Machines = Ways{}
