package route

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/proxy/control"
)

// full is a route with a value in every field.
func full(t *testing.T) plan.Route {
	t.Helper()
	r := plan.Route{
		Service: "shop-web", Port: 3000, Hosts: []string{"shop.example.com", "www.example.com"}, PathPrefixes: []string{"/api"}, StripPrefix: true,
		TLS: true, TLSCert: "/cert.pem", TLSKey: "/key.pem", TLSRedirect: true, ErrorPages: "/pages", ForwardHeaders: true,
		HealthPath: "/health", HealthInterval: 2 * time.Second, HealthTimeout: 3 * time.Second,
		DeployTimeout: 40 * time.Second, DrainTimeout: 50 * time.Second, ResponseTimeout: 1500 * time.Millisecond,
		BufferRequests: true, BufferResponses: true, BufferMemory: 4096, MaxRequestBody: 8192, MaxResponseBody: 16384,
		LogRequest: []string{"Accept"}, LogResponse: []string{"ETag"},
	}
	for i := range reflect.TypeFor[plan.Route]().NumField() {
		if reflect.ValueOf(r).Field(i).IsZero() {
			t.Fatalf("%s has no value", reflect.TypeFor[plan.Route]().Field(i).Name)
		}
	}
	return r
}

func TestFairleadsProxyTellsAllOfARouteButTheTimesOfADeploy(t *testing.T) {
	want := full(t)
	asked := request(want, []string{"0123456789abcdef"})
	told := live(control.Service{Name: want.Service, State: control.Running, Targets: asked.Targets, Options: asked.Options})
	want.DeployTimeout, want.DrainTimeout = 0, 0
	if told.Target != "0123456789ab:3000" || told.Part || told.Splits || !reflect.DeepEqual(*told.Route, want) {
		t.Errorf("told %+v\nof %+v\nwant %+v", told, *told.Route, want)
	}
}

func TestOnlyAStickySplitIsFairleads(t *testing.T) {
	for name, c := range map[string]struct {
		split *control.Split
		want  string
	}{
		"none":                 {nil, ""},
		"an application's own": {&control.Split{Percent: 10}, ""},
		"ours":                 {&control.Split{Percent: 10, Sticky: true}, "new:80"},
	} {
		s := control.Service{Targets: []string{"old:80"}, RolloutTargets: []string{"new:80"}, Split: c.split, Traffic: []control.Traffic{}}
		if l := live(s); l.Split != c.want || !l.Splits {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

func TestKamalProxysTableIsReadAsFarAsItTells(t *testing.T) {
	const table = "\x1b[1;34mService     Host                        Path        Target             State      TLS  \x1b[0m\n" +
		"\x1b[0mshop-web    shop.example.com,*.acme.com    /api,/v2    0123456789ab:3000    running    yes\n" +
		"blog-web    *    /    3f2a9c1e0aa5:80,b00000000000:80    paused    no\n" +
		"odd-web    *    b00000000000:80    running    no\n"
	want := []plan.Live{
		{Service: "shop-web", Target: "0123456789ab:3000", State: "running", Part: true,
			Route: &plan.Route{Service: "shop-web", Hosts: []string{"shop.example.com", "*.acme.com"}, PathPrefixes: []string{"/api", "/v2"}, TLS: true, Port: 3000}},
		{Service: "blog-web", Target: "3f2a9c1e0aa5:80", More: []string{"b00000000000:80"}, State: "paused", Part: true, Route: &plan.Route{Service: "blog-web", Port: 80}},
		{Service: "odd-web", Target: "running", State: "no"}, // another table than the one that is known: its options count as untold
	}
	if got := parseList(table); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

// shell answers the commands of a proxy's container.
type shell struct {
	answers map[string]docker.ExecResult // by the command's first words
	ran     []string
}

func (s *shell) Exec(_ context.Context, _ string, argv []string, _ io.Reader) (docker.ExecResult, error) {
	line := strings.Join(argv, " ")
	s.ran = append(s.ran, line)
	for words, answer := range s.answers {
		if strings.HasPrefix(line, words) {
			return answer, nil
		}
	}
	return docker.ExecResult{ExitCode: 1, Stderr: "Error: unknown flag: --json"}, nil
}

func TestWithoutASocketTheProxyIsAskedByItsCommand(t *testing.T) {
	services := []control.Service{{
		Name: "shop-web", Targets: []string{"old:80"}, RolloutTargets: []string{"new:80"}, Split: &control.Split{Percent: 10, Sticky: true},
		Traffic: []control.Traffic{{Target: "old:80", Requests: 90, Errors: 1}, {Target: "new:80", Requests: 10, Errors: 2}},
	}}
	text, err := json.Marshal(services)
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{answers: map[string]docker.ExecResult{
		"kamal-proxy list --json":             {Stdout: string(text)},
		"kamal-proxy rollout deploy shop-web": {},
		"kamal-proxy rollout stop shop-web":   {},
		"kamal-proxy rollout stop gone-web":   {ExitCode: 1, Stderr: `Error: service "gone-web" not found`},
	}}
	d := NewDriver(s, nil, "", slog.New(slog.DiscardHandler))
	list, err := d.List(t.Context(), true)
	if err != nil || len(list) != 1 || list[0].Split != "new:80" {
		t.Errorf("list %+v, %v", list, err)
	}
	canary, old, err := d.Traffic(t.Context(), "shop-web")
	if err != nil || canary != (health.Traffic{Requests: 10, Errors: 2}) || old != (health.Traffic{Requests: 90, Errors: 1}) {
		t.Errorf("canary %v, old %v, %v", canary, old, err)
	}
	if _, _, err := d.Traffic(t.Context(), "gone-web"); err == nil {
		t.Error("the traffic of a service that is not split was told")
	}
	r := full(t)
	if err := d.Split(t.Context(), r, 10, "0123456789abcdef"); err != nil {
		t.Error(err)
	}
	want := "kamal-proxy rollout deploy shop-web --target 0123456789ab:3000 --percent 10 --sticky --deploy-timeout 40s --drain-timeout 50s" +
		" --health-check-path /health --health-check-interval 2s --health-check-timeout 3s"
	if got := s.ran[len(s.ran)-1]; got != want {
		t.Errorf("ran %s", got)
	}
	for _, service := range []string{"shop-web", "gone-web"} {
		r.Service = service
		if err := d.Unsplit(t.Context(), r); err != nil {
			t.Errorf("%s: %v", service, err)
		}
	}
	delete(s.answers, "kamal-proxy list --json") // an older one
	s.answers["kamal-proxy list"] = docker.ExecResult{Stdout: "Service  Host  Path  Target  State  TLS\nshop-web  *  /  old:80  running  no\n"}
	if list, err := d.List(t.Context(), true); err != nil || len(list) != 1 || !list[0].Part {
		t.Errorf("an older proxy: %+v, %v", list, err)
	}
}

// FuzzTable holds that whatever a proxy prints is read without harm, and that
// nothing is made up: what is told of a route stands in the table.
func FuzzTable(f *testing.F) {
	f.Add("Service  Host  Path  Target  State  TLS\nshop-web  a.com,b.com  /  0123456789ab:3000  running  yes\n")
	f.Add("\n\x1b[1m* * * * * no\n")
	f.Fuzz(func(t *testing.T, table string) {
		for _, l := range parseList(table) {
			if !strings.Contains(stripColour(table), l.Target) || l.Part != (l.Route != nil) || l.Split != "" || l.Splits {
				t.Errorf("%+v", l)
			}
		}
	})
}
