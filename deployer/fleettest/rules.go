package fleettest

import (
	"encoding/json"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

// serving returns, per route of the host, whether its target works.
func (h *Host) serving() map[string]bool {
	now := map[string]bool{}
	for service, r := range h.routes {
		b := h.containers[r.id]
		now[service] = b != nil && h.healthy(b)
	}
	return now
}

// check is the rule that no effect takes a working service away (P1).
func (h *Host) check(call string, before map[string]bool) {
	h.single(call)
	now := h.serving()
	for service, worked := range before {
		if worked && !now[service] && !h.w.Gaps && !strings.HasPrefix(call, "remove route") {
			h.w.violate("P1: %s on %s served before and does not now", service, h.Name)
		}
	}
}

// stopping is the rule that an old container goes after the new has its
// traffic, and that nothing of others is touched (P4).
func (h *Host) stopping(b *box) {
	carries := strings.Contains(b.name, "-assets") || strings.HasSuffix(b.name, "-files") // them alone, and never runs
	if b.spec.Labels[plan.LabelService] == "" && !carries {
		h.w.violate("P4: %s on %s is not of any service of ours", b.name, h.Name)
	}
	if !b.up {
		return
	}
	for service, r := range h.routes {
		if r.leads(b.id) && !h.w.Gaps {
			h.w.violate("P4: %s on %s has the traffic of %s and was stopped", b.name, h.Name, service)
		}
		if r.split != nil && r.split.id == b.id {
			h.w.violate("P4: %s on %s has a share of %s and was stopped", b.name, h.Name, service)
		}
	}
}

// authorized is the rule that effects happen under the lock of the one who has
// them done (P2), and were written down before (P7).
func (p *Process) authorized(h *Host, call string) {
	if strings.Contains(call, ".kamal") {
		return // the lock itself
	}
	if !p.m.intended(h.Name) {
		p.w.violate("P7: %s on %s was not written down before", call, h.Name)
	}
	for name, f := range h.files {
		if !strings.HasSuffix(name, "/fairlead.json") || strings.Contains(name, ".dead-") {
			continue
		}
		var r struct {
			Owner string `json:"owner"`
		}
		if json.Unmarshal(f.Content, &r) == nil && r.Owner == p.owner {
			return
		}
	}
	p.w.violate("P2: %s on %s without the lock", call, h.Name)
}
