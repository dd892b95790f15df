package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/hosttest"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// TestADeployTakesTwentyRoundTripsOnAKeptConnectionAndThirtyFromCold counts how
// often a deploy waits for its server, one wait after the other, lock and route
// included: what it takes longer over a wire with a round trip of a second than
// over one with a millisecond, in a bubble, where nothing else takes any time. `make bench`
// measures the same with the real program on real servers.
func TestADeployTakesTwentyRoundTripsOnAKeptConnectionAndThirtyFromCold(t *testing.T) {
	const near, far = time.Millisecond, time.Second
	measure := func(roundTrip time.Duration) (cold, warm time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			f := newFleetOf(t, 1, hosttest.Options{Network: &hosttest.Network{}, RoundTrip: roundTrip})
			f.deployed(1) // the folders of a server that was never deployed to
			f.stop()
			f.open(store.Open(t.Context(), f.conf.DataDir, store.Options{}))
			time.Sleep(time.Minute) // in the bubble: releases are named by the time
			cold = f.deployed(2)
			time.Sleep(time.Minute) // in the bubble: what is tidied up behind the lock is waited for by nobody
			warm = f.deployed(3)
			f.polite()
		})
		return cold, warm
	}
	nearCold, nearWarm := measure(near)
	farCold, farWarm := measure(far)
	for _, c := range []struct {
		kind      string
		near, far time.Duration
		most      float64
	}{{"on a kept connection", nearWarm, farWarm, 20}, {"from cold", nearCold, farCold, 30}} {
		trips := math.Round(10*(c.far-c.near).Seconds()/(far-near).Seconds()) / 10
		t.Logf("%s: %.1f round trips (%s, and %s near by)", c.kind, trips, c.far, c.near)
		if trips > c.most || trips < 3 {
			t.Errorf("a deploy %s takes %.1f round trips, at most %.0f are promised", c.kind, trips, c.most)
		}
	}
}

// TestAReconcileThatFindsNothingAsksTheEngineFourTimesAtMost looks at a server
// on which nothing changed, again and again.
func TestAReconcileThatFindsNothingAsksTheEngineFourTimesAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleetOf(t, 2, hosttest.Options{Network: &hosttest.Network{}, RoundTrip: time.Millisecond})
		f.deployed(1)
		time.Sleep(time.Minute) // in the bubble: whoever has just started is looked at more closely
		for range 5 {
			var before [2][2]int
			for i, s := range f.servers {
				before[i][0], before[i][1] = s.Asked()
			}
			f.reconciles(1)
			for i, s := range f.servers {
				calls, changes := s.Asked()
				if calls -= before[i][0]; calls < 1 || calls > 4 {
					t.Errorf("server %d was asked %d times, at most 4 times is promised, and once is needed", i, calls)
				}
				if changes -= before[i][1]; changes != 0 {
					t.Errorf("on server %d %d things were changed although nothing differs", i, changes)
				}
			}
		}
		f.polite()
	})
}

// deployed pushes a version and returns how long it took until it was live and
// the lock gone.
func (f *fleetOf) deployed(version int) time.Duration {
	f.t.Helper()
	began := time.Now()
	if r, _ := f.push(version); r.Status != release.Succeeded {
		f.t.Fatalf("the release is %s: %s", r.Status, r.Reason)
	}
	f.serves(version)
	for _, s := range f.servers {
		for deadline := began.Add(5 * time.Minute); ; time.Sleep(time.Millisecond) { // in the bubble
			_, err := os.Stat(filepath.Join(s.Home, ".kamal/lock-shop"))
			if errors.Is(err, fs.ErrNotExist) {
				break
			}
			if time.Now().After(deadline) {
				f.t.Fatalf("the lock is still there: %v", err)
			}
		}
	}
	return time.Since(began)
}

// reconciles submits what is live once more, as a daemon does at intervals, and
// waits until that is done.
func (f *fleetOf) reconciles(version int) {
	f.t.Helper()
	f.hand(f.t.Context(), version, fmt.Sprintf("%040d", version), release.CauseReconcile)
	time.Sleep(10 * time.Second) // in the bubble
}
