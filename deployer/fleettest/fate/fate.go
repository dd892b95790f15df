// Package fate decides what becomes of each call in a fake world: by chance,
// drawn from a seed, the host, the call and how often it was made alone, or as
// a test chose itself. So a seed gives the same world each time.
//
// Lives here: fates and how they are drawn. May not live here: what a call
// does, and how a fate comes to it (fleettest).
package fate

import (
	"slices"
	"strings"
	"time"
)

// Fate is what becomes of a call.
type Fate int

// The fates.
const (
	Fine    Fate = iota
	Before       // it fails and had no effect
	Lost         // it had its effect; the reply is lost
	Hangs        // no answer, no effect, until the caller's or the engine's deadline
	Partial      // it fails in the middle: a part of its effect is there, or comes a moment later
	Stale        // a look is answered by how things were a moment ago
	Late         // no answer until the caller's or the engine's deadline, and the effect comes lateness after the call
	Panics       // the program's own code panics where it makes the call
)

// Faults are the chances, between 0 and 1, of what may become of a call.
type Faults struct {
	Before, Lost, Hang, Partial, Stale float64
	Slow                               float64 // it takes ten times as long
}

// staleness is the most by which an answer may be older than its arrival.
const staleness = 5 * time.Second

// afterwards is the longest that a host goes on by itself with what a call that
// broke off had begun.
const afterwards = time.Second

// Draws are the fates of one world. It is not safe for concurrent use.
type Draws struct {
	Seed   uint64
	Faults Faults

	forced []forced
	calls  map[called]int // how often each call was made
}

// forced is a fate that a test chose itself.
type forced struct {
	host, call string // the call contains it
	fate       Fate
}

// called is a call to a host.
type called struct{ host, call string }

// Next gives the next call to a host that contains this text a fate, once.
func (w *Draws) Next(host, call string, f Fate) {
	w.forced = append(w.forced, forced{host, call, f})
}

// Left returns how many of the fates that were asked for are still to come.
func (w *Draws) Left() int { return len(w.forced) }

// Draw decides on a call's fate and duration.
func (w *Draws) Draw(host, call string) (Fate, time.Duration) {
	if w.calls == nil {
		w.calls = map[called]int{}
	}
	key := called{host, call}
	n := w.calls[key]
	w.calls[key] = n + 1
	d := die(w.Seed)
	d.mix(host)
	d.mix(call)
	d += die(n)
	took := 1 + time.Duration(d.roll()%20_000_000)
	x, f := d.chance(), w.Faults
	if d.chance() < f.Slow {
		took *= 10
	}
	for i, c := range w.forced {
		if c.host == host && strings.Contains(call, c.call) {
			w.forced = slices.Delete(w.forced, i, i+1)
			return c.fate, took
		}
	}
	for fate, p := range [...]float64{Before: f.Before, Lost: f.Lost, Hangs: f.Hang, Partial: f.Partial, Stale: f.Stale} {
		if x -= p; x < 0 && p > 0 {
			return Fate(fate), took
		}
	}
	return Fine, took
}

// Stale is how late a stale answer comes, where a fresh one took that long.
func (w *Draws) Stale(took time.Duration) time.Duration {
	d := die(took)
	return took + time.Duration(d.chance()*float64(staleness))
}

// After is how long a host goes on with what a call had begun that broke off.
func (w *Draws) After(call string) time.Duration {
	d := die(w.Seed)
	d.mix(call)
	return time.Duration(d.chance() * float64(afterwards))
}

// die is a small source of chance that is made for one call and thrown away
// (splitmix64).
type die uint64

// mix makes what comes depend on a text (FNV-1a).
func (d *die) mix(text string) {
	for i := range len(text) {
		*d = (*d ^ die(text[i])) * 0x100000001b3
	}
	*d = (*d ^ 0xff) * 0x100000001b3
}

func (d *die) roll() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// chance is between 0 and 1.
func (d *die) chance() float64 { return float64(d.roll()>>11) / (1 << 53) }
