package server

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

// deaf is a desk that must not be reached.
type deaf struct{ t *testing.T }

func (d deaf) Submit(context.Context, Order) error { d.t.Error("the order arrived"); return nil }
func (d deaf) Name(context.Context, string) (release.ID, error) {
	d.t.Error("the order arrived")
	return "", nil
}
func (d deaf) Plan(context.Context, string, string) (release.Plan, error) {
	d.t.Error("the question arrived")
	return release.Plan{}, nil
}
func (d deaf) TestNotify(context.Context) ([]Sent, error) {
	d.t.Error("the test arrived")
	return nil, nil
}

// ask sends one request to the API and returns status and decoded refusal.
func ask(t *testing.T, s *Server, method, target, body string) (int, Error) {
	t.Helper()
	w := httptest.NewRecorder()
	s.API().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body)))
	var refusal Error
	check(t, json.Unmarshal(w.Body.Bytes(), &refusal))
	return w.Code, refusal
}

func TestWhatIsNotUnderstoodIsRefusedAndNeverHalfDone(t *testing.T) {
	s := reader(openStore(t))
	s.o.Desk = deaf{t}
	for _, tt := range []struct {
		method, target, body string
		status               int
		want                 string
	}{
		{"POST", "/v1/submit", `{"action":"deploy","repo":"shop","dry_run":true}`, 400, "unknown field"},
		{"POST", "/v1/submit", `{"action":"deploy","repo":"shop"}{}`, 400, "more than one"},
		{"POST", "/v1/submit", `{"action":`, 400, "cannot be read"},
		{"POST", "/v1/submit", ``, 400, "cannot be read"},
		{"GET", "/v1/plan", "", 400, "no repository"},
		{"GET", "/v1/history?limit=-1", "", 400, "limit"},
		{"GET", "/v1/events?after=x", "", 400, "after"},
		{"GET", "/v2/status", "", 404, "nothing is served"},
		{"GET", "/v1/submit", "", 404, "nothing is served"},
	} {
		if status, refusal := ask(t, s, tt.method, tt.target, tt.body); status != tt.status || !strings.Contains(refusal.Message, tt.want) || refusal.Hint == "" {
			t.Errorf("%s %s %s: got %d, %+v; want %d, %q", tt.method, tt.target, tt.body, status, refusal, tt.status, tt.want)
		}
	}
}

func TestStreamsAreBounded(t *testing.T) {
	s := &Server{o: Options{Log: slog.New(slog.DiscardHandler)}, streams: make(chan struct{}, 1)}
	s.streams <- struct{}{}
	if status, refusal := ask(t, s, "GET", "/v1/events", ""); status != http.StatusServiceUnavailable || !strings.Contains(refusal.Message, "too many") {
		t.Errorf("got %d, %+v", status, refusal)
	}
}

// FuzzSubmit: whatever is sent, the answer is JSON, and only a whole order
// reaches the desk.
func FuzzSubmit(f *testing.F) {
	f.Add(`{"action":"deploy","repo":"shop","hosts":["a"]}`)
	f.Add(`{"action":"hold","repo":"\u001b[2J","actor":"\u202e"}`)
	f.Add(`[`)
	f.Fuzz(func(t *testing.T, body string) {
		d := &noting{}
		s := &Server{o: Options{Desk: d, Log: slog.New(slog.DiscardHandler)}}
		status, _ := ask(t, s, "POST", "/v1/submit", body)
		if (status == http.StatusOK) != (d.order != nil) {
			t.Fatalf("answered %d for order %+v", status, d.order)
		}
		if o := d.order; o != nil && (o.check() != nil || o.Actor != plain(o.Actor) || o.Actor == "") {
			t.Fatalf("order %+v arrived", o)
		}
	})
}

// noting is a desk that keeps the order.
type noting struct {
	deaf
	order *Order
}

func (n *noting) Submit(_ context.Context, o Order) error { n.order = &o; return nil }

func (n *noting) Name(context.Context, string) (release.ID, error) { return "r", nil }

// fence is cordons in memory.
type fence struct{ list []release.Cordon }

func (f *fence) Cordons(context.Context) ([]release.Cordon, error) { return f.list, nil }

func (f *fence) Cordon(_ context.Context, c release.Cordon) error {
	f.list = append(f.list, c)
	return nil
}

func (f *fence) Uncordon(_ context.Context, host, _ string) error {
	if len(f.list) == 0 || f.list[0].Host != host {
		return &Error{http.StatusNotFound, host + " is not cordoned", "look"}
	}
	f.list = nil
	return nil
}

func TestAHostIsCordonedAndUncordonedAndShown(t *testing.T) {
	st, f := openStore(t), &fence{}
	s := reader(st)
	s.o.Cordons = f
	if status, refusal := ask(t, s, "POST", "/v1/hosts/cordon", `{"host":"web2","actor":"ana\u001b","why":"its disk fails"}`); status != http.StatusOK {
		t.Errorf("got %d, %+v", status, refusal)
	}
	if len(f.list) != 1 || f.list[0].By != "ana " || f.list[0].Why != "its disk fails" {
		t.Errorf("cordons %+v", f.list)
	}
	shown, err := s.look(t.Context(), now)
	var text bytes.Buffer
	if err == nil {
		err = shown.WriteText(&text)
	}
	if err != nil || !strings.Contains(text.String(), "web2    cordoned by ana : its disk fails") {
		t.Errorf("shown as %q, %v", text.String(), err)
	}
	for body, want := range map[string]int{`{}`: 400, `{"host":"web2","x":1}`: 400, `{"host":"web3","lift":true}`: 404, `[`: 400} {
		if status, _ := ask(t, s, "POST", "/v1/hosts/cordon", body); status != want {
			t.Errorf("%s: %d, want %d", body, status, want)
		}
	}
	if status, _ := ask(t, s, "POST", "/v1/hosts/cordon", `{"host":"web2","lift":true}`); status != http.StatusOK || len(f.list) > 0 {
		t.Errorf("lifted: %d, %+v", status, f.list)
	}
}

func TestStatusSaysWhichHostsStandApart(t *testing.T) {
	st := openStore(t)
	save(t, st, 5, release.Release{
		Lane: release.Lane{Service: "shop"}, Revision: release.Revision{Repo: "shop", SHA: sha("9")}, Status: release.Succeeded,
		Hosts: []release.HostOutcome{{Host: "web1", State: "new"}, {Host: "web2", State: "skipped", Detail: "cordoned by ana"}},
	})
	f := &fence{list: []release.Cordon{{Host: "web2", By: "ana"}}}
	for _, want := range []string{"web2 skipped: cordoned by ana", "web2 skipped: its cordon was lifted, and it is not caught up yet"} {
		s := reader(st, "shop")
		s.o.Cordons = f
		shown, err := s.look(t.Context(), now)
		var text bytes.Buffer
		if err == nil {
			err = shown.WriteText(&text)
		}
		if err != nil || !strings.Contains(text.String(), want) || strings.Contains(text.String(), "web1") {
			t.Errorf("shown as %q, %v", text.String(), err)
		}
		f.list = nil
	}
}
