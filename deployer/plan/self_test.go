package plan_test

import (
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

// The tests' service is Fairlead itself here: the daemon runs in one of its
// containers.
func TestThePlanNeverTouchesTheContainerThatFairleadRunsIn(t *testing.T) {
	recoloured := recoloured(jobA)
	for name, c := range map[string]struct {
		role role
		want plan.Desired
	}{
		"a new version would stop it":             {jobA, desired("r2", "v2", jobA)},
		"a new configuration would take its name": {jobA, desired("r2", "v1", recoloured)},
		"behind the proxy too":                    {webA, desired("r2", "v2", webA)},
		"on one host of two":                      {webA, desired("r2", "v2", webB, webA)},
	} {
		m := newModel()
		m.reach(desired("r1", "v1", c.role))
		m.hosts["a"].Self = m.hosts["a"].Containers[0].ID
		p := plan.Make(c.want, m.observed())
		if len(p.Stages) > 0 || p.Empty() || len(p.Changes) == 0 {
			t.Errorf("%s: %s", name, text(p))
		}
		if want := m.hosts["a"].Containers[0].Name + " on a is the container that Fairlead itself runs in"; !strings.HasPrefix(p.Refused, want) {
			t.Errorf("%s: %q", name, p.Refused)
		}
		back := plan.Back(c.want, m.observed(), plan.Baseline{})
		if steps := text(back); strings.Contains(steps, "stop "+m.hosts["a"].Containers[0].Name) {
			t.Errorf("%s, going back: %s", name, steps)
		}
	}
}

func TestTheContainerThatFairleadRunsInIsNoReasonToLeaveOthersAlone(t *testing.T) {
	m := newModel()
	m.reach(desired("r1", "v1", webA, jobA))
	m.hosts["a"].Self = id("a", 7)
	if p := plan.Make(desired("r2", "v2", webA, jobA), m.observed()); p.Refused != "" || p.Empty() {
		t.Errorf("refused: %q", p.Refused)
	}
	m.hosts["a"].Self = m.container("a", "shop-worker-v1").ID
	if p := plan.Make(desired("r2", "v1", webA, jobA), m.observed()); p.Refused != "" || !p.Empty() {
		t.Errorf("as wanted, and refused: %q", p.Refused)
	}
}
