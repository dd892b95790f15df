package fleettest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// Memory is what survives a daemon's crash, with the semantics of package
// store: a release that has ended never changes.
type Memory struct {
	// Saved is called for each release that is saved, after it was.
	Saved func(release.Release)

	w           *World
	releases    []release.Release // in the order of their first save
	events      []release.Event
	open        map[release.ID]map[string]bool // effects intended and not done
	configs     map[release.ID][]byte
	pins        map[string]string
	quarantined map[string]release.ID
	holds       map[release.Lane]release.Hold
	adopted     map[release.Lane]string
	alerts      map[string]bool
	cordons     map[string]release.Cordon
}

func newMemory(w *World) *Memory {
	return &Memory{
		w: w, open: map[release.ID]map[string]bool{}, configs: map[release.ID][]byte{}, pins: map[string]string{},
		quarantined: map[string]release.ID{}, holds: map[release.Lane]release.Hold{}, adopted: map[release.Lane]string{}, alerts: map[string]bool{},
		cordons: map[string]release.Cordon{},
	}
}

// intended tells whether an effect on the host is written down and under way.
func (m *Memory) intended(host string) bool {
	for _, steps := range m.open {
		for step := range steps {
			if strings.HasPrefix(step, host+": ") {
				return true
			}
		}
	}
	return false
}

// Releases returns all releases, oldest first.
func (m *Memory) Releases() []release.Release {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	return slices.Clone(m.releases)
}

// Last returns the release that was begun last.
func (m *Memory) Last() release.Release {
	all := m.Releases()
	if len(all) == 0 {
		return release.Release{}
	}
	return all[len(all)-1]
}

// Events returns all events in order.
func (m *Memory) Events() []release.Event {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	return slices.Clone(m.events)
}

// Alerts returns how many troubles are open.
func (m *Memory) Alerts() int {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	return len(m.alerts)
}

// IsHeld tells whether a person holds any lane.
func (m *Memory) IsHeld() bool {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	return len(m.holds) > 0
}

// Hand gives the memory to a process.
func (p *Process) Hand() deployer.Memory {
	h := hand{p, p.m}
	return deployer.Memory{Releases: h, Effects: h, Pins: h, Quarantines: h, Wishes: h, Adoptions: h, Alerts: h}
}

// hand is the memory in a process's hands.
type hand struct {
	p *Process
	m *Memory
}

func (h hand) write(call string, do func() error) error {
	h.p.awake()
	err := func() error {
		h.m.w.mu.Lock()
		defer h.m.w.mu.Unlock()
		return h.p.effect("memory", call, do)
	}()
	h.p.awake()
	return err
}

func (h hand) read(do func()) error {
	h.p.awake()
	h.m.w.mu.Lock()
	defer h.m.w.mu.Unlock()
	if h.p.dead {
		return ErrDead
	}
	do()
	return nil
}

func (h hand) Save(_ context.Context, r release.Release, ev release.Event) (int64, error) {
	err := h.write("save "+r.Revision.Short()+" as "+string(r.Status), func() error {
		i := slices.IndexFunc(h.m.releases, func(old release.Release) bool { return old.ID == r.ID })
		switch {
		case i < 0:
			h.m.releases = append(h.m.releases, r)
		case h.m.releases[i].Status.Terminal():
			return fmt.Errorf("save release %s: %w", r.ID, store.ErrEnded)
		default:
			h.m.releases[i] = r
		}
		ev.Lane, ev.Release = r.Lane, &r
		h.m.events = append(h.m.events, ev)
		open := 0
		for _, other := range h.m.releases {
			if other.Lane == r.Lane && !other.Status.Terminal() && other.Status != release.Waiting {
				open++
			}
		}
		if open > 1 {
			h.m.w.violate("P2: %d rollouts of %s are open", open, r.Lane)
		}
		if h.m.Saved != nil {
			h.m.Saved(r)
		}
		return nil
	})
	return int64(len(h.m.events)), err
}

func (h hand) Succeeded(_ context.Context, lane release.Lane, n int) (list []release.Release, err error) {
	err = h.read(func() {
		for _, r := range slices.Backward(h.m.releases) {
			if r.Lane == lane && r.Status == release.Succeeded && len(list) < n {
				list = append(list, r)
			}
		}
	})
	return list, err
}

func (h hand) Recent(_ context.Context, lane release.Lane, n int) (list []release.Release, err error) {
	err = h.read(func() {
		for _, r := range slices.Backward(h.m.releases) {
			if r.Lane == lane && len(list) < n {
				list = append(list, r)
			}
		}
	})
	return list, err
}

func (h hand) Intend(_ context.Context, id release.ID, step string, _ []byte) error {
	return h.write("intend "+step, func() error {
		if h.m.open[id] == nil {
			h.m.open[id] = map[string]bool{}
		}
		h.m.open[id][step] = true
		return nil
	})
}

func (h hand) Done(_ context.Context, id release.ID, step, _ string) error {
	return h.write("done "+step, func() error {
		if !h.m.open[id][step] {
			return store.ErrNotIntended
		}
		delete(h.m.open[id], step)
		return nil
	})
}

func (h hand) SaveConfig(_ context.Context, id release.ID, body []byte) error {
	return h.write("save config", func() error {
		h.m.configs[id] = body
		return nil
	})
}

func (h hand) Config(_ context.Context, id release.ID) (body []byte, err error) {
	err = h.read(func() { body = h.m.configs[id] })
	return body, err
}

func (h hand) Pin(_ context.Context, lane release.Lane, sha, ref, digest string) error {
	return h.write("pin "+ref, func() error {
		key := lane.String() + sha + ref
		if _, ok := h.m.pins[key]; !ok {
			h.m.pins[key] = digest
		}
		return nil
	})
}

func (h hand) Repin(_ context.Context, lane release.Lane, sha, ref, digest string) error {
	return h.write("repin "+ref, func() error {
		h.m.pins[lane.String()+sha+ref] = digest
		return nil
	})
}

func (h hand) Pinned(_ context.Context, lane release.Lane, sha, ref string) (digest string, ok bool, err error) {
	err = h.read(func() { digest, ok = h.m.pins[lane.String()+sha+ref] })
	return digest, ok, err
}

func (h hand) Quarantine(_ context.Context, lane release.Lane, identity string, id release.ID) error {
	return h.write("quarantine", func() error {
		key := lane.String() + "/" + identity
		if _, ok := h.m.quarantined[key]; !ok {
			h.m.quarantined[key] = id
		}
		return nil
	})
}

func (h hand) Quarantined(_ context.Context, lane release.Lane, identity string) (id release.ID, ok bool, err error) {
	err = h.read(func() { id, ok = h.m.quarantined[lane.String()+"/"+identity] })
	return id, ok, err
}

func (h hand) LiftQuarantine(_ context.Context, lane release.Lane) error {
	return h.write("lift quarantine", func() error {
		for key := range h.m.quarantined {
			if strings.HasPrefix(key, lane.String()+"/") {
				delete(h.m.quarantined, key)
			}
		}
		return nil
	})
}

func (h hand) Hold(_ context.Context, hold release.Hold) error {
	return h.write("hold", func() error {
		h.m.holds[hold.Lane] = hold
		return nil
	})
}

func (h hand) Unhold(_ context.Context, lane release.Lane) error {
	return h.write("unhold", func() error {
		delete(h.m.holds, lane)
		return nil
	})
}

func (h hand) Held(_ context.Context, lane release.Lane) (hold *release.Hold, err error) {
	err = h.read(func() {
		if found, ok := h.m.holds[lane]; ok {
			hold = &found
		}
	})
	return hold, err
}

func (h hand) Cordons(context.Context) (all []release.Cordon, err error) {
	err = h.read(func() { all = slices.Collect(maps.Values(h.m.cordons)) })
	return all, err
}

// Cordon keeps new releases off a host, as a person says through the API, until
// Uncordon.
func (m *Memory) Cordon(c release.Cordon) {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	m.cordons[c.Host] = c
}

// Uncordon ends that.
func (m *Memory) Uncordon(host string) {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	delete(m.cordons, host)
}

func (h hand) Adopt(_ context.Context, lane release.Lane, by string) error {
	return h.write("adopt", func() error {
		h.m.adopted[lane] = by
		return nil
	})
}

func (h hand) Adopted(_ context.Context, lane release.Lane) (ok bool, err error) {
	err = h.read(func() { _, ok = h.m.adopted[lane] })
	return ok, err
}

func (h hand) Raise(_ context.Context, ev release.Event) (raised bool, err error) {
	h.m.w.mu.Lock()
	open := h.m.alerts[ev.Key]
	h.m.w.mu.Unlock()
	if open {
		return false, h.read(func() {})
	}
	err = h.write("raise", func() error {
		h.m.alerts[ev.Key] = true
		ev.At, ev.Kind = time.Now(), release.EventAlert
		h.m.events = append(h.m.events, ev)
		return nil
	})
	return err == nil, err
}

func (h hand) Clear(_ context.Context, ev release.Event) (cleared bool, err error) {
	h.m.w.mu.Lock()
	open := h.m.alerts[ev.Key]
	h.m.w.mu.Unlock()
	if !open {
		return false, h.read(func() {})
	}
	err = h.write("clear", func() error {
		delete(h.m.alerts, ev.Key)
		ev.At, ev.Kind = time.Now(), release.EventRecovered
		h.m.events = append(h.m.events, ev)
		return nil
	})
	return err == nil, err
}
