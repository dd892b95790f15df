package traefik

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/files"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
	"github.com/fairlead-deploy/fairlead/internal/fleet"
)

// edge is a host on which the stand-in for Traefik runs as a process of this
// machine, and containers are servers on its loopback addresses.
type edge struct {
	*testing.T
	*Driver
	Engine        // what is not answered below is not asked
	web    string // where visitors come
	port   int    // of every container
	up     map[string]container.Observed
}

func newEdge(t *testing.T) *edge {
	t.Helper()
	binary, err := fleet.BuildTraefik(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	e := &edge{T: t, web: vacantAddress(t), up: map[string]container.Observed{}}
	asked := vacantAddress(t)
	_, port, _ := net.SplitHostPort(vacantAddress(t))
	e.port, _ = strconv.Atoi(port)
	n := 0
	door := files.NewLocal(home, func() string { n++; return strconv.Itoa(n) }).Door()
	if err := door.MkdirAll(t.Context(), traefik.Folder, 0o700); err != nil {
		t.Fatal(err)
	}
	process := exec.CommandContext(t.Context(), binary, "--entrypoints.web.address="+e.web, "--entrypoints.fairlead.address="+asked,
		"--providers.file.directory="+filepath.Join(home, traefik.Folder))
	process.Stdout, process.Stderr = t.Output(), t.Output()
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Wait() }) // killed with the test's context
	box := container.Observed{ID: traefik.Container, Name: traefik.Container, State: container.State{Status: container.Running}, Addresses: map[string]string{plan.Network: "10.0.0.1"}}
	box.Spec.Labels = map[string]string{"fairlead.proxy": traefik.Kind}
	box.Spec.Cmd = []string{"--entrypoints.web.address=:80", "--entrypoints.fairlead.address=:" + strconv.Itoa(traefik.Port)}
	e.up[traefik.Container] = box
	e.Driver = &Driver{Engine: e, Files: door, Home: home, Dialer: dialer(asked)}
	return e
}

func vacantAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// dialer leads to where the stand-in answers Fairlead.
type dialer string

func (d dialer) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, string(d))
}

func (e *edge) Inspect(_ context.Context, id string) (container.Observed, error) {
	if c, ok := e.up[id]; ok {
		return c, nil
	}
	return container.Observed{}, docker.ErrNotFound
}

// runs starts a container that answers by a function; its id is its address.
func (e *edge) runs(id string, labels map[string]string, answer http.HandlerFunc) {
	e.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(id, strconv.Itoa(e.port)))
	if err != nil {
		e.Fatal(err)
	}
	s := httptest.NewUnstartedServer(answer)
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	e.Cleanup(s.Close)
	e.up[id] = container.Observed{ID: id, State: container.State{Status: container.Running}, Spec: container.Spec{Labels: labels}}
}

// gets is what a visitor of a host gets.
func (e *edge) gets(ctx context.Context, host string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.web+"/", nil)
	if err != nil {
		return err.Error()
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return strconv.Itoa(resp.StatusCode)
	}
	return string(body)
}

func (e *edge) route(service string) plan.Route {
	return plan.Route{Service: service, Port: e.port, Hosts: []string{strings.TrimSuffix(service, "-web") + ".example.com"}, HealthPath: "/up", DeployTimeout: time.Minute}
}

// says answers visitors with a text, and Fairlead that all is well.
func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func (e *edge) want(host, want string) {
	e.Helper()
	if got := e.gets(e.Context(), host); got != want {
		e.Errorf("%s gets %s, want %s", host, got, want)
	}
}

func TestAContainerGetsRequestsAtItsSwitchAndNotBefore(t *testing.T) {
	e := newEdge(t)
	r := e.route("shop-web")
	e.runs("127.0.0.1", nil, says("one"))
	if err := e.Deploy(t.Context(), r, "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	e.want("shop.example.com", "one")

	var well atomic.Bool
	var asked, visited atomic.Int64
	early := make(chan string, 100)
	failing, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	e.runs("127.0.0.2", map[string]string{"traefik.http.routers.extra.rule": "Host(`extra.example.com`)"}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/up" {
			visited.Add(1)
			_, _ = io.WriteString(w, "two")
			return
		}
		n := asked.Add(1)
		if n <= 3 || well.CompareAndSwap(true, false) { // it is only asked: nobody gets to it
			early <- e.gets(r.Context(), "shop.example.com") + " " + e.gets(r.Context(), "extra.example.com")
		}
		if n < 5 {
			http.Error(w, "not yet", http.StatusInternalServerError)
		}
		if n == 3 {
			stop(fmt.Errorf("asked three times"))
		}
	})
	if err := e.Deploy(failing, r, "127.0.0.2"); err == nil || !strings.Contains(err.Error(), "deploy route: ") {
		t.Errorf("a container that is not well: %v", err)
	}
	e.want("shop.example.com", "one")
	if s, err := e.read(t.Context(), "shop-web"); err != nil || s.Next != nil || s.Live == nil || s.Live.Containers[0] != "127.0.0.1" {
		t.Errorf("its file stays %+v, %v", s, err)
	}
	well.Store(true)
	asked.Store(10)
	if err := e.Deploy(t.Context(), r, "127.0.0.2"); err != nil {
		t.Fatal(err)
	}
	for len(early) > 0 {
		if got := <-early; got != "one 404" {
			t.Errorf("before the switch visitors get %s", got)
		}
	}
	if visited.Load() != 0 || well.Load() {
		t.Errorf("%d requests before anybody asked; looked at: %t", visited.Load(), !well.Load())
	}
	e.want("shop.example.com", "two")
	e.want("extra.example.com", "two")

	if err := e.Remove(t.Context(), "shop-web"); err != nil {
		t.Fatal(err)
	}
	e.want("shop.example.com", "404")
	if routes, err := e.List(t.Context(), true); err != nil || len(routes) != 0 {
		t.Errorf("routes %+v, %v", routes, err)
	}
}

func TestNoServiceTakesOverAnotherOfItsHostByLabels(t *testing.T) {
	e := newEdge(t)
	e.runs("127.0.0.1", nil, says("blog"))
	e.runs("127.0.0.2", map[string]string{
		"traefik.http.routers.blog-web.rule":                            "Host(`aaa.example.com`)",
		"traefik.http.services.blog-web.loadbalancer.server.port":       strconv.Itoa(e.port),
		"traefik.http.routers.fairlead-blog-web.rule":                   "Host(`x`)",
		"traefik.http.routers.blog-web-next.rule":                       "Host(`y`)",
		"traefik.http.routers.mine.rule":                                "Host(`mine.example.com`)",
		"traefik.http.routers.all.rule":                                 "PathPrefix(`/up`)",
		"traefik.http.routers.all.priority":                             "9223372036854774807",
		"traefik.http.middlewares.mark.headers.customresponseheaders.X": "y",
	}, says("aaa"))
	for _, at := range [][2]string{{"blog-web", "127.0.0.1"}, {"aaa-web", "127.0.0.2"}, {"blog-web", "127.0.0.1"}, {"aaa-web", "127.0.0.2"}} {
		if err := e.Deploy(t.Context(), e.route(at[0]), at[1]); err != nil {
			t.Fatal(err)
		}
	}
	e.want("blog.example.com", "blog")
	e.want("aaa.example.com", "aaa")
	e.want("mine.example.com", "aaa")
	e.want("x", "aaa")

	e.runs("127.0.0.3", map[string]string{"traefik.http.routers.all.entrypoints": "fairlead"}, says("three"))
	err := e.Deploy(t.Context(), e.route("aaa-web"), "127.0.0.3")
	if err == nil || !strings.Contains(err.Error(), "deploy route: label traefik.http.routers.all.entrypoints names the entrypoint fairlead") {
		t.Errorf("a label at Fairlead's entrypoint: %v", err)
	}
	e.want("aaa.example.com", "aaa")
}
