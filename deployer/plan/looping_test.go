package plan_test

import (
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

func TestAGoodContainerThatKeepsEndingIsLeftAloneAndShown(t *testing.T) {
	m := newModel()
	m.reach(desired("r1", "v1", webA))
	m.hosts["a"].Containers[0].State.Status = container.Restarting
	d := desired("r2", "v1", webA)
	d.Policy.Good = []string{"r1"}
	p := plan.Make(d, m.observed())
	if !p.Empty() || len(p.Looping) != 1 || p.Looping[0].Ref.Name != "shop-web-v1" || len(p.Live) != 0 {
		t.Errorf("looping %v, live %v, planned\n%s", p.Looping, p.Live, text(p))
	}
	d.Policy.Good = nil // it never worked: then it is looked at, for a verdict
	if p := plan.Make(d, m.observed()); p.Empty() || len(p.Looping) != 0 {
		t.Errorf("looping %v, planned\n%s", p.Looping, text(p))
	}
}
