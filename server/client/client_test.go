package client_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server"
	"github.com/fairlead-deploy/fairlead/server/client"
	"github.com/fairlead-deploy/fairlead/store"
)

// desk notes what it is asked.
type desk struct {
	order atomic.Pointer[server.Order]
}

func (d *desk) Submit(_ context.Context, o server.Order) error {
	switch o.Repo {
	case "unknown":
		return &server.Error{Status: http.StatusNotFound, Message: "unknown is not watched", Hint: "add it to fairlead.yml"}
	case "panic":
		panic("a bug")
	}
	d.order.Store(&o)
	return nil
}

func (d *desk) Name(_ context.Context, repo string) (release.ID, error) {
	return release.ID("20261123-061503-1111111-" + repo), nil
}

func (d *desk) Plan(_ context.Context, repo, destination string) (release.Plan, error) {
	if repo == "broken" {
		return release.Plan{}, errors.New("read deploy.yml: line 3")
	}
	return release.Plan{Lane: release.Lane{Service: repo, Destination: destination}, Version: "v2"}, nil
}

func (d *desk) TestNotify(context.Context) ([]server.Sent, error) {
	return []server.Sent{{Channel: "slack #deploys"}, {Channel: "webhook", Error: "404"}}, nil
}

type daemon struct {
	*desk
	store  *store.Store
	server *server.Server
	client *client.Client
	socket string
	stop   func()
}

// start runs a server over a real store and socket until the test ends.
func start(t *testing.T) *daemon {
	t.Helper()
	st, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{desk: &desk{}, store: st, socket: filepath.Join(t.TempDir(), "run", "f.sock")}
	d.server = d.open(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.server.Run(ctx) }()
	d.client = client.New(d.socket)
	d.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() {
		d.client.Close()
		d.stop()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *daemon) options() server.Options {
	return server.Options{
		Socket: d.socket, Listen: "127.0.0.1:0", Memory: d.store, Releases: d.store, Events: d.store, Desk: d.desk,
		Repos: func() []string { return []string{"shop"} },
		Hooks: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted) }),
		Log:   slog.New(slog.DiscardHandler),
	}
}

func (d *daemon) open(t *testing.T) *server.Server {
	t.Helper()
	s, err := server.Open(d.options())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (d *daemon) save(t *testing.T, id string, status release.Status) {
	t.Helper()
	r := release.Release{ID: release.ID(id), Lane: release.Lane{Service: "shop"}, Status: status, Queued: time.Now(),
		Revision: release.Revision{Repo: "shop", SHA: strings.Repeat("9", 40)}}
	if _, err := d.store.Save(t.Context(), r, release.Event{Message: string(status)}); err != nil {
		t.Fatal(err)
	}
}

func TestTheClientReadsStatusHistoryAndReleases(t *testing.T) {
	d := start(t)
	d.save(t, "20261123-061502-9999999-0001", release.Succeeded)
	d.save(t, "20261123-061503-9999999-0002", release.Queued)
	st, err := d.client.Status(t.Context())
	if err != nil || len(st.Services) != 1 || st.Services[0].State != server.Rolling || !strings.HasPrefix(st.Summary, "1 service: 1 rolling out") {
		t.Errorf("status: %+v, %v", st, err)
	}
	for _, tt := range []struct {
		query client.Query
		want  []release.ID
	}{
		{client.Query{}, []release.ID{"20261123-061503-9999999-0002", "20261123-061502-9999999-0001"}},
		{client.Query{Limit: 1}, []release.ID{"20261123-061503-9999999-0002"}},
		{client.Query{Before: "20261123-061503-9999999-0002"}, []release.ID{"20261123-061502-9999999-0001"}},
		{client.Query{Repo: "other"}, nil},
		{client.Query{Lane: release.Lane{Service: "shop", Destination: "x"}}, nil},
	} {
		var got []release.ID
		releases, err := d.client.History(t.Context(), tt.query)
		for _, r := range releases {
			got = append(got, r.ID)
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("history %+v: %v, %v; want %v", tt.query, got, err, tt.want)
		}
	}
	detail, err := d.client.Release(t.Context(), "20261123-061502-9999999-0001")
	if err != nil || detail.Release.Status != release.Succeeded || len(detail.Events) != 1 {
		t.Errorf("release: %+v, %v", detail, err)
	}
	if health, err := d.client.Health(t.Context()); err != nil || health.Status != "ok" || health.Seq != 2 {
		t.Errorf("health: %+v, %v", health, err)
	}
}

func TestOrdersPlansAndTestMessagesReachTheDesk(t *testing.T) {
	d := start(t)
	sent := server.Order{Action: server.Rollback, Repo: "shop", Destination: "production", Version: "v41", Actor: "ana\x1b[2J", Hosts: []string{"web1"}, SkipHooks: true}
	id, err := d.client.Submit(t.Context(), sent)
	if err != nil {
		t.Fatal(err)
	}
	got := d.order.Load()
	if id != "20261123-061503-1111111-shop" || got.Request().Release != id {
		t.Errorf("the answer names release %q, the order %q", id, got.Request().Release)
	}
	if id, err := d.client.Submit(t.Context(), server.Order{Action: server.Hold, Repo: "shop"}); err != nil || id != "" {
		t.Errorf("a hold is answered with release %q, %v", id, err)
	}
	if got.Actor != "ana [2J" || got.Version != "v41" || got.Destination != "production" {
		t.Errorf("got %+v", got)
	}
	if req := got.Request(); !req.Rollback || req.Retry || req.Resume || req.Revision.Repo != "shop" || req.Cause.Kind != release.CauseManual || !slices.Equal(req.Hosts, []string{"web1"}) {
		t.Errorf("request %+v", req)
	}
	if p, err := d.client.Plan(t.Context(), "shop", "production"); err != nil || p.Lane.String() != "shop-production" || p.Changes == nil {
		t.Errorf("plan: %+v, %v", p, err)
	}
	if sent, err := d.client.TestNotify(t.Context()); err != nil || len(sent) != 2 || sent[1].Error != "404" {
		t.Errorf("test: %+v, %v", sent, err)
	}
}

func TestARefusalArrivesWithItsStatusAndHint(t *testing.T) {
	d := start(t)
	ctx := t.Context()
	submit := func(o server.Order) error { _, err := d.client.Submit(ctx, o); return err }
	for name, tt := range map[string]struct {
		ask    func() error
		status int
		want   string
	}{
		"an unknown action": {func() error { return submit(server.Order{Action: "dance", Repo: "shop"}) }, 400, "known are deploy, rollback"},
		"no repository":     {func() error { return submit(server.Order{Action: server.Deploy}) }, 400, "no repository"},
		"a version to hold": {func() error {
			return submit(server.Order{Action: server.Hold, Repo: "shop", Version: "1"})
		}, 400, "only deploy and rollback"},
		"a repository not watched": {func() error { return submit(server.Order{Action: server.Deploy, Repo: "unknown"}) }, 404, "unknown is not watched; add it to fairlead.yml"},
		"an order too long": {func() error {
			return submit(server.Order{Action: server.Hold, Repo: "shop", Why: strings.Repeat("x", 70<<10)})
		}, 400, "too large"},
		"a bug":               {func() error { return submit(server.Order{Action: server.Deploy, Repo: "panic"}) }, 500, "made a mistake"},
		"an unforeseen error": {func() error { _, err := d.client.Plan(ctx, "broken", ""); return err }, 500, "read deploy.yml: line 3"},
		"a release not there": {func() error { _, err := d.client.Release(ctx, "x/../y"); return err }, 404, "no such release"},
		"a destination alone": {func() error {
			_, err := d.client.History(ctx, client.Query{Lane: release.Lane{Destination: "x"}})
			return err
		}, 400, "name the service"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.ask()
			if e, ok := errors.AsType[*server.Error](err); !ok || e.Status != tt.status || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v (%T); want %d, %q", err, err, tt.status, tt.want)
			}
		})
	}
}

func TestEventsComeInOrderFromWhereOneAsksAndAsTheyHappen(t *testing.T) {
	d := start(t)
	for _, m := range []string{"one", "two"} {
		if _, err := d.store.Append(t.Context(), release.Event{Kind: release.EventProgress, Message: m}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for ev, err := range d.client.Events(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, ev.Message); len(got) == 1 {
			if _, err := d.store.Append(t.Context(), release.Event{Kind: release.EventProgress, Message: "three\nlines"}); err != nil {
				t.Fatal(err)
			}
		}
		if len(got) == 2 {
			break
		}
	}
	if !slices.Equal(got, []string{"two", "three\nlines"}) {
		t.Errorf("got %q", got)
	}
}

func TestAStreamEndsWithTheDaemonAndWithItsReader(t *testing.T) {
	d := start(t)
	if _, err := d.store.Append(t.Context(), release.Event{Kind: release.EventProgress, Message: "one"}); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	for _, err := range d.client.Events(ctx, 0) {
		if err != nil {
			if !errors.Is(err, enough) {
				t.Errorf("after its reader left: %v", err)
			}
			break
		}
		cancel(enough)
	}
	var stopping sync.WaitGroup
	for _, err := range d.client.Events(t.Context(), 0) {
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("after the daemon stopped: %v", err)
			}
			break
		}
		stopping.Go(d.stop)
	}
	stopping.Wait()
	if _, err := os.Lstat(d.socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
}

func TestWithoutADaemonTheErrorSaysHowToStartOne(t *testing.T) {
	dir := t.TempDir()
	dead := filepath.Join(dir, "dead.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, socket := range []string{filepath.Join(dir, "none.sock"), dead} {
		_, err := client.New(socket).Status(t.Context())
		if !errors.Is(err, client.ErrNoDaemon) || !strings.Contains(err.Error(), "fairlead watch") || !strings.Contains(err.Error(), socket) {
			t.Errorf("got %v", err)
		}
	}
}

func TestTheSocketIsItsOwnersAloneAndADeadOnesIsReplaced(t *testing.T) {
	d := start(t)
	info, err := os.Stat(d.socket)
	if err != nil || info.Mode().Perm() != 0o600 || info.Mode()&fs.ModeSocket == 0 {
		t.Errorf("socket: %v, %v", info.Mode(), err)
	}
	if _, err := server.Open(d.options()); err == nil || !strings.Contains(err.Error(), "already answers") {
		t.Errorf("a second daemon: %v", err)
	}
	d.stop()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: d.socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil { // as a killed daemon leaves it
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	again := d.open(t)
	done := make(chan error, 1)
	go func() { done <- again.Run(ctx) }()
	if _, err := d.client.Health(t.Context()); err != nil {
		t.Errorf("after the replacement: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(d.socket, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Open(d.options()); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("over a file: %v", err)
	}
}

func TestOnTCPNothingCanBeReadOrChangedButHealthMetricsAndHooks(t *testing.T) {
	d := start(t)
	requests := map[string]int{
		"GET /health": 200, "GET /metrics": 200, "POST /hooks/shop": 202,
		"GET /v1/status": 404, "GET /v1/events": 404, "POST /v1/submit": 404, "POST /v1/notify/test": 404, "GET /": 404,
	}
	text, err := os.ReadFile("../routes.go") // so that a new one is tried as well
	if err != nil {
		t.Fatal(err)
	}
	routes := regexp.MustCompile(`"((?:GET|POST|PUT|PATCH|DELETE) /v1/[^"]*)"`).FindAllStringSubmatch(string(text), -1)
	if len(routes) < 9 {
		t.Errorf("only %d routes were found", len(routes))
	}
	for _, r := range routes {
		requests[strings.Replace(r[1], "{id}", "r1", 1)] = 404
	}
	for request, want := range requests {
		method, path, _ := strings.Cut(request, " ")
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+d.server.Addr()+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: got %d; want %d", request, resp.StatusCode, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestHealthFailsWhenTheStoreIsClosed(t *testing.T) {
	d := start(t)
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.client.Health(t.Context()); err == nil || !strings.Contains(err.Error(), "store does not answer") {
		t.Errorf("got %v", err)
	}
}
