package fleettest

import (
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

// labelHook is what containers of hooks have, with the hook's name.
const labelHook = "fairlead.hook"

// hook returns the behaviour of a container that is a hook's.
func (h *Host) hook(b *box) (Hook, bool) {
	name := b.spec.Labels[labelHook]
	if name == "" {
		return Hook{}, false
	}
	how := h.w.apps[b.digest].Hooks[name]
	if how.Takes == 0 {
		how.Takes = 3 * time.Second
	}
	return how, true
}

// hookState is what the engine shows of a hook's container that has started.
func (h *Host) hookState(b *box, how Hook, s container.State) container.State {
	end := b.started.Add(how.Takes)
	switch {
	case !b.up:
		s.FinishedAt = h.clock(b.ended)
	case time.Now().Before(end) && !h.closing:
		s.Status = container.Running
	default:
		s.Status, s.ExitCode, s.FinishedAt = container.Exited, how.ExitCode, h.clock(end)
	}
	return s
}

// hookStarts looks at the rules of hooks when one starts: it never did before
// (H1), and one that goes before the start of its release does (H2).
func (h *Host) hookStarts(b *box) {
	if b.spec.Labels[labelHook] == "" {
		return
	}
	h.w.hooks = append(h.w.hooks, b.name)
	key := b.spec.Labels[plan.LabelRelease] + " " + b.spec.Labels[labelHook]
	if h.w.hooked[key]++; h.w.hooked[key] > 1 {
		h.w.violate("H1: hook %s started %d times", key, h.w.hooked[key])
	}
	if !strings.HasPrefix(b.spec.Labels[labelHook], "pre-") {
		return
	}
	for _, other := range h.w.hosts {
		for _, c := range other.containers {
			l := c.spec.Labels
			if l[plan.LabelRelease] == b.spec.Labels[plan.LabelRelease] && l[plan.LabelRole] != "" && !c.started.IsZero() {
				h.w.violate("H2: %s started after %s on %s", b.name, c.name, other.Name)
			}
		}
	}
}

// Hooks returns the names of the containers of hooks that were started, in
// order.
func (w *World) Hooks() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.hooks)
}

// HooksLeft returns the names of the containers of hooks that are on the host.
func (h *Host) HooksLeft() (names []string) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	for _, b := range h.containers {
		if b.spec.Labels[labelHook] != "" {
			names = append(names, b.name)
		}
	}
	slices.Sort(names)
	return names
}
