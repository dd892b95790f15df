package sim

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// TestAnEffectThatLandsAMinuteLateIsMended lets each effect on a host, one at a
// time, come a minute after it was asked for, when its caller has long given
// up: an engine that was frozen does what is in its queue. All ends as it would
// have.
func TestAnEffectThatLandsAMinuteLateIsMended(t *testing.T) {
	for name, version := range map[string]string{
		"deploy": "v2", "automatic rollback": "v2", "rollback by a person": "v1", "stop-first roles": "v2", "changed configuration of one version": "v1",
	} {
		st := stories()[name]
		t.Run(name, func(t *testing.T) {
			for _, e := range asked(t, st) {
				t.Run(e.Host+" "+e.Call, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { landsLate(t, st, e, version) })
				})
			}
		})
	}
}

// asked returns the effects on hosts in a story, each once, but for those on
// the lock.
func asked(t *testing.T, st story) (all []fleettest.Effect) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, 1, two...)
		st.before(s)
		first := len(s.world.Effects())
		st.do(s)
		s.pass(calm)
		for _, e := range s.world.Effects()[first:] {
			same := func(o fleettest.Effect) bool { return o.Host == e.Host && o.Call == e.Call }
			if e.Host != "memory" && !strings.Contains(e.Call, ".kamal") && !slices.ContainsFunc(all, same) {
				all = append(all, e)
			}
		}
		s.stop()
	})
	return all
}

func landsLate(t *testing.T, st story, e fleettest.Effect, version string) {
	s := begin(t, 1, two...)
	st.before(s)
	s.torn = true // what a late effect takes away is nobody's word
	s.world.Next(e.Host, e.Call, fleettest.Late)
	st.do(s)
	s.pass(2 * calm)
	if n := s.world.Forced(); n > 0 {
		t.Error("the effect was never asked for")
	}
	if !slices.ContainsFunc(s.world.Effects(), func(o fleettest.Effect) bool { return o.Call == e.Call+" (late)" }) {
		t.Error("the effect never landed")
	}
	s.runs(version)
	r := s.world.Memory.Last() // a mending, or Git's tip, which a person holds
	if !slices.Contains([]release.Status{release.Succeeded, release.RolledBack}, r.Status) && !(s.world.Memory.IsHeld() && r.Status == release.Waiting) {
		t.Errorf("release %s is %s: %s", r.ID, r.Status, r.Reason)
	}
	s.lawful()
	if n := s.world.Memory.Alerts(); n != 0 {
		t.Errorf("%d alerts are left", n)
	}
	s.quiet()
	s.stop()
	if t.Failed() && *verbose {
		tell(s)
	}
}
