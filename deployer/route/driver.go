package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
	"github.com/fairlead-deploy/fairlead/proxy/control"
)

// Container is the name that Kamal gives the reverse proxy's container.
const Container = "kamal-proxy"

// Name is the container of the proxy that a deploy.yml's services have.
func Name(d *spec.Deploy) string {
	if traefik.Keeps(d) {
		return traefik.Container
	}
	return Container
}

// margin is added to the deadlines of a proxy command: it waits for health and
// drain itself, and should be the one to say that they took too long.
const margin = 15 * time.Second

// Execer runs a command in a container.
type Execer interface {
	Exec(ctx context.Context, id string, argv []string, stdin io.Reader) (docker.ExecResult, error)
}

// Dialer opens a connection from the host's point of view.
type Dialer interface {
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// Driver steers the proxy of one host.
type Driver struct {
	Booter *Booter
	// Log hears when the socket fails and a command is used in its place.
	Log *slog.Logger

	execer Execer
	home   string
	socket *control.Client // nil: not used
	ours   atomic.Bool     // the socket has answered
}

// Socket is where Fairlead's own proxy listens, below the ssh user's home.
const Socket = ".kamal/proxy/apps-config/.fairlead/proxy.sock"

// NewDriver makes a Driver. home is the ssh user's home on the host; where it
// is empty, the socket is not used.
func NewDriver(e Execer, d Dialer, home string, log *slog.Logger) *Driver {
	driver := &Driver{Log: log, execer: e, home: home}
	if home != "" {
		kept := control.Keep(func(ctx context.Context) (net.Conn, error) {
			return d.Dial(ctx, "unix", path.Join(home, Socket))
		})
		driver.socket = &kept
	}
	return driver
}

// absent tells whether an error says that nobody listens at the socket, or
// that we may not open it: kamal-proxy itself, or a user who is not root.
func absent(err error) bool {
	for _, e := range []error{ssh.ErrRefused, ssh.ErrProhibited, syscall.ENOENT, syscall.ECONNREFUSED, syscall.EACCES} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// List returns the routes of the host's proxy. ours says that it is Fairlead's
// own.
func (d *Driver) List(ctx context.Context, ours bool) ([]plan.Live, error) {
	if ours && d.socket != nil {
		services, err := d.socket.List(ctx)
		if err == nil {
			d.ours.Store(true)
			return routes(services), nil
		}
		if !absent(err) {
			d.Log.Warn("proxy's socket failed; running a command in its place", "error", err)
		}
	}
	if ours {
		if services, err := d.services(ctx); err == nil {
			return routes(services), nil
		}
	}
	out, err := d.exec(ctx, 30*time.Second, []string{"kamal-proxy", "list"})
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	return parseList(out), nil
}

// services lists those of Fairlead's own proxy by its command.
func (d *Driver) services(ctx context.Context) ([]control.Service, error) {
	out, err := d.exec(ctx, 30*time.Second, []string{"kamal-proxy", "list", "--json"})
	if err != nil {
		return nil, err
	}
	var all []control.Service
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		return nil, fmt.Errorf("read list: %w", err)
	}
	return all, nil
}

// Greet finds out whether Fairlead's own proxy runs on the host, so that Early
// may be asked.
func (d *Driver) Greet(ctx context.Context) {
	if d.socket != nil {
		_, err := d.socket.List(ctx)
		d.ours.Store(err == nil)
	}
}

// Early lists the routes of a proxy whose socket has answered before. It may
// run beside the reading of containers, which tells whether that proxy is
// still there.
func (d *Driver) Early(ctx context.Context) ([]plan.Live, bool) {
	if !d.ours.Load() {
		return nil, false
	}
	services, err := d.socket.List(ctx)
	d.ours.Store(err == nil)
	return routes(services), err == nil
}

func routes(services []control.Service) []plan.Live {
	var all []plan.Live
	for _, s := range services {
		all = append(all, live(s))
	}
	return all
}

// Deploy sends a route's traffic to containers, by their ids, and drains those
// before.
func (d *Driver) Deploy(ctx context.Context, r plan.Route, containers ...string) error {
	if d.socket != nil {
		_, err := d.socket.Deploy(ctx, request(r, containers))
		if err == nil || errors.As(err, new(*control.Error)) {
			return verdict("deploy route", err)
		}
		if !absent(err) { // a lost reply, perhaps: a deploy is idempotent, so it is simply said again
			d.Log.Warn("proxy's socket failed; running a command in its place", "error", err)
		}
	}
	_, err := d.exec(ctx, r.DeployTimeout+r.DrainTimeout+margin, deployArgs(r, containers))
	return verdict("deploy route", err)
}

// verdict tells a proxy's own word on a container's health from other failures.
func verdict(verb string, err error) error {
	var said *control.Error
	var exit *ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &said) && said.Kind == control.Unhealthy:
		return fmt.Errorf("%w: %s", rollout.ErrProxyVerdict, said.Text)
	case errors.As(err, &exit) && strings.Contains(exit.Stderr, "healthy"):
		return fmt.Errorf("%w: %s", rollout.ErrProxyVerdict, exit.Stderr)
	}
	return fmt.Errorf("%s: %w", verb, err)
}

// Remove takes a route away; one that is not there is removed already.
func (d *Driver) Remove(ctx context.Context, service string) error {
	_, err := d.exec(ctx, time.Minute, []string{"kamal-proxy", "remove", service})
	var exit *ExitError
	if errors.As(err, &exit) && strings.Contains(exit.Stderr, "not found") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove route: %w", err)
	}
	return nil
}

// Boot makes the host's proxy run.
func (d *Driver) Boot(ctx context.Context, run plan.ProxyRun, present bool) error {
	return d.Booter.Boot(ctx, run, present, d.home)
}

// ExitError is a proxy command that failed.
type ExitError struct {
	Code   int
	Stderr string
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("kamal-proxy exited with %d: %s", e.Code, e.Stderr)
}

func (d *Driver) exec(ctx context.Context, limit time.Duration, argv []string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("the proxy did not answer in time"))
	defer cancel()
	res, err := d.execer.Exec(ctx, Container, argv, nil)
	if err != nil {
		return "", err
	}
	if res.ExitCode != 0 {
		return "", &ExitError{res.ExitCode, strings.TrimSpace(res.Stderr)}
	}
	return res.Stdout, nil
}
