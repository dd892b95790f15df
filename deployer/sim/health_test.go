package sim

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

// An engine that stops ends its containers, which may look like their own end.
func TestAnEngineThatStopsGivesNoVerdict(t *testing.T) {
	h := plan.Health{HTTP: "/up", Port: 3000, Interval: time.Second, Timeout: 5 * time.Second, Deadline: 30 * time.Second}
	synctest.Test(t, func(t *testing.T) {
		w := fleettest.New(1, "a")
		w.Push("acme/shop:v1", fleettest.App{Boot: 10 * time.Second})
		w.Host("a").Adopt("shop-web-v1", container.Spec{
			Image: "acme/shop:v1", Network: plan.Network, Restart: container.Restart{Policy: "unless-stopped"},
		}, nil)
		s := w.Start("test", w.Memory, func() {}).Hands("a")
		time.AfterFunc(5*time.Second, func() { w.Host("a").SetEngineStopping(true) })
		time.AfterFunc(20*time.Second, func() { w.Host("a").SetEngineStopping(false) })
		if err := health.Await(t.Context(), s.Work.Engine, s.Work.Prober, "shop-web-v1", h, false); err != nil {
			t.Errorf("it was taken for the container's fault, or not waited for: %v", err)
		}
		w.Host("a").SetEngineStopping(true)
		restarts := health.RestartsUnknown
		_, err := health.Check(t.Context(), s.Work.Engine, s.Work.Prober, "shop-web-v1", h, &restarts)
		if err == nil || errors.As(err, new(*health.Error)) {
			t.Errorf("checked while the engine stops: %v", err)
		}
	})
}

// A reconcile that looks while an engine stops sees every container ended, and
// does nothing about it.
func TestAReconcileActsOnNoEngineThatStops(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		before, releases := len(s.world.Effects()), len(s.world.Memory.Releases())
		s.world.Host("a").SetEngineStopping(true)
		for range 10 {
			s.look(release.CauseReconcile)
			time.Sleep(30 * time.Second)
		}
		s.world.Host("a").SetEngineStopping(false)
		s.pass(calm)
		for _, e := range s.world.Effects()[before:] {
			if e.Host != "memory" {
				t.Errorf("it did %s", e)
			}
		}
		if n := len(s.world.Memory.Releases()) - releases; n > 0 {
			t.Errorf("%d releases came of it: %s", n, s.world.Memory.Last().Reason)
		}
		if n := s.world.Memory.Alerts(); n != 0 {
			t.Errorf("%d alerts stay", n)
		}
		s.runs("v1")
	})
}

// A probe that the way to its host lost says nothing about the container.
func TestProbesThatAreLostOnTheWayAreNoAnswers(t *testing.T) {
	h := plan.Health{HTTP: "/up", Port: 3000, Interval: time.Second, Timeout: 5 * time.Second, Deadline: 10 * time.Second}
	synctest.Test(t, func(t *testing.T) {
		w := fleettest.New(1, "a")
		w.Push("acme/shop:v1", fleettest.App{})
		w.Host("a").Adopt("shop-web-v1", container.Spec{
			Image: "acme/shop:v1", Network: plan.Network, Restart: container.Restart{Policy: "unless-stopped"},
		}, nil)
		s := w.Start("test", w.Memory, func() {}).Hands("a")
		for range 20 {
			w.FailNext("a", "get /up", false)
		}
		restarts := health.RestartsUnknown
		if answer, err := health.Check(t.Context(), s.Work.Engine, s.Work.Prober, "shop-web-v1", h, &restarts); err == nil || answer != "" {
			t.Errorf("a lost probe counts as the answer %q (%v)", answer, err)
		}
		if err := health.Await(t.Context(), s.Work.Engine, s.Work.Prober, "shop-web-v1", h, false); err != nil {
			t.Errorf("the container is blamed: %v", err)
		}
	})
}

// TestTheVerdictOnANewContainer asks package health about programs of all
// kinds on a fake host.
func TestTheVerdictOnANewContainer(t *testing.T) {
	http := plan.Health{HTTP: "/up", Port: 3000, Interval: time.Second, Timeout: 5 * time.Second, Deadline: 30 * time.Second, Readiness: 7 * time.Second}
	plain := http
	plain.HTTP = ""
	cases := map[string]struct {
		app     fleettest.App
		health  plan.Health
		age     time.Duration // ran that long before, as one that was not just started
		verdict string        // empty: it works
		within  time.Duration
	}{
		"boots in time":                            {app: fleettest.App{Boot: 12 * time.Second}, health: http, within: 14 * time.Second},
		"boots too late":                           {app: fleettest.App{Boot: time.Hour}, health: http, verdict: "was not healthy after 30", within: 32 * time.Second},
		"answers with an error":                    {app: fleettest.App{Status: 503}, health: http, verdict: "GET :3000/up: 503 (", within: 32 * time.Second},
		"redirects":                                {app: fleettest.App{Status: 301}, health: http, verdict: "GET :3000/up: 301", within: 32 * time.Second},
		"exits":                                    {app: fleettest.App{CrashAfter: time.Second, ExitCode: 3}, health: plain, verdict: "exited with code 3", within: 3 * time.Second},
		"is out of memory":                         {app: fleettest.App{CrashAfter: time.Second, ExitCode: 137, OOM: true}, health: plain, verdict: "out of memory", within: 3 * time.Second},
		"is told to be out of memory a bit late":   {app: fleettest.App{CrashAfter: 4 * time.Second, ExitCode: 137, OOM: true, LateOOM: true}, health: plain, verdict: "out of memory", within: 7 * time.Second},
		"runs without a check until it is ready":   {app: fleettest.App{}, health: plain, within: 9 * time.Second},
		"once restarted, days ago, and works":      {app: fleettest.App{CrashAfter: 47 * time.Hour}, health: http, age: 48 * time.Hour, within: time.Second},
		"restarts for ever, though it was not new": {app: fleettest.App{CrashAfter: 3 * time.Second, ExitCode: 1}, health: plain, age: time.Hour, verdict: "exited with code 1", within: 4 * time.Second},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := fleettest.New(1, "a")
				w.Push("acme/shop:v1", c.app)
				w.Host("a").Adopt("shop-web-v1", container.Spec{
					Image: "acme/shop:v1", Network: plan.Network, Restart: container.Restart{Policy: "unless-stopped"},
					Resources: container.Resources{Memory: 48 << 20},
				}, nil)
				time.Sleep(c.age)
				p := w.Start("test", w.Memory, func() {})
				s := p.Hands("a")
				begin := time.Now()
				err := health.Await(t.Context(), s.Work.Engine, s.Work.Prober, "shop-web-v1", c.health, c.age > 0)
				if took := time.Since(begin); took > c.within {
					t.Errorf("it took %s, want %s at most", took, c.within)
				}
				verdict := new(health.Error)
				if c.verdict == "" {
					if err != nil {
						t.Errorf("verdict: %v", err)
					}
				} else if !errors.As(err, &verdict) || !strings.Contains(err.Error(), c.verdict) || len(verdict.Logs) == 0 {
					t.Errorf("verdict: %v (logs %v), want %q", err, verdict.Logs, c.verdict)
				}
			})
		})
	}
}
