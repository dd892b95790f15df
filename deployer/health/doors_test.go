package health_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker/dockertest"
	"github.com/fairlead-deploy/fairlead/deployer/host/program"
	"github.com/fairlead-deploy/fairlead/deployer/host/program/programtest"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
)

// wall is a dialer that never gets through.
type wall struct{ err error }

func (w wall) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, fmt.Errorf("dial: %w", w.err)
}

// run starts a container for the test and returns its id and address.
func run(t *testing.T, e *docker.Engine, spec container.Spec) (id, address string) {
	t.Helper()
	id, err := e.Create(t.Context(), dockertest.ID(t), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Remove(context.WithoutCancel(t.Context()), id) })
	if err := e.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	o, err := e.Inspect(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return id, o.Addresses[spec.Network]
}

func TestWhereNobodyCanDialTheProxyAsks(t *testing.T) {
	e := programtest.Engine(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := program.Ensure(ctx, e, "", programtest.Binary); err != nil {
		t.Fatal(err)
	}
	network := dockertest.Network(t, e)
	proxy, _ := run(t, e, container.Spec{Image: program.Image, Network: network})
	app, address := run(t, e, container.Spec{
		Image: dockertest.Image(t, e, dockertest.Config{Entrypoint: []string{"/toy"}}), Network: network, Cmd: []string{"serve"}})
	for _, why := range []error{ssh.ErrProhibited, host.ErrNoRoute} {
		d := health.Doors{Dialer: wall{why}, Execer: e, Proxy: proxy}
		var status int
		var err error
		for status, err = d.HTTP(ctx, app, address, 80, "/up"); err != nil && ctx.Err() == nil; { // the app starts
			status, err = d.HTTP(ctx, app, address, 80, "/up")
		}
		if status != 200 || err != nil {
			t.Errorf("%v: %d, %v", why, status, err)
		}
		if _, err := d.HTTP(ctx, app, address, 81, "/up"); err == nil || !strings.HasSuffix(err.Error(), "connection refused") || strings.Contains(err.Error(), "Error") {
			t.Errorf("nobody listens: %v", err)
		}
		if err := d.TCP(ctx, app, address, 80); !errors.Is(err, health.ErrNoDoor) {
			t.Errorf("TCP: %v", err)
		}
	}
	short, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	// No container has this address, so that nobody answers.
	d := health.Doors{Dialer: wall{host.ErrNoRoute}, Execer: e, Proxy: proxy}
	if _, err := d.HTTP(short, app, address[:strings.LastIndex(address, ".")]+".250", 80, "/up"); err == nil || short.Err() != nil {
		t.Errorf("nobody is there: %v, %v", err, short.Err())
	}
}

func TestKamalsProxyIsNoDoor(t *testing.T) {
	d := health.Doors{Dialer: wall{host.ErrNoRoute}, Execer: kamalProxy{}, Proxy: "kamal-proxy"}
	if _, err := d.HTTP(t.Context(), "id", "10.0.0.1", 80, "/up"); !errors.Is(err, health.ErrNoDoor) {
		t.Error(err)
	}
	d.Proxy = ""
	if _, err := d.HTTP(t.Context(), "id", "10.0.0.1", 80, "/up"); !errors.Is(err, health.ErrNoDoor) {
		t.Error(err)
	}
}

func TestAnAppThatRefusesIsNotAskedAgainThroughTheProxy(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	d := health.Doors{Dialer: wall{refused}, Execer: kamalProxy{t}, Proxy: "kamal-proxy"}
	if _, err := d.HTTP(t.Context(), "id", "10.0.0.1", 80, "/up"); !errors.Is(err, refused) {
		t.Error(err)
	}
}

// kamalProxy answers as a proxy that knows no probe; with a test it must not
// be asked.
type kamalProxy struct{ *testing.T }

func (k kamalProxy) Exec(context.Context, string, []string, io.Reader) (docker.ExecResult, error) {
	if k.T != nil {
		k.Error("the proxy was asked")
	}
	return docker.ExecResult{ExitCode: 1, Stderr: `Error: unknown command "probe" for "kamal-proxy"`}, nil
}
