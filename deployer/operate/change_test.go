package operate_test

import (
	"context"
	"errors"
	"os"
	program "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/host/ssh/sshtest"
	"github.com/fairlead-deploy/fairlead/deployer/operate"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

func (s *stage) running() []string {
	s.Helper()
	list, err := s.engine.Containers(s.Context(), map[string]string{"service": s.service.Deploy.Service})
	if err != nil {
		s.Fatal(err)
	}
	var up []string
	for _, c := range list {
		if c.State.IsUp() {
			up = append(up, strings.TrimPrefix(c.Name, s.service.Deploy.Service+"-web-"))
		}
	}
	return up
}

func (s *stage) file(host, name string) string {
	text, err := os.ReadFile(filepath.Join(s.servers[host].Home, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.Fatal(err)
	}
	return string(text)
}

func TestWhatAPersonStopsIsHeldAndStartsAgain(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	s.run("v1")
	got, err := s.do(operation.Ask{Verb: operation.Stop, Hosts: []string{"web-1"}}, nil)
	if err != nil || len(s.running()) != 0 || !strings.Contains(got.dones(), "stopped") || !strings.Contains(got.dones(), "fairlead resume") {
		t.Errorf("%v; %q; %v runs", err, got.dones(), s.running())
	}
	if len(s.holds) != 1 || !s.holds[0].LeavesServers() || s.holds[0].By != "ana" {
		t.Errorf("held: %+v", s.holds)
	}
	if log := s.file("web-1", ".kamal/"+s.service.Deploy.Service+"-audit.log"); !strings.Contains(log, "[ana] [web] Stopped app\n") {
		t.Errorf("the audit log says %q", log)
	}
	if locks, _ := filepath.Glob(filepath.Join(s.servers["web-1"].Home, ".kamal/lock-*")); len(locks) > 0 {
		t.Errorf("left locked: %v", locks)
	}
	_, err = s.do(operation.Ask{Verb: operation.Start, Hosts: []string{"web-1"}}, nil)
	if err != nil || !slices.Equal(s.running(), []string{"v1"}) || s.holds[1].LeavesServers() {
		t.Errorf("%v; %v runs; held: %+v", err, s.running(), s.holds)
	}
	got, err = s.do(operation.Ask{Verb: operation.Audit, Hosts: []string{"web-1"}, Lines: 1}, nil)
	if err != nil || len(got.lines()) != 1 || !strings.Contains(got.lines()[0], "Started app version v1") {
		t.Errorf("%v, %q", err, got.lines())
	}
	s.oneConnection()
}

// told is a proxy that notes the routes that it is told of.
type told struct {
	operate.Proxy
	routes []plan.Route
}

func (p *told) Deploy(_ context.Context, r plan.Route, _ ...string) error {
	p.routes = append(p.routes, r)
	return nil
}

// The label of a container says how its route was when it was made, and a commit
// that only changed the route made no other.
func TestWhatIsStartedIsServedAsTheLastGoodReleaseSays(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	proxied := func(port int) *spec.Deploy {
		d := *s.service.Deploy
		d.Roles = slices.Clone(d.Roles)
		d.Roles[0].Proxied, d.Roles[0].Proxy = true, &spec.Proxy{AppPort: port}
		return &d
	}
	birth := plan.Route{Service: s.service.Deploy.Service + "-web", Port: 1000}
	s.labels = map[string]string{plan.LabelRoute: birth.Label()}
	s.run("v1")
	s.service.Deploy = proxied(3000) // at the tip, which did not work
	p := &told{}
	connect := s.service.Connect
	s.service.Connect = func(ctx context.Context, name string) (operate.Host, error) {
		h, err := connect(ctx, name)
		h.Proxy = func(context.Context) (operate.Proxy, error) { return p, nil }
		return h, err
	}
	for name, tc := range map[string]struct {
		served  *spec.Deploy
		version string
		port    int
	}{
		"of the last good release": {proxied(2000), "v1", 2000},
		"of another version":       {proxied(2000), "v2", 1000},
		"nothing succeeded yet":    {nil, "", 1000},
	} {
		s.service.Served = func(context.Context) (*spec.Deploy, string, error) { return tc.served, tc.version, nil }
		p.routes = nil
		_, err := s.do(operation.Ask{Verb: operation.Start, Hosts: []string{"web-1"}}, nil)
		if err != nil || len(p.routes) != 1 || p.routes[0].Port != tc.port {
			t.Errorf("%s: %v, %+v", name, err, p.routes)
		}
	}
	s.service.Served, p.routes = nil, nil // nothing here follows Git
	if _, err := s.do(operation.Ask{Verb: operation.Start, Hosts: []string{"web-1"}}, nil); err != nil || p.routes[0].Port != 3000 {
		t.Errorf("without a memory: %v, %+v", err, p.routes)
	}
}

func TestALockOfAPersonKeepsOthersFromChangingAnything(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	s.run("v1")
	if _, err := s.do(operation.Ask{Verb: operation.LockAcquire, Message: "moving house"}, nil); err != nil {
		t.Fatal(err)
	}
	_, err := s.do(operation.Ask{Verb: operation.Stop}, nil)
	if err == nil || !strings.Contains(err.Error(), "moving house") || len(s.running()) != 1 || len(s.holds) != 0 {
		t.Errorf("%v; %v runs; held: %v", err, s.running(), s.holds)
	}
	got, err := s.do(operation.Ask{Verb: operation.LockStatus}, nil)
	for _, told := range got.told {
		if told.Lock == nil || !told.Lock.Held || told.Lock.Ours || !strings.Contains(told.Lock.By, "ana") || !strings.Contains(told.Lock.By, "moving house") {
			t.Errorf("%+v", told.Lock)
		}
	}
	if err != nil || len(got.told) != 2 {
		t.Errorf("%v, %+v", err, got.told)
	}
	_, err = s.do(operation.Ask{Verb: operation.LockAcquire, Message: "me too"}, nil)
	if err == nil || !strings.Contains(err.Error(), "moving house") {
		t.Errorf("taken twice: %v", err)
	}
	if got, err = s.do(operation.Ask{Verb: operation.LockRelease}, nil); err != nil || strings.Count(got.dones(), "freed the lock of ana") != 2 {
		t.Errorf("%v, %q", err, got.dones())
	}
	if _, err = s.do(operation.Ask{Verb: operation.Stop, Hosts: []string{"web-1"}}, nil); err != nil || len(s.running()) != 0 {
		t.Errorf("%v; %v runs", err, s.running())
	}
}

func TestALockThatAFairleadRenewsIsNotFreedByHand(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	dir := filepath.Join(s.servers["web-1"].Home, ".kamal/lock-"+s.service.Deploy.Service)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "fairlead.json"), []byte(`{"owner":"other-1234","release":"20261123-061502-9999999-0001","message":"Automatic deploy lock"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := s.do(operation.Ask{Verb: operation.LockRelease, Hosts: []string{"web-1"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "other-1234") || !strings.Contains(err.Error(), "30 s") {
		t.Errorf("%v", err)
	}
	if s.file("web-1", ".kamal/lock-"+s.service.Deploy.Service+"/fairlead.json") == "" {
		t.Error("it is gone")
	}
}

func TestPruningAndRemovingSpareWhatRunsAndWhatIsRetained(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	for _, v := range []string{"v1", "v2", "v3"} {
		s.ended(s.run(v, "print", v))
	}
	s.run("v4")
	one := []string{"web-1"}
	got, err := s.do(operation.Ask{Verb: operation.PruneContainers, Hosts: one}, nil)
	if err != nil || strings.Count(got.dones(), "removed") != 2 || strings.Contains(got.dones(), "web-v3") || strings.Contains(got.dones(), "web-v4") {
		t.Errorf("retains 1: %v, %q", err, got.dones())
	}
	none := 0
	got, err = s.do(operation.Ask{Verb: operation.PruneContainers, Hosts: one, Retain: &none}, nil)
	if err != nil || !strings.Contains(got.dones(), "web-v3 removed") || strings.Count(got.dones(), "removed") != 1 {
		t.Errorf("retains 0: %v, %q", err, got.dones())
	}
	got, err = s.do(operation.Ask{Verb: operation.RemoveContainer, Version: "v4", Hosts: one}, nil)
	if err != nil || len(s.running()) != 1 || !slices.ContainsFunc(got.told, func(t operation.Told) bool { return strings.Contains(t.Warning, "app stop") }) {
		t.Errorf("%v, %+v", err, got.told)
	}
	if _, err = s.do(operation.Ask{Verb: operation.RemoveContainer, Version: "v9", Hosts: one}, nil); err == nil || !strings.Contains(err.Error(), "v9") {
		t.Errorf("a version that is not there: %v", err)
	}
	got, err = s.do(operation.Ask{Verb: operation.Images, Hosts: one}, nil)
	if err != nil || len(got.told) != 1 || !got.told[0].Image.InUse || !slices.Equal(got.told[0].Image.Tags, []string{s.image}) {
		t.Errorf("%v, %+v", err, got.told)
	}
	if got, err = s.do(operation.Ask{Verb: operation.RemoveImages, Hosts: one}, nil); err != nil || got.dones() != "" {
		t.Errorf("%v, %q", err, got.dones())
	}
	got, err = s.do(operation.Ask{Verb: operation.RemoveApp, Hosts: one}, nil)
	if err != nil || len(s.running()) != 0 || !strings.Contains(got.dones(), "removed image "+s.image) || s.holds[len(s.holds)-1].Why != release.WhyRemoved {
		t.Errorf("%v, %q, held %+v", err, got.dones(), s.holds)
	}
	if _, err = s.do(operation.Ask{Verb: operation.RemoveApp, Hosts: one}, nil); err != nil {
		t.Errorf("removed twice: %v", err)
	}
}

func TestAHostThatIsAwayKeepsNobodyFromTheOthers(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	s.run("v1")
	s.servers["web-2"].Port = 1
	got, err := s.do(operation.Ask{Verb: operation.Details}, nil)
	if err == nil || strings.Count(err.Error(), "web-2") != 1 || !strings.Contains(err.Error(), "check that it is up") || len(got.told) != 1 || got.told[0].Container.Version != "v1" || got.told[0].Container.State != "running" {
		t.Errorf("%v, %+v", err, got.told)
	}
	got, err = s.do(operation.Ask{Verb: operation.Stop}, nil)
	if err == nil || !strings.Contains(err.Error(), "web-2") || len(s.running()) != 0 || !strings.Contains(got.dones(), "web-1") {
		t.Errorf("%v, %q", err, got.dones())
	}
}

func TestAHostIsMadeReady(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	s.service.Deploy.Service += "x"                                                 // nothing of it is here
	if program.Command("docker", "network", "inspect", plan.Network).Run() != nil { // this machine's own stays
		t.Cleanup(func() {
			if err := s.engine.RemoveNetwork(context.WithoutCancel(t.Context()), plan.Network); err != nil {
				t.Errorf("clean up: %v", err)
			}
		})
	}
	got, err := s.do(operation.Ask{Verb: operation.ServerBootstrap}, nil)
	if err != nil || strings.Count(got.dones(), "is ready: Docker ") != 2 {
		t.Errorf("%v, %q", err, got.dones())
	}
	if info, err := os.Stat(filepath.Join(s.servers["web-2"].Home, ".kamal")); err != nil || !info.IsDir() {
		t.Errorf("%v", err)
	}
}
