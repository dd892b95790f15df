package route

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/program"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

// rack is an engine with containers, of which one at a time has the ports.
type rack struct {
	list []container.Observed
	mute map[string]bool // images whose proxy never answers
	fail map[string]bool // calls that find the connection gone, with all after them
	gone bool
	made int
}

func (r *rack) call(name string) error {
	if r.gone = r.gone || r.fail[name]; r.gone {
		return errors.New("the connection is gone")
	}
	return nil
}

func (r *rack) find(idOrName string) *container.Observed {
	for i, c := range r.list {
		if c.ID == idOrName || c.Name == idOrName {
			return &r.list[i]
		}
	}
	return nil
}

func (r *rack) Containers(context.Context, map[string]string) ([]container.Observed, error) {
	return slices.Clone(r.list), r.call("list")
}

func (r *rack) Create(_ context.Context, name string, s container.Spec) (string, error) {
	if err := r.call("create"); err != nil {
		return "", err
	}
	r.made++
	c := container.Observed{ID: fmt.Sprintf("%064d", r.made), Name: name, Spec: s}
	c.State.Status = container.Created
	r.list = append(r.list, c)
	return c.ID, nil
}

func (r *rack) Start(_ context.Context, id string) error {
	if err := r.call("start"); err != nil {
		return err
	}
	for _, c := range r.list {
		if c.State.IsUp() && c.ID != id && c.Name != id {
			return errors.New("the port is taken")
		}
	}
	r.find(id).State.Status = container.Running
	return nil
}

func (r *rack) Stop(_ context.Context, id string, _ time.Duration) error {
	err := r.call("stop")
	if c := r.find(id); err == nil && c != nil {
		c.State.Status = container.Exited
	}
	return err
}

func (r *rack) Rename(_ context.Context, id, name string) error {
	err := r.call("rename")
	if c := r.find(id); err == nil && c != nil {
		c.Name = name
	}
	return err
}

func (r *rack) Remove(_ context.Context, id string) error {
	err := r.call("remove")
	if err == nil {
		r.list = slices.DeleteFunc(r.list, func(c container.Observed) bool { return c.ID == id || c.Name == id })
	}
	return err
}

func (r *rack) Exec(_ context.Context, id string, _ []string, _ io.Reader) (docker.ExecResult, error) {
	c := r.find(id)
	if c == nil || !c.State.IsUp() || r.mute[c.Spec.Image] {
		return docker.ExecResult{ExitCode: 1, Stderr: "no answer"}, nil
	}
	return docker.ExecResult{Stdout: "Service    Host    Path    Target    State    TLS\n"}, nil
}

func (r *rack) Image(context.Context, string) (docker.Image, error) { return docker.Image{}, nil }
func (r *rack) Load(context.Context, io.Reader) error               { return r.call("load") }
func (r *rack) MkdirAll(context.Context, string, fs.FileMode) error { return nil }

// box is a host whose proxy is kamal-proxy v1.
func newBox(t *testing.T) (*Box, *rack) {
	t.Helper()
	r := &rack{mute: map[string]bool{}, fail: map[string]bool{}}
	b := &Box{Driver: NewDriver(r, nil, "", slog.New(slog.DiscardHandler)), Machine: r, Pull: func(context.Context, string) error { return nil }}
	b.Booter = &Booter{Engine: r, Folders: r, Binary: func(string) (program.Content, []byte, error) { return program.Bytes([]byte("program")), nil, nil }}
	if _, err := b.Up(t.Context(), plan.ProxyRun{Image: "kamal-proxy:v1"}); err != nil {
		t.Fatal(err)
	}
	return b, r
}

// serving is the image of the one container that is left and runs.
func (r *rack) serving() string {
	var all []string
	for _, c := range r.list {
		all = append(all, fmt.Sprintf("%s %s %s", c.Name, c.Spec.Image, c.State.Status))
	}
	return strings.Join(all, ", ")
}

func TestAProxyThatDoesNotAnswerLeavesTheOldOneServing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, r := newBox(t)
		r.mute["kamal-proxy:v2"] = true
		_, err := b.Replace(t.Context(), plan.ProxyRun{Image: "kamal-proxy:v2"})
		if err == nil || !strings.Contains(err.Error(), "the one before serves again") {
			t.Errorf("got %v", err)
		}
		if got := r.serving(); got != "kamal-proxy kamal-proxy:v1 running" {
			t.Errorf("there are %s", got)
		}
		c, err := b.Replace(t.Context(), plan.ProxyRun{Image: "kamal-proxy:v3"})
		if got := r.serving(); err != nil || got != "kamal-proxy kamal-proxy:v3 running" || c.Was != "kamal-proxy:v1" {
			t.Errorf("after that: %s, %+v, %v", got, c, err)
		}
	})
}

func TestWhoIsKilledWhileReplacingAProxyLeavesOneThatServes(t *testing.T) {
	for _, at := range []string{"create", "rename", "stop", "start", "remove"} {
		synctest.Test(t, func(t *testing.T) {
			b, r := newBox(t)
			r.fail[at] = true
			if _, err := b.Replace(t.Context(), plan.ProxyRun{Image: "kamal-proxy:v2"}); err == nil {
				t.Errorf("killed at %s: no error", at)
			}
			r.gone, r.fail = false, map[string]bool{}
			if _, err := b.Up(t.Context(), plan.ProxyRun{Image: "kamal-proxy:v2"}); err != nil {
				t.Errorf("killed at %s, then: %v", at, err)
			}
			if got := r.serving(); !strings.Contains(got, "kamal-proxy kamal-proxy:v1 running") && !strings.Contains(got, "kamal-proxy kamal-proxy:v2 running") {
				t.Errorf("killed at %s, there are %s", at, got)
			}
			if _, err := b.Replace(t.Context(), plan.ProxyRun{Image: "kamal-proxy:v3"}); err != nil {
				t.Errorf("killed at %s, then: %v", at, err)
			}
			if got := r.serving(); got != "kamal-proxy kamal-proxy:v3 running" {
				t.Errorf("killed at %s, at last there are %s", at, got)
			}
		})
	}
}

// The names are those that a Succession from one kind of proxy to the other leaves
// where it is cut off.
func TestWhatIsCutOffBetweenTwoKindsOfProxiesLeavesTheOneThatServes(t *testing.T) {
	for name, c := range map[string]struct{ there, want string }{
		"as the old one is renamed":      {"traefik_before_1 running, kamal-proxy_next created", "traefik running, kamal-proxy_next created"},
		"as the new one got its name":    {"traefik_before_1 running, kamal-proxy created", "traefik running, kamal-proxy created"},
		"as the old one has ended":       {"traefik_before_1 exited, kamal-proxy created", "traefik running, kamal-proxy created"},
		"as the new one runs":            {"traefik_before_1 exited, kamal-proxy running", "kamal-proxy running"},
		"on the way back to Traefik":     {"kamal-proxy_before_1 exited, traefik running", "traefik running"},
		"where the new one has its name": {"traefik_before_1 exited, traefik exited", "traefik running"},
		"where nothing was":              {"traefik exited, shop-web running", "traefik exited, shop-web running"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &rack{}
			for i, there := range strings.Split(c.there, ", ") {
				name, status, _ := strings.Cut(there, " ")
				r.list = append(r.list, container.Observed{ID: fmt.Sprint(i), Name: name, State: container.State{Status: container.Status(status)}})
			}
			all, err := Settle(t.Context(), r, r, Container, "traefik")
			var got []string
			for _, c := range all {
				got = append(got, c.Name+" "+string(c.State.Status))
			}
			if err != nil || strings.Join(got, ", ") != c.want {
				t.Errorf("there are %v (%v), want %s", got, err, c.want)
			}
		})
	}
}

func TestTheProxysContainerIsAsDeployYMLSays(t *testing.T) {
	_, r := newBox(t)
	b := &Booter{Engine: r, Folders: r}
	if err := r.Remove(t.Context(), Container); err != nil {
		t.Fatal(err)
	}
	run := plan.ProxyRun{
		Image: "registry.example.com/kamal-proxy:v1", HTTPPort: 8080, HTTPSPort: 8443, MetricsPort: 9090, Publish: true, BindIPs: []string{"10.0.0.1"},
		Debug: true, LogMaxSize: "5m", Options: map[string][]string{"memory": {"64m"}, "env": {"A=b"}},
	}
	if err := b.Boot(t.Context(), run, false, "/home/deploy"); err != nil {
		t.Fatal(err)
	}
	s := r.find(Container).Spec
	if s.Image != run.Image || s.Labels[LabelOurs] != "" || s.Env["A"].Reveal() != "b" || len(s.Ports) != 2 || s.Log.Options["max-size"] != "5m" ||
		strings.Join(s.Cmd, " ") != "kamal-proxy run --http-port 8080 --https-port 8443 --debug --metrics-port 9090" {
		t.Errorf("got %+v", s)
	}
	own := Spec(plan.ProxyRun{ACMEEmail: "ana@example.com", ACMEDirectory: "https://acme.example.com"}, "")
	if own.Labels[LabelOurs] == "" || own.Env["KAMAL_PROXY_ACME_EMAIL"].Reveal() != "ana@example.com" || own.Env["KAMAL_PROXY_ACME_DIRECTORY"].Reveal() != "https://acme.example.com" {
		t.Errorf("Fairlead's own: %+v", own)
	}
	if err := (&Booter{Engine: r, Folders: r}).Boot(t.Context(), plan.ProxyRun{Image: "x:y", Options: map[string][]string{"nonsense": {"1"}}}, false, ""); err == nil {
		t.Error("an unknown option is taken")
	}
}
