package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
)

// localGround is this machine's own engine in place of servers, for where
// engines cannot run inside containers: one server, reached by its socket.
type localGround struct {
	dir         string
	http, https int // the proxy's ports on 127.0.0.1
	images      *http.Server
	address     string // of the registry
	made        bool   // something was made on the engine
}

// newLocalGround makes the registry. It refuses an engine that has Kamal's
// proxy already: the story must not touch what is not its own.
func newLocalGround(ctx context.Context, dir string) (*localGround, error) {
	g := &localGround{dir: dir}
	for _, thing := range [][]string{{"ps", "-aq", "--filter", "name=^kamal-proxy$"}, {"network", "ls", "-q", "--filter", "name=^kamal$"}} {
		out, err := g.docker(ctx, thing...)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(out) != "" {
			return nil, errors.New("this machine's engine already has Kamal's proxy or network, which the demo will not touch; run it on another machine")
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the registry: %w", err)
	}
	g.address = l.Addr().String()
	g.images = &http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0))), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = g.images.Serve(l) }()
	if g.http, err = freePort(); err != nil {
		return nil, err
	}
	if g.https, err = freePort(); err != nil {
		return nil, err
	}
	g.made = true
	return g, os.MkdirAll(g.home(), 0o755)
}

// freePort asks the kernel for a port that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (g *localGround) home() string { return filepath.Join(g.dir, "server") }

func (g *localGround) docker(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("docker %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

func (g *localGround) servers() []server {
	port := func(p int) string { return "127.0.0.1:" + strconv.Itoa(p) + ":" + strconv.Itoa(p) }
	return []server{{
		name: "this machine", address: "localhost", site: "http://127.0.0.1:" + strconv.Itoa(g.http), home: g.home(),
		publish: "--publish " + port(g.http) + " --publish " + port(g.https),
		http:    g.http, https: g.https,
		docker: g.docker,
		mkdir:  func(_ context.Context, dir string) error { return os.MkdirAll(dir, 0o755) },
		load:   g.load,
	}}
}

// load puts an image straight on the engine.
func (g *localGround) load(ctx context.Context, img fleet.Image, ref string) error {
	built, err := img.Build()
	if err != nil {
		return err
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		return fmt.Errorf("load image: %w", err)
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(tarball.Write(tag, built, w)) }()
	cmd := exec.CommandContext(ctx, "docker", "load")
	cmd.Stdin = r
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("docker load: %w: %s", err, out)
	}
	return nil
}

func (g *localGround) registry() string { return g.address }

func (g *localGround) push(ctx context.Context, img fleet.Image, repoTag string) error {
	built, err := img.Build()
	if err != nil {
		return err
	}
	tag, err := name.NewTag(g.address+"/"+repoTag, name.Insecure)
	if err != nil {
		return fmt.Errorf("push image: %w", err)
	}
	return remote.Write(tag, built, remote.WithContext(ctx))
}

// repository is a bare one in the demo's folder.
func (g *localGround) repository(ctx context.Context) (string, error) {
	path := filepath.Join(g.dir, service+".git")
	if out, err := exec.CommandContext(ctx, "git", "init", "-q", "--bare", "-b", "main", path).CombinedOutput(); err != nil {
		return "", fmt.Errorf("make repository: %w: %s", err, out)
	}
	return "file://" + path, nil
}

func (g *localGround) operator() string {
	return "hosts:\n  localhost: { address: local, home: " + g.home() + " }\n"
}

func (g *localGround) proxyRun() string {
	return fmt.Sprintf("  run: { http_port: %d, https_port: %d, bind_ips: [127.0.0.1] }\n", g.http, g.https)
}

func (g *localGround) look() string { return "  docker ps\n" }

// close removes what the story made on the engine, by its own names, however
// far it came.
func (g *localGround) close() error {
	if !g.made {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	for _, kind := range []struct{ list, remove []string }{
		{[]string{"ps", "-aq", "--filter", "label=service=" + service}, []string{"rm", "-f", "-v"}},
		{[]string{"ps", "-aq", "--filter", "name=^kamal-proxy$"}, []string{"rm", "-f", "-v"}},
		{[]string{"network", "ls", "-q", "--filter", "name=^kamal$"}, []string{"network", "rm"}},
		{[]string{"volume", "ls", "-q", "--filter", "name=^kamal-proxy-config$"}, []string{"volume", "rm", "-f"}},
		{[]string{"images", "-q", g.address + "/" + service}, []string{"rmi", "-f"}},
		{[]string{"images", "-q", "basecamp/kamal-proxy:v0.9.2"}, []string{"rmi", "-f"}},
	} {
		out, err := g.docker(ctx, kind.list...)
		errs = append(errs, err)
		if found := strings.Fields(out); err == nil && len(found) > 0 {
			_, err := g.docker(ctx, append(kind.remove, found...)...)
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, g.images.Close())...)
}
