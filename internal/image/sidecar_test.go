package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
)

// site is a server with the daemon's image, a registry and a Git server.
type site struct {
	fleet *fleet.Fleet
	h     *fleet.Host
	host  *host.Host
	repo  *actor.Repository
	url   string
	gid   string // of the engine's socket
}

func newSite(t *testing.T) *site {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	binary, err := actor.Build(ctx, dir, "sidecar")
	if err != nil {
		t.Fatal(err)
	}
	tar := filepath.Join(dir, "image", "fairlead.tar")
	if err := write(tar, binary, "fairlead:latest", ""); err != nil {
		t.Fatal(err)
	}
	options := fleet.Options{Hosts: 1}
	if !fleet.Installed() {
		options.Unpacked = filepath.Join(dir, "packages")
		if err := fleet.Unpack(ctx, options.Unpacked); err != nil {
			t.Fatal(err)
		}
	}
	f, err := fleet.Start(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	pool := host.NewPool(host.Config{Identity: ssh.Identity{KnownHosts: []string{f.KnownHosts}, KeyFiles: []string{f.Key}},
		Jitter: func() time.Duration { return 0 }, Unique: rand.Text}, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = pool.Close() })
	s := &site{fleet: f, h: f.Hosts[0]}
	if s.host, err = pool.Get(ctx, host.Address{Name: "h1", Host: s.h.Addr, User: "root"}); err != nil {
		t.Fatal(err)
	}
	s.load(t, tar)
	s.versions(t, dir)
	gid, err := s.h.Exec(ctx, "stat", "-c", "%g", "/var/run/docker.sock")
	if err != nil {
		t.Fatal(err)
	}
	s.gid = strings.TrimSpace(gid)
	return s
}

func (s *site) load(t *testing.T, tar string) {
	t.Helper()
	file, err := os.Open(tar)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if err := s.host.Engine().Load(t.Context(), file); err != nil {
		t.Fatal(err)
	}
}

// versions pushes v1 to v3 of the app, and makes the repository.
func (s *site) versions(t *testing.T, dir string) {
	t.Helper()
	app, err := fleet.BuildApp(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"v1", "v2", "v3"} {
		if _, err := s.fleet.Push(t.Context(), app.Image(v, nil), "shop:"+v); err != nil {
			t.Fatal(err)
		}
	}
	repo, err := s.fleet.NewRepo(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	s.url = repo.HTTP
	if s.repo, err = actor.NewRepository(repo.HTTP); err != nil {
		t.Fatal(err)
	}
}

func (s *site) push(t *testing.T, version string) {
	t.Helper()
	if _, err := s.repo.Push(t.Context(), "Deploy "+version, map[string]string{"config/deploy.yml": `service: shop
image: shop:` + version + `
registry: { server: "` + s.fleet.Registry + `" }
servers: [localhost]
proxy: { app_port: 80, healthcheck: { path: /up, interval: 1 } }
x-fairlead: { window: 1s }
`}); err != nil {
		t.Fatal(err)
	}
}

// compose is what this test does of examples/sidecar/compose.yml; an unknown
// key fails.
type compose struct {
	Services map[string]struct {
		Image    string
		Restart  string
		GroupAdd []string `yaml:"group_add"`
		Volumes  []string
		Ports    []string
		Networks []string
	}
	Networks map[string]struct{ External bool }
	Volumes  map[string]struct{}
}

// sidecar is the container of the example, on a network of the server.
func (s *site) sidecar(t *testing.T, folder, network string) container.Spec {
	t.Helper()
	file, err := os.Open("../../examples/sidecar/compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var c compose
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		t.Fatal(err)
	}
	f := c.Services["fairlead"]
	if f.Image != "fairlead:latest" || len(f.Networks) != 1 || f.Networks[0] != "kamal" || !c.Networks["kamal"].External || len(f.GroupAdd) != 1 ||
		!strings.HasPrefix(f.GroupAdd[0], "${DOCKER_GID:?") {
		t.Fatalf("this test does not know %+v", c)
	}
	spec := container.Spec{Image: f.Image, Network: network, Restart: container.Restart{Policy: f.Restart}}
	spec.Security.GroupAdd = []string{s.gid}
	for _, v := range f.Volumes {
		m, err := container.ParseVolume(strings.Replace(v, "./:", folder+":", 1))
		if err != nil {
			t.Fatal(err)
		}
		spec.Mounts = append(spec.Mounts, m)
	}
	for _, p := range f.Ports {
		ports, err := container.ParsePort(p)
		if err != nil {
			t.Fatal(err)
		}
		spec.Ports = append(spec.Ports, ports...)
	}
	return spec
}

// up starts the daemon in a container on a network and returns its id.
func (s *site) up(t *testing.T, network string) (id string) {
	t.Helper()
	ctx, e := t.Context(), s.host.Engine()
	conf := `repositories:
  shop: { url: "` + s.url + `", branch: main, poll: 1s, mode: deploy }
hosts:
  localhost: { address: local, home: /home/deploy }
registries:
  "` + s.fleet.Registry + `": { insecure: true }
listen: 0.0.0.0:4747
`
	if err := errors.Join(s.host.Files().MkdirAll(ctx, "sidecar", 0o755), s.host.Files().Write(ctx, "sidecar/fairlead.yml", []byte(conf), 0o644),
		e.EnsureNetwork(ctx, network)); err != nil {
		t.Fatal(err)
	}
	id, err := e.Create(ctx, "fairlead", s.sidecar(t, "/root/sidecar", network))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx, id); err != nil {
		t.Fatal(err)
	}
	return id
}

// until waits for a condition; what the daemon logged tells why it did not come.
func (s *site) until(t *testing.T, what string, is func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !is(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			lines, err := s.host.Engine().Logs(t.Context(), "fairlead", 40)
			t.Fatalf("%s: not within 90 s; the daemon's log: %v\n%s", what, err, strings.Join(lines, "\n"))
		}
	}
}

// serves waits until the server answers with a version.
func (s *site) serves(t *testing.T, version string) {
	t.Helper()
	s.until(t, "serve "+version, func(ctx context.Context) bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.h.Addr+"/version", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		return strings.TrimSpace(string(body)) == version
	})
}

// serving counts the containers that reach files for the daemon.
func (s *site) serving(ctx context.Context) int {
	all, err := s.host.Engine().Containers(ctx, map[string]string{host.LabelFiles: ""})
	if err != nil {
		return -1
	}
	return len(all)
}

func TestADaemonInAContainerDeploysBesideItself(t *testing.T) {
	s := newSite(t)
	ctx, e := t.Context(), s.host.Engine()
	s.push(t, "v1")
	id := s.up(t, "kamal")
	s.serves(t, "v1")
	s.push(t, "v2")
	s.serves(t, "v2")
	t.Run("it is as it was started, and well", func(t *testing.T) {
		s.until(t, "be healthy", func(ctx context.Context) bool {
			o, err := e.Inspect(ctx, id)
			return err == nil && o.State.Health == container.Healthy
		})
		o, err := e.Inspect(ctx, id)
		if err != nil || o.Name != "fairlead" || o.State.RestartCount != 0 {
			t.Errorf("%s, %+v, %v", o.Name, o.State, err)
		}
		r, err := e.Exec(ctx, id, []string{"fairlead", "version"}, nil)
		if err != nil || r.ExitCode != 0 || !strings.Contains(r.Stdout, "sidecar") {
			t.Errorf("fairlead version: %+v, %v", r, err)
		}
	})
	t.Run("the files belong to the owner of the home", func(t *testing.T) {
		out, err := s.h.Exec(ctx, "stat", "-c", "%U", "/home/deploy/.kamal/proxy/apps-config")
		if err != nil || strings.TrimSpace(out) != "deploy" {
			t.Errorf("%q, %v", out, err)
		}
	})
	t.Run("told to end, it takes its files' container with it", func(t *testing.T) {
		if err := e.Stop(ctx, id, 20*time.Second); err != nil {
			t.Fatal(err)
		}
		if n := s.serving(ctx); n != 0 {
			t.Errorf("%d containers still serve files", n)
		}
		if o, err := e.Inspect(ctx, id); err != nil || o.State.ExitCode != 0 {
			t.Errorf("it ended with %d, %v", o.State.ExitCode, err)
		}
		if err := e.Remove(ctx, id); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("on another network it asks through the proxy", func(t *testing.T) {
		s.push(t, "v3")
		id = s.up(t, "elsewhere")
		s.serves(t, "v3")
		if o, err := e.Inspect(ctx, id); err != nil || len(o.Addresses) != 1 || o.Addresses["kamal"] != "" {
			t.Errorf("it is on %v, %v", o.Addresses, err)
		}
	})
	t.Run("killed, it leaves no container for files behind", func(t *testing.T) {
		if s.serving(ctx) != 1 { // it holds the lock that the rollout is under
			t.Fatalf("%d containers serve files", s.serving(ctx))
		}
		if _, err := s.h.Docker(ctx, "update", "--restart=no", id); err != nil {
			t.Fatal(err)
		}
		if err := e.Kill(ctx, id, "KILL"); err != nil {
			t.Fatal(err)
		}
		s.until(t, "end", func(ctx context.Context) bool { return s.serving(ctx) == 0 })
	})
}
