package fleettest

import (
	"context"
	"fmt"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/internal/schedule"
)

// lateness is how long after a call that is Late its effect comes: well after
// its caller has given up, tried again, or gone another way.
const lateness = time.Minute

// late is a call that a frozen engine, or a network that is away, keeps and
// lets through after its caller has given up. No rule is looked at when it
// lands: nobody could still hinder it.
func (p *Process) late(ctx context.Context, host *Host, call string, do func() error) error {
	err := func() error {
		p.w.mu.Lock()
		defer p.w.mu.Unlock()
		if p.dead {
			return ErrDead
		}
		p.authorized(host, call)
		time.AfterFunc(lateness, func() {
			p.w.mu.Lock()
			defer p.w.mu.Unlock()
			p.w.effects = append(p.w.effects, Effect{N: len(p.w.effects) + 1, At: time.Now(), Host: host.Name, Call: call + " (late)"})
			p.w.blameless = true
			_ = do()
			p.w.blameless = false
		})
		return nil
	}()
	if err != nil {
		return err
	}
	if err := schedule.Pause(ctx, engineTimeout); err != nil {
		return err
	}
	return fmt.Errorf("%s on %s: %w", call, host.Name, &docker.TimeoutError{Call: call, Host: host.Name, After: engineTimeout.String()})
}
