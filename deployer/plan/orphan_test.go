package plan_test

import (
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

func TestARoleThatLeftIsShownAndStaysUntilTheFileSaysPrune(t *testing.T) {
	m := newModel()
	m.reach(desired("r1", "v1", webA, jobA))
	d := desired("r2", "v1", webA)
	p := plan.Make(d, m.observed())
	if !p.Empty() || len(p.Orphans) != 1 || p.Orphans[0].Ref.Name != "shop-worker-v1" {
		t.Fatalf("plan %q, orphans %+v", text(p), p.Orphans)
	}
	d.Policy.Orphans = true
	p = plan.Make(d, m.observed())
	same(t, "plan", text(p), "finish a: stop shop-worker-v1")
	m.do(p, -1)
	if again := plan.Make(d, m.observed()); !again.Empty() {
		t.Errorf("planned again:\n%s", text(again))
	}
}

func TestAnOrphanOfAProxiedRoleLosesItsRouteFirst(t *testing.T) {
	m := newModel()
	m.reach(desired("r1", "v1", webA, role{"a", "admin", plan.Proxied, "blue"}))
	d := desired("r2", "v1", webA)
	d.Policy.Orphans = true
	same(t, "plan", text(plan.Make(d, m.observed())), "finish a: remove route shop-admin, stop shop-admin-v1")
}

func TestAFileWithoutAnyRoleEndsNothing(t *testing.T) {
	m := newModel()
	m.reach(desired("r1", "v1", webA))
	d := desired("r2", "v1")
	d.Policy.Orphans = true
	p := plan.Make(d, m.observed())
	if len(p.Stages) != 0 || len(p.Orphans) != 1 {
		t.Errorf("plan %q, orphans %+v", text(p), p.Orphans)
	}
}

func TestWhatACommandLeftOutIsNoOrphan(t *testing.T) {
	m := newModel()
	m.reach(desired("r1", "v1", webA, jobA))
	d := desired("r2", "v1", webA, jobA)
	for _, u := range d.Units {
		d.Keys = append(d.Keys, u.Key())
	}
	d.Policy.Orphans = true
	if p := plan.Make(d.Only([]string{"web"}, nil), m.observed()); !p.Empty() || len(p.Orphans) != 0 {
		t.Errorf("plan %q, orphans %+v", text(p), p.Orphans)
	}
}
