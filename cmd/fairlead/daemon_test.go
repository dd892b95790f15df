package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server"
	"github.com/fairlead-deploy/fairlead/store"
)

// desk plans what the test says, and does to the store what orders would.
type desk struct {
	store *store.Store
	plan  release.Plan
	order server.Order
	n     uint16 // of orders so far
}

func (d *desk) Submit(ctx context.Context, o server.Order) error {
	d.order = o
	d.n++
	req := o.Request()
	now := time.Now()
	r := release.Release{
		ID: req.Release, Lane: release.Lane{Service: "store"}, Revision: req.Revision, Cause: req.Cause, Queued: now,
	}
	for _, status := range []release.Status{release.Queued, release.Preparing, release.Succeeded} {
		r.Status = status
		if _, err := d.store.Save(ctx, r, release.Event{Message: "it is " + string(status)}); err != nil {
			return err
		}
	}
	return nil
}

func (d *desk) Name(_ context.Context, repo string) (release.ID, error) {
	return release.NewID(time.Now(), release.Revision{Repo: repo}, d.n), nil
}

func (d *desk) Plan(context.Context, string, string) (release.Plan, error) { return d.plan, nil }

func (d *desk) TestNotify(context.Context) ([]server.Sent, error) { return nil, nil }

// answering runs the API of a daemon that watches the repository shop, whose
// service is called store, and returns how to type commands to it.
func answering(t *testing.T) (*desk, func(args ...string) (string, int)) {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Open(t.Context(), filepath.Join(dir, "data"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{store: st}
	socket := filepath.Join(dir, "sock")
	s, err := server.Open(server.Options{
		Socket: socket, Memory: st, Releases: st, Events: st, Desk: d, Log: slog.New(slog.DiscardHandler),
		Repos: func() []string { return []string{"shop"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = st.Save(t.Context(), release.Release{
		ID: "20261123-061502-9c1e0aa-3f2a", Lane: release.Lane{Service: "store"}, Revision: release.Revision{Repo: "shop"}, Status: release.Succeeded,
	}, release.Event{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, func(args ...string) (string, int) {
		var out bytes.Buffer
		code := execute(t.Context(), append(args, "--socket", socket), strings.NewReader(""), &out, &out)
		return out.String(), code
	}
}

func TestAPlanWithChangesExitsWithTwo(t *testing.T) {
	d, typed := answering(t)
	d.plan = release.Plan{Lane: release.Lane{Service: "store"}, Version: "v2"}
	if out, code := typed("plan"); code != 0 || !strings.Contains(out, "nothing to do") {
		t.Errorf("without: %d, %s", code, out)
	}
	d.plan.Steps = []string{"web1: pull store:v2"}
	d.plan.Changes = []release.Change{{Host: "web1", Role: "web", Step: "create container", Want: "store-web-v2"}}
	if out, code := typed("plan", "store"); code != 2 || !strings.Contains(out, "1 of 1 host would change") {
		t.Errorf("with: %d, %s", code, out)
	}
	out, code := typed("plan", "shop", "--json")
	var p release.Plan
	if err := json.Unmarshal([]byte(out), &p); err != nil || code != 2 || p.Steps[0] != d.plan.Steps[0] {
		t.Errorf("as JSON: %d, %v, %s", code, err, out)
	}
}

func TestWhatIsTypedIsWhatIsOrdered(t *testing.T) {
	d, typed := answering(t)
	t.Setenv("SUDO_USER", "ana")
	for line, want := range map[string]server.Order{
		"rollback":                                  {Action: server.Rollback},
		"rollback store":                            {Action: server.Rollback},
		"rollback v41":                              {Action: server.Rollback, Version: "v41"},
		"rollback shop v41":                         {Action: server.Rollback, Version: "v41"},
		"deploy store --version v2 --force":         {Action: server.Deploy, Version: "v2", Force: true},
		"deploy -r web,worker --hosts web1,web2":    {Action: server.Deploy, Roles: []string{"web", "worker"}, Hosts: []string{"web1", "web2"}},
		"retry shop":                                {Action: server.Retry},
		"resume":                                    {Action: server.Resume},
		"hold store --why maintenance":              {Action: server.Hold, Why: "maintenance"},
		"deploy --follow --timeout 20s --version=9": {Action: server.Deploy, Version: "9"},
	} {
		want.Repo, want.Actor = "shop", "ana"
		out, code := typed(strings.Fields(line)...)
		got, wanted := text(t, d.order), text(t, want)
		if code != 0 || got != wanted {
			t.Errorf("%s: %d, %s; want %s; it says %s", line, code, got, wanted, out)
		}
		if strings.Contains(line, "--follow") && !strings.Contains(out, "succeeded    it is succeeded") {
			t.Errorf("%s: says %s", line, out)
		}
	}
}

func text(t *testing.T, o server.Order) string {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
