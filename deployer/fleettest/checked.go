package fleettest

import (
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
)

// observe adds what the engine's own health check, where the container has one,
// says of the program.
func (e engine) observe(b *box) container.Observed {
	o := e.h.observe(b)
	check := b.spec.Health
	if check == nil || check.Disabled || o.State.Status != container.Running {
		return o
	}
	switch {
	case e.h.healthy(b) && time.Since(b.started) >= check.Interval:
		o.State.Health = container.Healthy
	case time.Since(b.started) < check.StartPeriod+time.Duration(max(check.Retries, 1))*check.Interval:
		o.State.Health = container.Starting
	default:
		o.State.Health = container.Unhealthy
	}
	return o
}

// hasNetwork tells whether a network is there: it was made, or containers have
// run on it already.
func (h *Host) hasNetwork(name string) bool {
	for _, b := range h.containers {
		if b.spec.Network == name && !b.started.IsZero() {
			return true
		}
	}
	return h.networks[name]
}
