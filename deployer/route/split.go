package route

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/proxy/control"
)

// Split sends a share of a route's clients to containers, once they are healthy.
func (d *Driver) Split(ctx context.Context, r plan.Route, percent int, containers ...string) error {
	if d.socket != nil {
		_, err := d.socket.RolloutDeploy(ctx, splitRequest(r, containers, percent))
		if err == nil || errors.As(err, new(*control.Error)) {
			return verdict("split route", err)
		}
		if !absent(err) { // as in Deploy: it is idempotent
			d.Log.Warn("proxy's socket failed; running a command in its place", "error", err)
		}
	}
	_, err := d.exec(ctx, r.DeployTimeout+r.DrainTimeout+margin, splitArgs(r, containers, percent))
	return verdict("split route", err)
}

// Unsplit sends all clients of a route back and drains; a route that is not
// there is not split.
func (d *Driver) Unsplit(ctx context.Context, r plan.Route) error {
	if d.socket != nil {
		err := d.socket.RolloutStop(ctx, control.RolloutStopRequest{Service: r.Service, DrainTimeout: control.Duration{Duration: r.DrainTimeout}})
		var said *control.Error
		switch {
		case err == nil, errors.As(err, &said) && said.Kind == control.NotFound:
			return nil
		case said != nil:
			return fmt.Errorf("end split: %w", err)
		case !absent(err):
			d.Log.Warn("proxy's socket failed; running a command in its place", "error", err)
		}
	}
	argv := []string{"kamal-proxy", "rollout", "stop", r.Service, "--drain-timeout", seconds(r.DrainTimeout)}
	_, err := d.exec(ctx, r.DrainTimeout+margin, argv)
	var exit *ExitError
	if err == nil || errors.As(err, &exit) && strings.Contains(exit.Stderr, "not found") {
		return nil
	}
	return fmt.Errorf("end split: %w", err)
}

// Traffic tells what became of the requests of a route that is split.
func (d *Driver) Traffic(ctx context.Context, service string) (canary, old health.Traffic, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("the proxy did not answer in time"))
	defer cancel()
	var services []control.Service
	if d.socket != nil {
		services, err = d.socket.List(ctx)
	}
	if d.socket == nil || err != nil && absent(err) {
		services, err = d.services(ctx)
	}
	if err != nil {
		return canary, old, fmt.Errorf("list routes: %w", err)
	}
	for _, s := range services {
		if s.Name == service && live(s).Split != "" {
			canary, old = traffic(s)
			return canary, old, nil
		}
	}
	return canary, old, fmt.Errorf("the proxy does not split %s any more", service)
}

// traffic adds up the targets of each side.
func traffic(s control.Service) (canary, old health.Traffic) {
	for i, t := range s.Traffic {
		counted := health.Traffic{Requests: t.Requests, Errors: t.Errors}
		if i < len(s.Targets) {
			old = old.Plus(counted)
		} else {
			canary = canary.Plus(counted)
		}
	}
	return canary, old
}
