package fleettest

import (
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/route"
)

// PushAs puts an image into the registry under the digest that it has there.
func (w *World) PushAs(ref, digest string, app App) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.images[ref], w.apps[digest] = digest, app
}

// AdoptRecorded runs a container as a real engine showed it, field by field,
// with its route where r is given. Its image was pushed under that digest.
func (h *Host) AdoptRecorded(o container.Observed, digest string, r *plan.Route) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.bootProxy(route.Spec(plan.ProxyRun{}, "").Labels, true)
	h.images[o.Spec.Image] = digest
	b := h.add(o.Name, o.Spec, digest)
	delete(h.containers, b.id)
	b.id, b.recorded, b.facts = o.ID, &o, o.Image
	h.containers[b.id] = b
	b.up, b.started = true, time.Now()
	if r != nil {
		h.routes[r.Service] = routed{id: b.id, route: *r}
	}
}
