package fleettest

import (
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest/fate"
)

// What becomes of calls, as package fate has it.
type (
	Fate   = fate.Fate
	Faults = fate.Faults
)

// The fates.
const (
	Fine    = fate.Fine
	Before  = fate.Before
	Lost    = fate.Lost
	Hangs   = fate.Hangs
	Partial = fate.Partial
	Stale   = fate.Stale
	Late    = fate.Late
	Panics  = fate.Panics
)

// Next gives the next call to a host that contains this text a fate, once.
func (w *World) Next(host, call string, f Fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fates.Next(host, call, f)
}

// FailNext makes the next call to a host that contains this text fail, once:
// before it had its effect or, lost, after.
func (w *World) FailNext(host, call string, lost bool) {
	if lost {
		w.Next(host, call, Lost)
		return
	}
	w.Next(host, call, Before)
}

// Forced returns how many of the fates that were asked for are still to come.
func (w *World) Forced() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fates.Left()
}

// SetFaults makes calls go wrong by chance from now on.
func (w *World) SetFaults(f Faults) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fates.Faults = f
}

func (w *World) draw(host, call string) (Fate, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fates.Draw(host, call)
}

// later does something that a host had begun when its caller lost it. The
// world's lock is held, and is held then. No rule is looked at: nobody could
// still hinder it.
func (w *World) later(call string, do func()) {
	time.AfterFunc(w.fates.After(call), func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		do()
	})
}
