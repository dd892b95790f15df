package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

// running is a whole proxy in this process, driven by its command line.
type running struct {
	t    *testing.T
	env  map[string]string
	port int
	tls  int
	url  string
	end  func()
	log  *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func start(t *testing.T, home string) *running {
	t.Helper()
	return startWith(&running{t: t, env: map[string]string{"HOME": home, "XDG_RUNTIME_DIR": home}, port: freePort(t), tls: freePort(t)})
}

func startWith(p *running) *running {
	t := p.t
	t.Helper()
	p.log = &safeBuffer{}
	p.url = fmt.Sprintf("http://127.0.0.1:%d", p.port)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() {
		done <- Execute(ctx, []string{"run", "--http-port", fmt.Sprint(p.port), "--https-port", fmt.Sprint(p.tls)}, nil, p.log, p.log, p.getenv)
	}()
	p.end = sync.OnceFunc(func() {
		cancel()
		if code := <-done; code != 0 {
			t.Errorf("run ended with %d: %s", code, p.log)
		}
	})
	t.Cleanup(p.end)
	deadline, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	for p.try("health").code != 0 {
		select {
		case code := <-done:
			t.Fatalf("run ended with %d: %s", code, p.log)
		case <-deadline.Done():
			t.Fatalf("proxy does not start: %s", p.log)
		default:
		}
	}
	return p
}

func (p *running) getenv(name string) string { return p.env[name] }

type outcome struct {
	code     int
	out, err string
}

func (p *running) try(args ...string) outcome {
	var out, errs bytes.Buffer
	code := Execute(context.Background(), args, strings.NewReader(""), &out, &errs, p.getenv)
	return outcome{code, out.String(), errs.String()}
}

func (p *running) must(args ...string) string {
	p.t.Helper()
	o := p.try(args...)
	if o.code != 0 {
		p.t.Fatalf("kamal-proxy %s: %d %s", strings.Join(args, " "), o.code, o.err)
	}
	return o.out
}

func (p *running) get(host, path string) (int, string) {
	p.t.Helper()
	req, _ := http.NewRequest(http.MethodGet, p.url+path, nil)
	req.Host = host
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// app is a target that answers its name, and 200 on /up.
func app(t *testing.T, name string) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestACommandLineTakesAServiceThroughItsLife(t *testing.T) {
	p := start(t, t.TempDir())
	one, two := app(t, "one"), app(t, "two")
	p.must("deploy", "shop", "--target", one, "--host", "shop.example.com")
	if code, body := p.get("shop.example.com", "/"); code != 200 || body != "one" {
		t.Fatalf("got %d %q", code, body)
	}
	if code, _ := p.get("other.example.com", "/"); code != 404 {
		t.Fatalf("unknown host: got %d", code)
	}
	p.must("deploy", "shop", "--target", two, "--host", "shop.example.com")
	if _, body := p.get("shop.example.com", "/"); body != "two" {
		t.Fatalf("after the second deploy: got %q", body)
	}
	want := "Service    Host                Path    Target             State      TLS\n"
	if out := p.must("list"); !strings.Contains(strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(want), " ")) ||
		!strings.Contains(out, two) || !strings.Contains(out, "running") {
		t.Errorf("list: %s", out)
	}
	p.must("stop", "shop", "--message", "Back at noon <soon>")
	if code, body := p.get("shop.example.com", "/"); code != 503 || !strings.Contains(body, "Back at noon &lt;soon&gt;") {
		t.Errorf("stopped: got %d %q", code, body)
	}
	p.must("resume", "shop")
	if code, _ := p.get("shop.example.com", "/"); code != 200 {
		t.Errorf("resumed: got %d", code)
	}
	p.must("remove", "shop")
	if code, _ := p.get("shop.example.com", "/"); code != 404 {
		t.Errorf("removed: got %d", code)
	}
	if o := p.try("remove", "shop"); o.code != 1 || !strings.Contains(o.err, `service "shop" not found`) {
		t.Errorf("removed twice: %+v", o)
	}
}

func TestARestartServesAtOnceWithoutHealth(t *testing.T) {
	home := t.TempDir()
	p := start(t, home)
	healthy := true
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/up" && !healthy {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer target.Close()
	p.must("deploy", "shop", "--target", target.Listener.Addr().String())
	p.end()
	healthy = false
	p = start(t, home)
	if code, _ := p.get("any", "/"); code != 200 {
		t.Errorf("got %d after the restart", code)
	}
}

func TestACorruptStateIsSetAsideAndTheProxyStarts(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, ".config", "kamal-proxy")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "fairlead-proxy.json")
	if err := os.WriteFile(file, []byte(`{"version":1,"serv`), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, home)
	if kept, err := os.ReadFile(file + ".unreadable"); err != nil || string(kept) != `{"version":1,"serv` {
		t.Errorf("kept %q, %v", kept, err)
	}
	if !strings.Contains(p.log.String(), "routes were not restored") {
		t.Errorf("log: %s", p.log)
	}
	p.must("deploy", "shop", "--target", app(t, "x"))
}

func TestTheOwnerOfAppsConfigGetsASocketOfHisOwn(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("chown needs root, as in the container")
	}
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".apps-config"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(home, ".apps-config"), 1234, 2345); err != nil {
		t.Fatal(err)
	}
	p := start(t, home)
	folder := filepath.Join(home, ".apps-config", ".fairlead")
	for path, mode := range map[string]os.FileMode{folder: os.ModeDir | 0o700, filepath.Join(folder, "proxy.sock"): os.ModeSocket | 0o600} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		uid, gid := owner(info)
		if info.Mode() != mode || uid != 1234 || gid != 2345 {
			t.Errorf("%s: mode %s of %d:%d", path, info.Mode(), uid, gid)
		}
	}
	v, err := control.Unix(filepath.Join(folder, "proxy.sock")).About(t.Context())
	if err != nil || v.Version != Version || v.Instance == "" {
		t.Errorf("got %+v, %v", v, err)
	}
	p.end()
}

func TestAnUnhealthyTargetChangesNothingAndSaysWhatItAnswered(t *testing.T) {
	p := start(t, t.TempDir())
	p.must("deploy", "shop", "--target", app(t, "old"))
	sick := httptest.NewServer(http.RedirectHandler("https://elsewhere.example/", http.StatusMovedPermanently))
	defer sick.Close()
	address := sick.Listener.Addr().String()
	o := p.try("deploy", "shop", "--target", address, "--deploy-timeout", "250ms", "--health-check-interval", "100ms")
	if o.code != 1 || !strings.Contains(o.err, "target "+address+" not healthy after ") || !strings.Contains(o.err, "301 to https://elsewhere.example/ (3x)") {
		t.Errorf("got %+v", o)
	}
	if _, body := p.get("any", "/"); body != "old" {
		t.Errorf("got %q", body)
	}
}

func TestListAsJSONShowsEveryOption(t *testing.T) {
	p := start(t, t.TempDir())
	p.must("deploy", "shop", "--target", app(t, "x"), "--target-timeout", "7s", "--path-prefix", "/a,/b")
	var services []control.Service
	if err := json.Unmarshal([]byte(p.must("list", "--json")), &services); err != nil {
		t.Fatal(err)
	}
	if len(services) != 1 || services[0].Options.TargetTimeout.Duration != 7*time.Second || len(services[0].Options.PathPrefixes) != 2 {
		t.Errorf("got %+v", services)
	}
}

func TestTheVersionIsOneThatKamalAccepts(t *testing.T) {
	if out := (&running{t: t}).must("version"); out != "v0.9.2.1\n" {
		t.Errorf("got %q", out)
	}
}
