package fleettest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest/app"
	"github.com/fairlead-deploy/fairlead/deployer/fleettest/fate"
)

// What programs do, as package app has it.
type (
	App  = app.App
	Hook = app.Hook
)

// Effect is one thing that was done to the world.
type Effect struct {
	N    int // counted from 1 over all hosts and the memory
	At   time.Time
	Host string // "memory" for what the daemon remembers
	Call string // "start shop-web-v2", "save switching"
}

func (e Effect) String() string { return fmt.Sprintf("#%d %s: %s", e.N, e.Host, e.Call) }

// Kind returns of which kind an effect is, "" for one that fate.Kinds lacks.
func (e Effect) Kind() string { return fate.KindOf(e.Call) }

// World is hosts, registry and memory. Make one with New.
type World struct {
	Memory *Memory
	// Gaps allows that a route's target stops before its successor has started,
	// as roles must that publish a port.
	Gaps bool
	// Load is how many requests a second come to each route.
	Load float64
	// Seed chooses the fates of calls.
	Seed uint64

	mu         sync.Mutex
	fates      fate.Draws
	hosts      map[string]*Host
	images     map[string]string // ref → digest
	apps       map[string]App    // digest → behaviour
	ids        map[string]string // of images, by digest
	registryUp bool
	effects    []Effect
	violations []string
	hooks      []string // that were started, by their containers' names
	hooked     map[string]int
	crash      Crash
	crashed    bool
	blameless  bool // what happens now nobody could hinder
}

// Crash says at which effect the next Process dies.
type Crash struct {
	At     int // Effect.N; 0 is never
	Before bool
	// Pause stops the process after it, in place of death, until it is woken.
	Pause bool
	// Panic is a fault of the program's own there, in place of death.
	Panic bool
}

// New makes a world with these hosts, empty but for a container engine.
func New(seed uint64, hosts ...string) *World {
	w := &World{
		Seed: seed, hosts: map[string]*Host{}, images: map[string]string{}, apps: map[string]App{},
		registryUp: true, fates: fate.Draws{Seed: seed}, ids: map[string]string{}, hooked: map[string]int{},
	}
	w.Memory = newMemory(w)
	for _, name := range hosts {
		w.hosts[name] = newHost(w, name)
	}
	return w
}

// Host returns a host by name.
func (w *World) Host(name string) *Host { return w.hosts[name] }

// Hosts returns the names of the hosts, sorted.
func (w *World) Hosts() []string { return slices.Sorted(maps.Keys(w.hosts)) }

// Push puts an image into the registry: a new program under a reference such
// as "acme/shop:v2".
func (w *World) Push(ref string, app App) {
	w.mu.Lock()
	defer w.mu.Unlock()
	digest := "sha256:" + sum(ref, fmt.Sprint(len(w.apps)))
	w.images[ref], w.apps[digest] = digest, app
}

// SetRegistry makes the registry answer, or not.
func (w *World) SetRegistry(up bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.registryUp = up
}

// SetCrash makes the process die at an effect. Effects counts on.
func (w *World) SetCrash(c Crash) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.crash, w.crashed = c, false
}

// Crashed tells whether the crash that was set has happened.
func (w *World) Crashed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.crashed
}

// Effects returns all that was done so far.
func (w *World) Effects() []Effect {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.effects)
}

// Violations returns what broke a rule.
func (w *World) Violations() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.violations)
}

func (w *World) violate(format string, args ...any) {
	if w.blameless {
		return
	}
	at := Effect{}
	if n := len(w.effects); n > 0 {
		at = w.effects[n-1]
	}
	w.violations = append(w.violations, fmt.Sprintf("%s after %s", fmt.Sprintf(format, args...), at))
}

func sum(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p + "\x00"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Mend changes how the program of an image behaves from now on.
func (w *World) Mend(ref string, app App) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.apps[w.images[ref]] = app
}
