package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// TestADaemonThatSleptDoesNoHarm stops the process (SIGSTOP) after each single
// effect of a rollout and of one that goes back, for so long that its locks
// expire. Meanwhile another installation rolls out what is newer. The one that
// wakes begins no effect before it has the lock again, and comes to the same.
func TestADaemonThatSleptDoesNoHarm(t *testing.T) {
	for _, name := range []string{"deploy", "automatic rollback"} {
		st := stories()[name]
		t.Run(name, func(t *testing.T) {
			first, last := count(t, st)
			for n := first; n <= last; n++ {
				t.Run(fmt.Sprint(n), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { oversleep(t, st, first, n) })
				})
			}
		})
	}
}

func oversleep(t *testing.T, st story, first, at int) {
	s := begin(t, 1, two...)
	s.world.Push("acme/shop:v4", fleettest.App{Boot: time.Second})
	st.before(s)
	s.world.SetCrash(fleettest.Crash{At: at, Pause: true})
	st.do(s)
	time.Sleep(3 * time.Minute)
	synctest.Wait()
	if !s.process.Paused() {
		t.Fatal("the effect was never reached")
	}
	r := s.rival()
	r.push(v("4"))
	r.pass(calm)
	r.runs("v4")
	if t.Failed() {
		t.Fatal("the rival did not get through")
	}
	slept := len(s.world.Effects())
	s.process.Wake()
	s.push(v("4")) // its watcher is late as well
	s.pass(calm)
	r.pass(calm)
	r.runs("v4")
	all := s.world.Effects()
	had := slices.ContainsFunc(all[:at], func(e fleettest.Effect) bool { return e.Call == "mkdir .kamal/lock-shop" && e.N >= first })
	for _, e := range all[slept:] {
		if had && strings.HasPrefix(e.Call, "switch ") { // one who had begun nothing may yet begin
			t.Errorf("it woke and did %s", e)
		}
	}
	for _, ev := range s.world.Memory.Events() {
		if r := ev.Release; r != nil && r.Version == "v2" && r.Failure != nil && r.Failure.Class == release.Verdict {
			t.Errorf("its release was given up for what the rival did: %s", ev.Message)
		}
	}
	for _, broken := range s.world.Violations() {
		t.Errorf("%s; it slept at %d", broken, at)
	}
	if got := s.world.Memory.Last(); !got.Status.Terminal() || got.Status == release.NeedsHuman {
		t.Errorf("its release %s is %s: %s", got.ID, got.Status, got.Reason)
	}
	s.quiet()
	s.stop()
	r.stop()
	if t.Failed() && *verbose {
		tell(s)
	}
}
