package plan_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

func past(id, version string) release.Release {
	return release.Release{ID: release.ID(id), Version: version, Status: release.Succeeded}
}

// after is what release r left on hosts.
func after(r release.Release, hosts ...string) map[string]plan.Left {
	left := map[string]plan.Left{}
	for _, name := range hosts {
		left[name] = plan.Left{Newest: r, Traces: []string{string(r.ID)}}
	}
	return left
}

func TestTheWayBack(t *testing.T) {
	cases := map[string]struct {
		old, new plan.Desired
		steps    int // of the way forward that were done
		back     string
	}{
		"what never started is removed": {
			old: desired("r1", "v1", webA, jobA), new: desired("r2", "v2", webA, jobA), steps: 4,
			back: `back a: prune 1 container, prune 1 container`,
		},
		"a started container is stopped": {
			old: desired("r1", "v1", webA, jobA), new: desired("r2", "v2", webA, jobA), steps: 5,
			back: `back a: stop shop-web-v2, prune 1 container`,
		},
		"a half-switched fleet goes back where it was switched": {
			old: desired("r1", "v1", webA, webB), new: desired("r2", "v2", webA, webB), steps: 11,
			back: `back a: switch shop-web to shop-web-v1, stop shop-web-v2
				back b: stop shop-web-v2`,
		},
		"roles without a proxy stop the new before they start the old": {
			old: desired("r1", "v1", webA, jobA), new: desired("r2", "v2", webA, jobA), steps: 10,
			back: `back a: switch shop-web to shop-web-v1, stop shop-web-v2, stop shop-worker-v2, start shop-worker-v1, await health of shop-worker-v1`,
		},
		"an old container that has stopped is started and healthy before it gets the traffic": {
			old: desired("r1", "v1", webA), new: desired("r2", "v2", webA), steps: 7,
			back: `back a: start shop-web-v1, await health of shop-web-v1, switch shop-web to shop-web-v1, stop shop-web-v2`,
		},
		"stop-first roles get their route back": {
			old: desired("r1", "v1", stopFirst(webA)), new: desired("r2", "v2", stopFirst(webA)), steps: 7,
			back: `back a: stop shop-web-v2, start shop-web-v1, await health of shop-web-v1, switch shop-web to shop-web-v1`,
		},
		"where nothing ran before the route goes before the container": {
			new: desired("r2", "v2", webA, jobA), steps: 10,
			back: `back a: remove route shop-web, stop shop-web-v2, stop shop-worker-v2`,
		},
		"the renamed container of the same version gets its work back": {
			old: desired("r1", "v1", webA), new: desired("r2", "v1", recoloured(webA)), steps: 6,
			back: `back a: switch shop-web to shop-web-v1, stop shop-web-v1`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := newModel()
			var previous release.Release
			if c.old.Release != "" {
				m.reach(c.old)
				previous = past("r1", "v1")
			}
			base := plan.BaselineOf(c.new, m.observed(), after(previous, "a", "b"))
			if done := m.do(plan.Make(c.new, m.observed()), c.steps); done != c.steps {
				t.Fatalf("there were only %d steps", done)
			}
			p := plan.Back(c.new, m.observed(), base)
			same(t, "back", text(p), c.back)
			m.do(p, -1)
			if again := plan.Back(c.new, m.observed(), base); !again.Empty() {
				t.Errorf("planned back again after it was done:\n%s", text(again))
			}
			if len(m.broken) > 0 {
				t.Error(m.broken)
			}
		})
	}
}

func TestTheBaseline(t *testing.T) {
	key := plan.Key{Host: "a", Role: "web"}
	cases := map[string]struct {
		world    func(m *model)
		previous release.Release
		want     string // name of the container, empty for none
	}{
		"is nothing on an empty host":            {world: func(*model) {}},
		"is what the last good release started":  {func(m *model) { m.reach(desired("r1", "v1", webA)) }, past("r1", "v1"), "shop-web-v1"},
		"is what Kamal started, with no release": {func(m *model) { m.reach(desired("", "v1", webA)) }, release.Release{}, "shop-web-v1"},
		"is not what a half-done release routed before a newer commit came": {
			func(m *model) {
				m.reach(desired("r1", "v1", webA))
				m.do(plan.Make(desired("r2", "v2", webA), m.observed()), 6)
			}, past("r1", "v1"), "shop-web-v1",
		},
		"is never of the release itself, after a crash": {
			func(m *model) {
				m.reach(desired("r1", "v1", webA))
				m.do(plan.Make(desired("r3", "v3", webA), m.observed()), 6)
			}, release.Release{}, "shop-web-v1",
		},
		"is found by version where the last good release was a rollback": {
			func(m *model) {
				m.reach(desired("r1", "v1", webA))
				m.reach(desired("r2", "v2", webA))
				m.container("a", "shop-web-v1").State.Status = container.Running
			}, past("r9", "v1"), "shop-web-v1",
		},
		"is found under its new name": {
			func(m *model) {
				m.reach(desired("r1", "v1", webA))
				m.do(plan.Make(desired("r3", "v1", recoloured(webA)), m.observed()), 4)
			}, past("r1", "v1"), "shop-web-v1_replaced_" + id("a", 1)[:16],
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := newModel()
			c.world(m)
			d := desired("r3", "v3", webA)
			base := plan.BaselineOf(d, m.observed(), after(c.previous, "a"))
			if got := base[key].Name; got != c.want {
				t.Errorf("baseline %q, want %q", got, c.want)
			}
			if !base.In(lane, m.observed()) {
				t.Error("the baseline is not there")
			}
			text, err := json.Marshal(base)
			if err != nil {
				t.Fatal(err)
			}
			var read plan.Baseline
			if err := json.Unmarshal(text, &read); err != nil || !reflect.DeepEqual(read, base) {
				t.Errorf("stored and read: %+v %v", read, err)
			}
		})
	}
}

func TestABaselineThatWasRemovedIsNotIn(t *testing.T) {
	m := newModel()
	m.reach(desired("r1", "v1", webA))
	base := plan.BaselineOf(desired("r2", "v2", webA), m.observed(), after(past("r1", "v1"), "a", "b"))
	m.hosts["a"].Containers = nil
	if base.In(lane, m.observed()) {
		t.Error("it is still in")
	}
}

func TestARollbackRestartsTheRetainedContainer(t *testing.T) {
	m := newModel()
	m.reach(desired("r1", "v1", webA, jobA))
	m.reach(desired("r2", "v1", recoloured(webA), recoloured(jobA))) // renames those of r1
	m.reach(desired("r3", "v3", webA, jobA))
	d := plan.Retained(desired("r4", "v1", webA, jobA), m.observed(), past("r1", "v1"))
	first := m.hosts["a"].Containers[0]
	if d.Units[0].Pin != first.ID {
		t.Errorf("pinned to %s, want %s", d.Units[0].Pin, first.ID)
	}
	p := plan.Make(d, m.observed())
	renamed := "_replaced_" + id("a", 1)[:16]
	same(t, "plan", text(p), `start a: start shop-web-v1`+renamed+`, await health of shop-web-v1`+renamed+`
		switch a: switch shop-web to shop-web-v1`+renamed+`
		follow a: start shop-worker-v1_replaced_`+id("a", 2)[:16]+`, await health of shop-worker-v1_replaced_`+id("a", 2)[:16]+`, stop shop-worker-v3
		finish a: stop shop-web-v3, tag acme/shop:latest`)
	m.do(p, -1)
	if again := plan.Make(plan.Retained(d, m.observed(), past("r1", "v1")), m.observed()); !again.Empty() {
		t.Errorf("planned again:\n%s", text(again))
	}
}

func TestARollbackWhoseContainerIsGoneMakesANewOne(t *testing.T) {
	m := newModel()
	m.reach(desired("r1", "v1", webA))
	m.reach(desired("r2", "v2", webA))
	m.hosts["a"].Containers = m.hosts["a"].Containers[1:]
	d := plan.Retained(desired("r3", "v1", webA), m.observed(), past("r1", "v1"))
	if d.Units[0].Pin != "" {
		t.Errorf("pinned to %s", d.Units[0].Pin)
	}
	same(t, "plan", text(plan.Make(d, m.observed())), `prepare a: make network kamal, pull acme/shop:v1, create shop-web-v1
		start a: start shop-web-v1, await health of shop-web-v1
		switch a: switch shop-web to shop-web-v1
		finish a: stop shop-web-v2, tag acme/shop:latest`)
}

func TestARollbackTakesTheReleasesOwnContainerThoughSecretsHaveChanged(t *testing.T) {
	m := newModel()
	m.reach(desired("r1", "v1", jobA))
	m.reach(desired("r2", "v1", recoloured(jobA))) // renames that of r1
	m.reach(desired("r3", "v3", jobA))
	now := desired("r4", "v1", jobA)
	now.Units[0].Spec.Env["PASSWORD"] = secret.New("hunter3")
	first := m.hosts["a"].Containers[0]
	if d := plan.Retained(now, m.observed(), past("r1", "v1")); d.Units[0].Pin != first.ID {
		t.Errorf("pinned to %s, want %s", d.Units[0].Pin, first.ID)
	}
}
