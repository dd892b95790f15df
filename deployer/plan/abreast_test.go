package plan_test

import (
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

func TestRolesOfAHostStartAtOnceWhereTheFileSaysSo(t *testing.T) {
	roles := []role{webA, {"a", "api", plan.Proxied, "blue"}, jobA, {"a", "cron", plan.Plain, "blue"}}
	d := desired("r1", "v1", roles...)
	world := newModel()
	stages := func(d plan.Desired) string {
		p := plan.Make(d, world.observed())
		for i := range p.Stages { // what is not about starting
			if n := p.Stages[i].Name; n != plan.StageStart && n != plan.StageFollow {
				p.Stages[i].Steps = nil
			}
		}
		return text(p)
	}
	same(t, "one after another", stages(d), `start a: start shop-web-v1, await health of shop-web-v1, start shop-api-v1, await health of shop-api-v1
		follow a: start shop-worker-v1, await health of shop-worker-v1, start shop-cron-v1, await health of shop-cron-v1`)
	d.Policy.Abreast = true
	same(t, "at once", stages(d), `start a: start shop-web-v1, start shop-api-v1, await health of shop-web-v1, await health of shop-api-v1
		follow a: start shop-worker-v1, start shop-cron-v1, await health of shop-worker-v1, await health of shop-cron-v1`)
	for id, abreast := range map[release.ID]bool{"r1": false, "staging": true} { // as the file says
		in := inputs()
		in.Release = id
		if d, err := want(t, in); err != nil || d.Policy.Abreast != abreast {
			t.Errorf("%s: %v, %v", id, d.Policy.Abreast, err)
		}
	}
}
