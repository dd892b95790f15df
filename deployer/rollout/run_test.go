package rollout_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/release"
)

// stage is a fleet and a rollout on it, with what the rollout wrote down.
type stage struct {
	*rollout.Run
	world *fleettest.World

	mu      sync.Mutex
	journal []string
}

func (s *stage) Intend(_ context.Context, step string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal = append(s.journal, "intend "+step)
	return nil
}

func (s *stage) Done(_ context.Context, step, result string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal = append(s.journal, "done "+step+": "+result)
	return nil
}

// on runs f in a bubble on hosts that know the images acme/shop:v1, which
// works, and acme/shop:bad, which answers 503.
func on(t *testing.T, hosts []string, f func(t *testing.T, s *stage)) {
	synctest.Test(t, func(t *testing.T) {
		w := fleettest.New(1, hosts...)
		w.Push("acme/shop:v1", fleettest.App{})
		w.Push("acme/shop:bad", fleettest.App{Status: 503})
		p := w.Start("installation-1", w.Memory, func() {})
		s := &stage{world: w}
		s.Run = &rollout.Run{
			Hosts: map[string]rollout.Host{}, Journal: s, Log: slog.New(slog.DiscardHandler),
			Guard: func(context.Context, string) error { return nil },
		}
		for _, name := range hosts {
			h := p.Hands(name)
			h.Work.Files = h.Files
			s.Hosts[name] = h.Work
		}
		f(t, s)
	})
}

func unit(host, version string) plan.Unit {
	return plan.Unit{
		Host: host, Role: "web", Name: "shop-web-" + version,
		Spec: container.Spec{Image: "acme/shop:" + version, Network: plan.Network, Labels: map[string]string{
			plan.LabelService: "shop", plan.LabelRole: "web", plan.LabelRelease: "r1",
		}},
		Health: plan.Health{HTTP: "/up", Port: 3000, Interval: time.Second, Timeout: 5 * time.Second, Deadline: 30 * time.Second, Retries: 3},
	}
}

func (s *stage) does(t *testing.T, host string, steps ...plan.Step) error {
	return s.Do(t.Context(), []plan.Stage{{Name: plan.StageStart, Steps: map[string][]plan.Step{host: steps}}})
}

// effects returns what was done to a host, but for the looking.
func (s *stage) effects(host string) (calls []string) {
	for _, e := range s.world.Effects() {
		if e.Host == host {
			calls = append(calls, e.Call)
		}
	}
	return calls
}

func TestATakenNameIsAdoptedOnlyWhereTheContainerIsAsWanted(t *testing.T) {
	cases := map[string]struct {
		change func(s *container.Spec)
		ours   bool
	}{
		"a call whose reply was lost made it":     {func(*container.Spec) {}, true},
		"another release made it":                 {func(s *container.Spec) { s.Labels[plan.LabelRelease] = "r0" }, false},
		"a human made it":                         {func(s *container.Spec) { delete(s.Labels, plan.LabelRelease) }, false},
		"it has another command than what we ask": {func(s *container.Spec) { s.Cmd = []string{"sh"} }, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			on(t, []string{"a"}, func(t *testing.T, s *stage) {
				u, there := unit("a", "v1"), unit("a", "v1")
				c.change(&there.Spec)
				s.world.Host("a").Adopt(u.Name, there.Spec, nil)
				err := s.does(t, "a", plan.Create{Unit: u}, plan.Start{Unit: u, Ref: plan.Ref{Name: u.Name}})
				if c.ours != (err == nil) || !c.ours && !errors.Is(err, docker.ErrNameTaken) {
					t.Errorf("error %v", err)
				}
				if started := slices.Contains(s.effects("a"), "start "+u.Name); started != c.ours {
					t.Errorf("started: %t", started)
				}
			})
		})
	}
}

func TestEachEffectIsWrittenDownBeforeItAndWhatCameOfItAfter(t *testing.T) {
	on(t, []string{"a"}, func(t *testing.T, s *stage) {
		s.world.Host("a").Adopt("shop-web-v1", unit("a", "v1").Spec, nil)
		if err := s.does(t, "a", plan.Stop{Ref: plan.Ref{ID: "shop-web-v1", Name: "shop-web-v1"}}); err != nil {
			t.Error(err)
		}
		if err := s.does(t, "a", plan.Stop{Ref: plan.Ref{ID: "gone", Name: "gone"}}); !errors.Is(err, docker.ErrNotFound) {
			t.Error(err)
		}
		want := []string{"intend a: stop shop-web-v1", "done a: stop shop-web-v1: ok", "intend a: stop gone", "done a: stop gone: "}
		if len(s.journal) != len(want) {
			t.Fatalf("written down: %q", s.journal)
		}
		for i, line := range want {
			if !strings.HasPrefix(s.journal[i], line) {
				t.Errorf("written down: %q, want %q", s.journal[i], line)
			}
		}
	})
}

func TestNoEffectBeginsWithoutTheLock(t *testing.T) {
	stop := plan.Stop{Ref: plan.Ref{ID: "shop-web-v1", Name: "shop-web-v1"}}
	for name, good := range map[string]int{"at first": 0, "when it is tried again": 1} {
		t.Run(name, func(t *testing.T) {
			on(t, []string{"a"}, func(t *testing.T, s *stage) {
				s.world.Host("a").Adopt("shop-web-v1", unit("a", "v1").Spec, nil)
				s.world.FailNext("a", "stop ", false)
				s.Guard = func(context.Context, string) error {
					if good--; good < 0 {
						return lock.ErrLost
					}
					return nil
				}
				if err := s.does(t, "a", stop); !errors.Is(err, lock.ErrLost) {
					t.Error(err)
				}
				if done := s.effects("a"); len(done) > 0 {
					t.Errorf("done without the lock: %v", done)
				}
			})
		})
	}
}

// slow takes a while to stop a container, unless it is told not to wait.
type slow struct {
	rollout.Containers
	ended chan<- error
}

func (c slow) Stop(ctx context.Context, _ string, _ time.Duration) error {
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	c.ended <- ctx.Err()
	return ctx.Err()
}

func TestAnEffectThatIsUnderWayIsWaitedForWhenAnotherHostFails(t *testing.T) {
	on(t, []string{"a", "b"}, func(t *testing.T, s *stage) {
		ended := make(chan error, 1)
		b := s.Hosts["b"]
		b.Containers = slow{b.Containers, ended}
		s.Hosts["b"] = b
		err := s.Do(t.Context(), []plan.Stage{{Name: plan.StageFollow, Steps: map[string][]plan.Step{
			"a": {plan.Stop{Ref: plan.Ref{ID: "gone", Name: "gone"}}},
			"b": {plan.Stop{Ref: plan.Ref{ID: "old", Name: "old"}}, plan.Unroute{Service: "shop-web"}},
		}}})
		if failed, ok := errors.AsType[*rollout.StepError](err); !ok || failed.Host != "a" {
			t.Errorf("error %v", err)
		}
		if cut := <-ended; cut != nil {
			t.Errorf("the stop on b ended by %v", cut)
		}
		if done := s.effects("b"); len(done) > 0 {
			t.Errorf("b went on: %v", done)
		}
	})
}

// counted counts the calls of a proxy.
type counted struct {
	rollout.Proxy
	deploys int
}

func (p *counted) Deploy(ctx context.Context, r plan.Route, ids ...string) error {
	p.deploys++
	return p.Proxy.Deploy(ctx, r, ids...)
}

func TestAVerdictIsNotTriedAgain(t *testing.T) {
	on(t, []string{"a"}, func(t *testing.T, s *stage) {
		s.world.Host("a").Adopt("shop-web-bad", unit("a", "bad").Spec, nil)
		a := s.Hosts["a"]
		proxy := &counted{Proxy: a.Proxy}
		a.Proxy = proxy
		s.Hosts["a"] = a
		route := plan.Route{Service: "shop-web", Port: 3000, HealthInterval: time.Second, DeployTimeout: 5 * time.Second}
		err := s.does(t, "a", plan.Switch{Unit: unit("a", "bad"), Ref: plan.Ref{Name: "shop-web-bad"}, Route: route})
		if !errors.Is(err, rollout.ErrProxyVerdict) || proxy.deploys != 1 {
			t.Errorf("%v after %d tries", err, proxy.deploys)
		}
	})
}

func TestTheWatch(t *testing.T) {
	const window = 10 * time.Second
	cases := map[string]struct {
		version string
		during  func(s *stage)
		class   release.Class // "" is that all kept working
	}{
		"ends well where all kept working":           {"v1", func(*stage) {}, ""},
		"forgives one probe that fails":              {"v1", func(s *stage) { s.world.Next("a", "get /up", fleettest.Hangs) }, ""},
		"speaks a verdict after three that fail":     {"bad", func(*stage) {}, release.Verdict},
		"speaks a verdict when a container ends":     {"v1", func(s *stage) { s.world.Host("a").Halt("shop-web-v1") }, release.Verdict},
		"is no success where nobody answered":        {"v1", func(s *stage) { s.world.Host("a").SetDown(true) }, release.World},
		"waits for an answer that is a verdict then": {"v1", endsUnseen, release.Verdict},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			on(t, []string{"a"}, func(t *testing.T, s *stage) {
				u := unit("a", c.version)
				s.world.Host("a").Adopt(u.Name, u.Spec, nil)
				begin := time.Now()
				c.during(s)
				err := s.Watch(t.Context(), []plan.Watched{{Unit: u, Ref: plan.Ref{Name: u.Name}}}, window)
				switch {
				case c.class == "" && (err != nil || time.Since(begin) < window):
					t.Errorf("%v after %s", err, time.Since(begin))
				case c.class != "" && (err == nil || rollout.Classify(err) != c.class):
					t.Errorf("%v, want a fault of class %s", err, c.class)
				}
				synctest.Wait()
			})
		})
	}
}

// endsUnseen ends the container while its host does not answer, until after
// the window.
func endsUnseen(s *stage) {
	a := s.world.Host("a")
	a.SetDown(true)
	go func() {
		time.Sleep(15 * time.Second)
		a.Halt("shop-web-v1")
		a.SetDown(false)
	}()
}
