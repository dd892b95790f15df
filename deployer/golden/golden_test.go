// Package golden_test holds what engines said of containers that earlier
// versions of Fairlead, and Kamal, started. Today's Fairlead must plan nothing
// for them: a new binary never replaces a container that is as deploy.yml says.
//
// Each folder of testdata is one deployment: deploy.yml, secrets, and the
// engine's answers as they came. A release adds its own with
//
//	go test -tags record ./deployer/golden -run Record -record v0.1.0
package golden_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/observe"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// recording is one deployment as it was.
type recording struct {
	Version string            `json:"version"` // of the app
	Digest  string            `json:"digest"`
	Secrets map[string]string `json:"secrets"`
	Host    string            `json:"host"`
	// Answers are the engine's, by path.
	Answers map[string]json.RawMessage `json:"answers"`
}

const sha = "9c1e0aa5d2f0000000000000000000000000abcd"

func TestContainersOfEarlierVersionsAndOfKamalPlanNothing(t *testing.T) {
	folders, err := filepath.Glob("testdata/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, dir := range folders {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			rec := load(t, dir)
			d := want(t, os.DirFS(dir), rec)
			p := plan.Make(d, look(t, d, rec))
			if !p.Empty() {
				t.Errorf("it would %s:\n%+v", p.Summary(), p.Changes)
			}
		})
	}
}

func TestARecordingIsNotBlind(t *testing.T) {
	dir := "testdata/kamal-2.12"
	rec := load(t, dir)
	d := want(t, os.DirFS(dir), rec)
	d.Units[0].Spec.Env["RAILS_ENV"] = secret.New("staging")
	p := plan.Make(d, look(t, d, rec))
	if len(p.Changes) != 1 || p.Changes[0].Field != "env.RAILS_ENV" {
		t.Errorf("a changed variable should be the one change; got %+v", p.Changes)
	}
}

func load(t *testing.T, dir string) recording {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "recording.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rec recording
	if err := json.Unmarshal(text, &rec); err != nil {
		t.Fatal(err)
	}
	return rec
}

// want is the desired state of a recording's deploy.yml.
func want(t *testing.T, files fs.FS, rec recording) plan.Desired {
	t.Helper()
	deploy, _, err := spec.Load(files, spec.Options{Path: "deploy.yml"})
	if err != nil {
		t.Fatal(err)
	}
	in := plan.Inputs{
		Release: "20270101-000000-9c1e0aa-0001", Revision: release.Revision{SHA: sha},
		Version: rec.Version, Digest: rec.Digest, Secrets: map[string]secret.Value{}, Home: map[string]string{rec.Host: "/root"},
	}
	for name, value := range rec.Secrets {
		in.Secrets[name] = secret.New(value)
	}
	d, err := plan.Want(deploy, in)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// look reads the recorded engine through the real client.
func look(t *testing.T, d plan.Desired, rec recording) plan.Observed {
	t.Helper()
	engine := httptest.NewServer(answering(rec))
	t.Cleanup(engine.Close)
	e := docker.New(rec.Host, func(ctx context.Context) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "tcp", engine.Listener.Addr().String())
	}, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = e.Close() })
	o := observe.All(t.Context(), d.Lane, d.Hosts(), func(context.Context, string) (observe.Host, error) {
		return observe.Host{Lister: e}, nil
	})
	if hosts, err := o.Unreachable(); err != nil {
		t.Fatalf("read %v: %v", hosts, err)
	}
	for name, h := range o.Hosts {
		h.Proxy, h.Routes = plan.Proxy{Present: true, Running: true}, routes(d)
		o.Hosts[name] = h
	}
	return o
}

// routes are those that kamal-proxy lists for what runs.
func routes(d plan.Desired) []plan.Live {
	var list []plan.Live
	for _, u := range d.Units {
		if u.Route != nil {
			list = append(list, plan.Live{Service: u.Route.Service, Target: u.Name + ":3000", State: "running"})
		}
	}
	return list
}

// answering serves recorded answers; anything else was not asked when it was
// recorded, and fails the test by its status.
func answering(rec recording) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if rest, ok := strings.CutPrefix(path, "/v1."); ok {
			_, path, _ = strings.Cut(rest, "/")
			path = "/" + path
		}
		w.Header().Set("Api-Version", "1.41")
		if path == "/_ping" {
			fmt.Fprint(w, "OK")
			return
		}
		body, ok := rec.Answers[path]
		if !ok {
			http.Error(w, `{"message":"not recorded: `+path+`"}`, http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
}
