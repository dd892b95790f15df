package router

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/proxy/control"
	"github.com/fairlead-deploy/fairlead/proxy/state"
)

// rig is a router behind a real listener.
type rig struct {
	*Router
	t     *testing.T
	url   string
	file  state.File
	lines *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, file: state.File{Path: filepath.Join(t.TempDir(), "state.json")}, lines: &lockedBuffer{}}
	r.Router = New(Config{Store: r.file, Log: slog.New(slog.DiscardHandler), Access: slog.New(slog.NewJSONHandler(r.lines, nil)), Spill: t.TempDir()})
	front := httptest.NewServer(r.Router)
	t.Cleanup(func() { r.Close(); front.Close() })
	r.url = front.URL
	return r
}

// target starts a server that is healthy on /up and answers the rest by h.
func target(t *testing.T, h http.HandlerFunc) (address string, s *httptest.Server) {
	t.Helper()
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/up" {
			return
		}
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), s
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// deploy deploys with options changed by each edit.
func (r *rig) deploy(name string, targets []string, edits ...func(*control.DeployRequest)) (control.DeployResult, error) {
	q := control.NewDeployRequest(name, targets...)
	q.DeployTimeout = control.Seconds(5)
	q.Options.HealthCheck.Interval = control.Duration{Duration: 20 * time.Millisecond}
	for _, edit := range edits {
		edit(&q)
	}
	return r.Deploy(r.t.Context(), q)
}

func (r *rig) must(name string, targets []string, edits ...func(*control.DeployRequest)) control.DeployResult {
	r.t.Helper()
	result, err := r.deploy(name, targets, edits...)
	if err != nil {
		r.t.Fatalf("deploy %s: %v", name, err)
	}
	return result
}

func hosts(h ...string) func(*control.DeployRequest) {
	return func(q *control.DeployRequest) { q.Options.Hosts = h }
}

func paths(p ...string) func(*control.DeployRequest) {
	return func(q *control.DeployRequest) { q.Options.PathPrefixes = p }
}

func drainFor(d time.Duration) func(*control.DeployRequest) {
	return func(q *control.DeployRequest) { q.DrainTimeout = control.Duration{Duration: d} }
}

type reply struct {
	status int
	body   string
	header http.Header
}

func (r *rig) get(host, path string, edits ...func(*http.Request)) reply {
	r.t.Helper()
	return r.send(http.MethodGet, host, path, nil, edits...)
}

func (r *rig) send(method, host, path string, body io.Reader, edits ...func(*http.Request)) reply {
	r.t.Helper()
	req, err := http.NewRequest(method, r.url+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Host = host
	for _, edit := range edits {
		edit(req)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return reply{body: err.Error()}
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{status: resp.StatusCode, body: string(text) + " then " + err.Error(), header: resp.Header}
	}
	return reply{resp.StatusCode, string(text), resp.Header}
}

func TestRequestsGoToTheClosestRoute(t *testing.T) {
	r := newRig(t)
	for name, edits := range map[string][]func(*control.DeployRequest){
		"any":      nil,
		"exact":    {hosts("app.example.com")},
		"api":      {hosts("app.example.com"), paths("/api")},
		"v2":       {hosts("app.example.com"), paths("/api/v2/")},
		"wildcard": {hosts("*.example.com")},
		"whole":    {hosts("app.example.com"), paths("/whole"), options(func(o *control.Options) { o.StripPathPrefix = false })},
	} {
		address, _ := target(t, func(w http.ResponseWriter, req *http.Request) {
			_, _ = io.WriteString(w, name+" "+req.URL.RequestURI())
		})
		r.must(name, []string{address}, edits...)
	}
	for _, c := range []struct{ host, path, want string }{
		{"app.example.com", "/", "exact /"},
		{"APP.example.com.:8080", "/x?y=%20;1", "exact /x?y=%20;1"},
		{"app.example.com", "/api", "api /"},
		{"app.example.com", "/api/v1/a%2Fb", "api /v1/a%2Fb"},
		{"app.example.com", "/api/v2/users", "v2 /users"},
		{"app.example.com", "/apical", "exact /apical"},
		{"app.example.com", "/whole/a%2Fb?c=1", "whole /whole/a%2Fb?c=1"},
		{"app.example.com", "/whole", "whole /whole"},
		{"other.example.com", "/", "wildcard /"},
		{"a.b.example.com", "/", "any /"},
		{"example.org", "/api", "any /api"},
	} {
		if got := r.get(c.host, c.path).body; got != c.want {
			t.Errorf("%s%s: got %q, want %q", c.host, c.path, got, c.want)
		}
	}
}

func TestAHostAndPathOfAnotherServiceIsRefusedWithBothNamed(t *testing.T) {
	r := newRig(t)
	address, _ := target(t, says("x"))
	r.must("first", []string{address}, hosts("a.example.com", "b.example.com"))
	_, err := r.deploy("second", []string{address}, hosts("B.example.com"))
	if KindOf(err) != control.Conflict || !strings.Contains(err.Error(), `"first"`) || !strings.Contains(err.Error(), `"second"`) || !strings.Contains(err.Error(), "b.example.com") {
		t.Errorf("got %v", err)
	}
	r.must("second", []string{address}, hosts("b.example.com"), paths("/other"))
	r.must("first", []string{address}, hosts("a.example.com"))
	r.must("second", []string{address}, hosts("b.example.com"))
}

func TestOfTwoServicesThatWaitForHealthWithOneHostOneIsRefused(t *testing.T) {
	r := newRig(t)
	gate, arrived := make(chan struct{}), make(chan struct{}, 2)
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-gate }))
	defer slow.Close()
	results := make(chan error, 2)
	for _, name := range []string{"first", "second"} {
		go func() {
			_, err := r.deploy(name, []string{slow.Listener.Addr().String()}, hosts("a.example.com"))
			results <- err
		}()
	}
	<-arrived
	<-arrived
	close(gate)
	one, two := <-results, <-results
	if (one == nil) == (two == nil) || KindOf(errors.Join(one, two)) != control.Conflict {
		t.Errorf("got %v and %v", one, two)
	}
}

func TestTheSameDeployAgainDrainsNothing(t *testing.T) {
	r := newRig(t)
	release := make(chan struct{})
	arrived := make(chan struct{}, 1)
	address, _ := target(t, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-release })
	if !r.must("shop", []string{address}).Changed {
		t.Error("the first deploy changed nothing")
	}
	answered := make(chan reply, 1)
	go func() { answered <- r.get("any", "/slow") }()
	<-arrived
	if got := r.must("shop", []string{address}); got != (control.DeployResult{}) {
		t.Errorf("the same again: %+v", got)
	}
	got := r.must("shop", []string{address}, func(q *control.DeployRequest) { q.Options.ForwardHeaders = false })
	if !got.Changed || got.Drained+got.Cut != 0 {
		t.Errorf("another option: %+v", got)
	}
	close(release)
	if a := <-answered; a.status != 200 {
		t.Errorf("the request in flight: %+v", a)
	}
}

func TestADeployThatItsCallerLeavesChangesNothing(t *testing.T) {
	r := newRig(t)
	old, _ := target(t, says("old"))
	r.must("shop", []string{old})
	asked := make(chan struct{}, 100)
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer sick.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-asked; cancel(errors.New("the caller hung up")) }()
	_, err := r.Deploy(ctx, control.NewDeployRequest("shop", sick.Listener.Addr().String()))
	if KindOf(err) != control.Unhealthy || !strings.Contains(err.Error(), "the caller hung up") {
		t.Errorf("got %v", err)
	}
	if got := r.get("any", "/").body; got != "old" {
		t.Errorf("got %q", got)
	}
}

func TestTwoDeploysOfOneServiceQueueAndOfTwoDoNot(t *testing.T) {
	r := newRig(t)
	gate, arrived := make(chan struct{}), make(chan struct{}, 2)
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-gate }))
	defer slow.Close()
	quick, _ := target(t, says("quick"))
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := r.deploy("shop", []string{slow.Listener.Addr().String()}); first <- err }()
	<-arrived
	go func() { _, err := r.deploy("shop", []string{quick}); second <- err }()
	r.must("other", []string{quick}, hosts("other.example.com"))
	select {
	case err := <-second:
		t.Fatalf("the second deploy did not wait: %v", err)
	default:
	}
	close(gate)
	if err := errors.Join(<-first, <-second); err != nil {
		t.Fatal(err)
	}
	if got := r.get("any", "/").body; got != "quick" {
		t.Errorf("the later deploy did not win: %q", got)
	}
}

// fullDisk is a store that cannot save.
type fullDisk struct {
	state.File
	full bool
}

func (d *fullDisk) Save(doc state.Document) error {
	if d.full {
		return errors.New("no space left on device")
	}
	return d.File.Save(doc)
}

func TestADeployThatCannotBeSavedChangesNothing(t *testing.T) {
	r := newRig(t)
	disk := &fullDisk{File: r.file}
	r.config.Store = disk
	old, _ := target(t, says("old"))
	fresh, _ := target(t, says("new"))
	r.must("shop", []string{old})
	disk.full = true
	if _, err := r.deploy("shop", []string{fresh}); err == nil || !strings.Contains(err.Error(), "no space left on device") || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("got %v", err)
	}
	if got := r.get("any", "/").body; got != "old" {
		t.Errorf("got %q", got)
	}
	if err := r.Remove(t.Context(), "shop"); err == nil {
		t.Error("removed without saving")
	}
	again := New(Config{Store: r.file, Log: slog.New(slog.DiscardHandler)})
	if err := again.Restore(); err != nil || len(again.List()) != 1 || again.List()[0].Targets[0] != old {
		t.Errorf("restored %+v, %v", again.List(), err)
	}
}

func TestEverythingOfAServiceSurvivesARestart(t *testing.T) {
	r := newRig(t)
	address, _ := target(t, says("x"))
	other, _ := target(t, says("y"))
	r.must("shop", []string{address}, hosts("a.example.com"), func(q *control.DeployRequest) { q.Options.MaxRequestBody = 77 })
	if _, err := r.RolloutDeploy(t.Context(), control.RolloutRequest{Service: "shop", Targets: []string{other}, DeployTimeout: control.Seconds(5)}); err != nil {
		t.Fatal(err)
	}
	if err := r.RolloutSet(t.Context(), control.SplitRequest{Service: "shop", Split: control.Split{Percent: 10, List: []string{"ana"}}}); err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(t.Context(), control.StopRequest{Service: "shop", Message: "later"}); err != nil {
		t.Fatal(err)
	}
	again := New(Config{Store: r.file, Log: slog.New(slog.DiscardHandler)})
	if err := again.Restore(); err != nil {
		t.Fatal(err)
	}
	was, is := r.table.Load().document(), again.table.Load().document()
	if len(is.Services) != 1 || !equalJSON(t, was, is) {
		t.Errorf("was %+v, is %+v", was, is)
	}
}

func TestInvalidDeploysAreRefusedBeforeAnyProbe(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct {
		targets []string
		edit    func(*control.DeployRequest)
		want    string
	}{
		"no target":        {nil, nil, "at least one target"},
		"a URL path":       {[]string{"app:80/x"}, nil, "is not HOST:PORT"},
		"port 0":           {[]string{"app:0"}, nil, "is not HOST:PORT"},
		"TLS without host": {[]string{"app:1"}, func(q *control.DeployRequest) { q.Options.TLS.Enabled = true }, "at least one --host"},
		"half a certificate": {[]string{"app:1"}, func(q *control.DeployRequest) {
			q.Options.Hosts = []string{"a.b"}
			q.Options.TLS = control.TLS{Enabled: true, CertificatePath: "/x"}
		}, "needs both"},
		"ACME for a wildcard": {[]string{"app:1"}, func(q *control.DeployRequest) { q.Options.Hosts = []string{"*.a.b"}; q.Options.TLS.Enabled = true }, "wildcard"},
		"a zero interval":     {[]string{"app:1"}, func(q *control.DeployRequest) { q.Options.HealthCheck.Interval = control.Duration{} }, "interval"},
		"no error pages":      {[]string{"app:1"}, func(q *control.DeployRequest) { q.Options.ErrorPages = "/nowhere" }, "error pages"},
	} {
		_, err := r.deploy("shop", c.targets, func(q *control.DeployRequest) {
			if c.edit != nil {
				c.edit(q)
			}
		})
		if KindOf(err) != control.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
