package fleettest

import (
	"context"
	"fmt"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
)

// split is a share of a route's clients that a container has, with what came of
// the requests since.
type split struct {
	id      string
	percent int
	at      time.Time // up to when they are counted
	// Requests and errors of the canary and of the old; parts of one too.
	canary, old [2]float64
}

// live is a route as Fairlead's own proxy tells it.
func (r routed) live(service string) plan.Live {
	told := r.route
	told.DeployTimeout, told.DrainTimeout = 0, 0 // which no proxy keeps
	l := plan.Live{Service: service, Target: fmt.Sprintf("%s:%d", r.id[:12], told.Port), State: "running", Route: &told, Splits: true}
	for _, id := range r.more {
		l.More = append(l.More, fmt.Sprintf("%s:%d", id[:12], told.Port))
	}
	if r.split != nil {
		l.Split = fmt.Sprintf("%s:%d", r.split.id[:12], told.Port)
	}
	return l
}

// Split waits for no health: the deployer has, and a proxy that finds a
// container sick is what Deploy has. The split is there at once.
func (r reverseProxy) Split(ctx context.Context, route plan.Route, percent int, ids ...string) error {
	id := ids[0]
	call := fmt.Sprintf("split %s to %s", route.Service, engine(r).label(id))
	return r.p.change(ctx, r.h, call, func() error {
		b := r.h.find(id)
		to, ok := r.h.routes[route.Service]
		switch {
		case b == nil || !r.h.healthy(b):
			return fmt.Errorf("%w: target failed to become healthy", rollout.ErrProxyVerdict)
		case !ok:
			return fmt.Errorf("%s: there is no such route", call)
		}
		to.split = &split{id: b.id, percent: percent, at: time.Now()}
		r.h.routes[route.Service] = to
		return nil
	})
}

func (r reverseProxy) Unsplit(ctx context.Context, route plan.Route) error {
	return r.p.change(ctx, r.h, "end split of "+route.Service, func() error {
		if to, ok := r.h.routes[route.Service]; ok {
			to.split = nil
			r.h.routes[route.Service] = to
		}
		return nil
	})
}

func (r reverseProxy) Traffic(ctx context.Context, service string) (canary, old health.Traffic, err error) {
	err = r.p.read(ctx, r.h, "count requests of "+service, func() error {
		to := r.h.routes[service]
		if to.split == nil {
			return fmt.Errorf("%s is not split", service)
		}
		r.h.count(to)
		canary = health.Traffic{Requests: uint64(to.split.canary[0]), Errors: uint64(to.split.canary[1])}
		old = health.Traffic{Requests: uint64(to.split.old[0]), Errors: uint64(to.split.old[1])}
		return nil
	})
	return canary, old, err
}

// count adds the requests that came since the last count.
func (h *Host) count(to routed) {
	s := to.split
	came := h.w.Load * time.Since(s.at).Seconds()
	s.at = time.Now()
	share := float64(s.percent) / 100
	h.answer(&s.canary, s.id, came*share)
	h.answer(&s.old, to.id, came*(1-share))
}

// answer counts requests that a container was sent: what does not work answers
// with nothing but errors.
func (h *Host) answer(counted *[2]float64, id string, came float64) {
	fails := 1.0
	if b := h.containers[id]; b != nil && h.healthy(b) {
		fails = h.app(b).Fails
	}
	counted[0] += came
	counted[1] += came * fails
}

// Trying returns the version that a share of a service's clients gets, "" for
// none.
func (h *Host) Trying(service string) string {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if to := h.routes[service]; to.split != nil && h.containers[to.split.id] != nil {
		return version(h.containers[to.split.id])
	}
	return ""
}
