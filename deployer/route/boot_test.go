package route_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/program/programtest"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/proxy/control"
)

// server is a host without anything of ours, as its user without root sees it.
type server struct {
	home    string
	machine *fleet.Host
	host    *host.Host
	driver  *route.Driver
	outside string // this machine, as the host sees it
}

func newServer(t *testing.T) *server {
	t.Helper()
	if _, _, err := programtest.Binary(""); err != nil { // now: it takes longer than a host may
		t.Fatal(err)
	}
	options := fleet.Options{Hosts: 1, DiskMB: 512}
	if !fleet.Installed() {
		options.Unpacked = filepath.Join(t.TempDir(), "packages")
		if err := fleet.Unpack(t.Context(), options.Unpacked); err != nil {
			t.Fatal(err)
		}
	}
	f, err := fleet.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	pool := host.NewPool(host.Config{
		Identity: ssh.Identity{KnownHosts: []string{f.KnownHosts}, KeyFiles: []string{f.Key}},
		Jitter:   func() time.Duration { return 0 }, Unique: rand.Text,
	}, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = pool.Close() })
	s := &server{machine: f.Hosts[0], outside: f.Subnet.Masked().Addr().Next().String()}
	if s.host, err = pool.Get(t.Context(), host.Address{Name: "h1", Host: s.machine.Addr, User: "deploy"}); err != nil {
		t.Fatal(err)
	}
	home, err := s.host.Home(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := s.host.Engine()
	s.home = home
	s.driver = route.NewDriver(e, s.host, home, slog.New(slog.DiscardHandler))
	s.driver.Booter = &route.Booter{Engine: e, Folders: s.host.Files(), Arch: "", Binary: programtest.Binary}
	return s
}

func (s *server) exec(t *testing.T, argv ...string) docker.ExecResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := s.host.Engine().Exec(ctx, route.Container, argv, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// app serves on this machine where the host reaches it; requests to /slow say
// that they arrived and wait to be let go.
func (s *server) app(t *testing.T) (target string, arrived, let chan struct{}) {
	t.Helper()
	arrived, let = make(chan struct{}, 1), make(chan struct{})
	l, err := net.Listen("tcp", net.JoinHostPort(s.outside, "0"))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- struct{}{}
			<-let
		}
		_, _ = io.WriteString(w, "finished")
	})}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); <-served })
	return l.Addr().String(), arrived, let
}

// get asks the host's port 80.
func (s *server) get(path string) (string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	resp, err := client.Get("http://" + s.machine.Addr + path)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return fmt.Sprint(resp.StatusCode, " ", string(body)), err
}

func (s *server) served(t *testing.T, when string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got, err := s.get("/")
	for ; err != nil && ctx.Err() == nil; got, err = s.get("/") { // the proxy starts
	}
	if got != "200 finished" {
		t.Errorf("%s: %q, %v", when, got, err)
	}
}

func TestTheProxyLivesOnARealServer(t *testing.T) {
	s := newServer(t)
	ctx, e := t.Context(), s.host.Engine()
	run := plan.ProxyRun{HTTPPort: 80, HTTPSPort: 443, Publish: true}
	if err := errors.Join(e.EnsureNetwork(ctx, plan.Network), s.driver.Boot(ctx, run, false)); err != nil {
		t.Fatal(err)
	}
	target, arrived, let := s.app(t)
	if r := s.exec(t, "kamal-proxy", "deploy", "shop", "--target", target); r.ExitCode != 0 {
		t.Fatalf("deploy: %+v", r)
	}
	s.served(t, "after the first boot")

	t.Run("it answers Kamal's command", func(t *testing.T) {
		r := s.exec(t, "kamal-proxy", "list")
		if r.ExitCode != 0 || !strings.Contains(r.Stdout, "Service") || !strings.Contains(r.Stdout, target) {
			t.Errorf("list: %+v", r)
		}
	})
	t.Run("its second socket is for the ssh user and nobody else", func(t *testing.T) { s.ownersSocket(t) })
	t.Run("routes outlive a restart", func(t *testing.T) {
		if err := e.Restart(ctx, route.Container, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		s.served(t, "after a restart")
	})
	t.Run("a full disk changes no route", func(t *testing.T) { s.fullDisk(t) })
	t.Run("the request under way is finished when it is told to end", func(t *testing.T) { s.drains(t, arrived, let) })
	t.Run("one that ended is started again and knows its routes", func(t *testing.T) {
		if err := s.driver.Boot(ctx, run, true); err != nil {
			t.Fatal(err)
		}
		s.served(t, "after the second boot")
	})
}

func (s *server) ownersSocket(t *testing.T) {
	c := control.Client{Dial: func(ctx context.Context) (net.Conn, error) {
		return s.host.Dial(ctx, "unix", s.home+"/"+route.Socket)
	}}
	services, err := c.List(t.Context())
	if err != nil || len(services) != 1 || services[0].Name != "shop" {
		t.Errorf("the user deploy sees %+v, %v", services, err)
	}
	out, err := s.machine.SSH(t.Context(), "stat -c '%U %a' "+s.home+"/"+route.Socket)
	if err != nil || strings.TrimSpace(out) != "deploy 600" {
		t.Errorf("it is %q, %v", out, err)
	}
}

func (s *server) fullDisk(t *testing.T) {
	if err := s.machine.FillDisk(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, _, _ := s.app(t)
	r := s.exec(t, "kamal-proxy", "deploy", "other", "--target", other, "--host", "other.example.com")
	if r.ExitCode == 0 || !strings.Contains(r.Stderr, "no space left") {
		t.Errorf("a route that cannot be kept was taken: %+v", r)
	}
	s.served(t, "with a full disk")
	if err := s.machine.FreeDisk(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.host.Engine().Restart(t.Context(), route.Container, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	s.served(t, "restarted after a full disk")
}

func (s *server) drains(t *testing.T, arrived, let chan struct{}) {
	type answer struct {
		text string
		err  error
	}
	slow := make(chan answer, 1)
	go func() { text, err := s.get("/slow"); slow <- answer{text, err} }()
	<-arrived
	stopped := make(chan error, 1)
	go func() { stopped <- s.host.Engine().Stop(t.Context(), route.Container, 20*time.Second) }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil { // until it takes no request any more
		if _, err := s.get("/"); err != nil {
			break
		}
	}
	select {
	case err := <-stopped:
		t.Errorf("it did not wait: %v", err)
	default:
	}
	close(let)
	if got := <-slow; got.text != "200 finished" {
		t.Errorf("the request under way: %q, %v", got.text, got.err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if o, err := s.host.Engine().Inspect(t.Context(), route.Container); err != nil || o.State.ExitCode != 0 {
		t.Errorf("it ended with %d, %v", o.State.ExitCode, err)
	}
}
