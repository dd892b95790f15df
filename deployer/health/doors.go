package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
)

// Execer runs a command in a container.
type Execer interface {
	Exec(ctx context.Context, id string, argv []string, stdin io.Reader) (docker.ExecResult, error)
}

// Doors are the ways from here to a container, tried in this order: dialling
// from the host (over SSH: direct-tcpip; on this machine: where the daemon is
// on a network that leads there), then the reverse proxy's own probe, which is
// on the container's network. A command runs through the engine.
type Doors struct {
	Dialer Dialer
	Execer Execer
	// Proxy is the container of a reverse proxy that can probe for us; empty
	// where there is none.
	Proxy string
}

// HTTP asks for path on address:port.
func (d Doors) HTTP(ctx context.Context, _, address string, port int, path string) (int, error) {
	status, err := Get(ctx, d.Dialer, address, port, path)
	if err == nil || !shut(err) {
		return status, err
	}
	return d.throughProxy(ctx, "http://"+net.JoinHostPort(address, strconv.Itoa(port))+path)
}

// shut tells that dialling is no way to any container of the host, whatever
// becomes of this one.
func shut(err error) bool {
	return errors.Is(err, ssh.ErrProhibited) || errors.Is(err, host.ErrNoRoute)
}

// throughProxy lets Fairlead's proxy ask; it prints the status.
func (d Doors) throughProxy(ctx context.Context, url string) (int, error) {
	if d.Proxy == "" {
		return 0, ErrNoDoor
	}
	argv := []string{"kamal-proxy", "probe", url}
	if deadline, ok := ctx.Deadline(); ok { // it should be the one to say that time is up
		argv = append(argv, "--timeout", max(time.Until(deadline)*9/10, time.Millisecond).String())
	}
	res, err := d.Execer.Exec(ctx, d.Proxy, argv, nil)
	switch {
	case err != nil:
		return 0, err
	case res.ExitCode != 0 && strings.Contains(res.Stderr, "unknown command"):
		return 0, ErrNoDoor // kamal-proxy itself
	case res.ExitCode != 0:
		return 0, errors.New(strings.TrimPrefix(strings.TrimSpace(res.Stderr), "Error: probe: "))
	}
	return strconv.Atoi(strings.TrimSpace(res.Stdout))
}

// TCP connects to address:port.
func (d Doors) TCP(ctx context.Context, _, address string, port int) error {
	conn, err := d.Dialer.Dial(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil && shut(err) {
		return ErrNoDoor
	}
	if err != nil {
		return err
	}
	return conn.Close()
}

// Cmd runs argv in the container.
func (d Doors) Cmd(ctx context.Context, id string, argv []string) (int, string, error) {
	res, err := d.Execer.Exec(ctx, id, argv, nil)
	if err != nil {
		return 0, "", fmt.Errorf("run health command: %w", err)
	}
	out := strings.TrimSpace(res.Stdout + res.Stderr)
	return res.ExitCode, out[max(0, len(out)-200):], nil
}
