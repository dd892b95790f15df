package router

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/fairlead-deploy/fairlead/proxy/control"
	"github.com/fairlead-deploy/fairlead/proxy/health"
)

// Deploy waits until all targets are healthy, serves the service by them, and drains the former ones.
// Errors are *control.Error; after one the former targets serve on. The same request again asks for
// health and changes nothing. A rollout, a pause and a stop stay as they are; a sticky split ends: where
// it tried out the very targets, they go on with the requests that they have.
func (r *Router) Deploy(ctx context.Context, req control.DeployRequest) (control.DeployResult, error) {
	req, err := normalize(req)
	if err != nil {
		return control.DeployResult{}, err
	}
	leave, err := r.lanes.enter(ctx, req.Service)
	if err != nil {
		return control.DeployResult{}, control.Errorf(control.Internal, "deploy %s: %v", req.Service, err)
	}
	defer leave()
	draft, err := newService(req.Service, req.Options)
	if err != nil {
		return control.DeployResult{}, control.Errorf(control.Invalid, "deploy %s: %v", req.Service, err)
	}
	// Known conflicts before the wait for health, those that came up meanwhile in commit.
	if err := r.table.Load().conflict(draft); err != nil {
		return control.DeployResult{}, err
	}
	if !req.Force {
		if err := await(ctx, req.Options.HealthCheck, req.Targets, req.DeployTimeout.Duration); err != nil {
			return control.DeployResult{}, err
		}
	}
	before, after, err := r.commit(req.Service, func(now *service) (*service, error) { return deployed(now, draft, req), nil })
	if err != nil {
		return control.DeployResult{}, err
	}
	return r.finishDeploy(ctx, before, after, req.DrainTimeout.Duration), nil
}

// deployed puts what outlives a deploy into the draft.
func deployed(now, draft *service, req control.DeployRequest) *service {
	timeout := req.Options.TargetTimeout.Duration
	if now != nil {
		draft.mode = now.mode
		if !now.trial() {
			draft.rollout, draft.split = now.rollout, now.split
		}
		if now.active.serves(req.Targets, timeout) {
			draft.active = now.active
			return draft
		}
		if now.trial() && now.rollout.serves(req.Targets, timeout) {
			draft.active = now.rollout
			return draft
		}
	}
	draft.active = newPool(req.Targets, timeout)
	return draft
}

func (r *Router) finishDeploy(ctx context.Context, before, after *service, limit time.Duration) control.DeployResult {
	result := control.DeployResult{Changed: before == nil || !reflect.DeepEqual(before.save(), after.save())}
	if before != nil && before.active != after.active {
		result.Drained, result.Cut = r.drain(ctx, before.active, limit)
	}
	if before != nil && !slices.Contains(after.pools(), before.rollout) {
		drained, cut := r.drain(ctx, before.rollout, limit)
		result.Drained, result.Cut = result.Drained+drained, result.Cut+cut
	}
	r.config.Log.Info("service deployed", "service", after.name, "targets", after.active.targets, "hosts", after.options.Hosts,
		"changed", result.Changed, "drained", result.Drained, "cut", result.Cut)
	return result
}

// await asks targets for health until timeout.
func await(ctx context.Context, check control.HealthCheck, targets []string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := health.Wait(ctx, health.Check{
		Path: check.Path, Port: check.Port, Host: check.Host,
		Interval: check.Interval.Duration, Timeout: check.Timeout.Duration,
	}, targets)
	if err != nil {
		return control.Errorf(control.Unhealthy, "%v", err)
	}
	return nil
}

// Remove ends the service. What is in flight is cut.
func (r *Router) Remove(ctx context.Context, name string) error {
	before, _, err := r.change(ctx, name, func(*service) (*service, error) { return nil, nil })
	if err != nil {
		return err
	}
	for _, p := range before.pools() {
		r.drain(ctx, p, 0)
	}
	r.config.Log.Info("service removed", "service", name)
	return nil
}

// Pause holds new requests back, each for at most MaxPause, and drains those in flight.
func (r *Router) Pause(ctx context.Context, req control.PauseRequest) error {
	return r.setMode(ctx, req.Service, mode{state: control.Paused, maxPause: req.MaxPause.Duration}, req.DrainTimeout.Duration)
}

// Stop answers new requests with 503 and Message, and drains those in flight.
func (r *Router) Stop(ctx context.Context, req control.StopRequest) error {
	return r.setMode(ctx, req.Service, mode{state: control.Stopped, message: req.Message}, req.DrainTimeout.Duration)
}

// Resume serves a paused or stopped service again, first the requests held back.
func (r *Router) Resume(ctx context.Context, name string) error {
	return r.setMode(ctx, name, mode{state: control.Running}, 0)
}

func (r *Router) setMode(ctx context.Context, name string, m mode, limit time.Duration) error {
	_, after, err := r.change(ctx, name, func(now *service) (*service, error) {
		next := now.next()
		next.mode = m
		return next, nil
	})
	if err != nil {
		return err
	}
	r.config.Log.Info("service state changed", "service", name, "state", m.state)
	if m.state == control.Running {
		return nil
	}
	deadline := time.Now().Add(limit)
	for _, p := range after.pools() {
		p.flights.drain(context.WithoutCancel(ctx), time.Until(deadline))
	}
	return nil
}

// RolloutDeploy waits until the targets are healthy and keeps them for the requests that a split
// selects; until RolloutSet there are none.
func (r *Router) RolloutDeploy(ctx context.Context, req control.RolloutRequest) (control.DeployResult, error) {
	targets, err := normalTargets(req.Targets)
	if err != nil {
		return control.DeployResult{}, err
	}
	s := r.table.Load().services[req.Service]
	if s == nil {
		return control.DeployResult{}, missing(req.Service)
	}
	check := s.options.HealthCheck
	if req.HealthCheck != nil {
		check = *req.HealthCheck
	}
	if err := errors.Join(checkSplit("deploy rollout", req.Split), checkHealth("deploy rollout", check)); err != nil {
		return control.DeployResult{}, err
	}
	if err := await(ctx, check, targets, req.DeployTimeout.Duration); err != nil {
		return control.DeployResult{}, err
	}
	before, after, err := r.change(ctx, req.Service, func(now *service) (*service, error) {
		next := now.next()
		if timeout := now.options.TargetTimeout.Duration; !now.rollout.serves(targets, timeout) {
			next.rollout = newPool(targets, timeout)
		}
		if req.Split != nil {
			next.split = req.Split
		}
		return next, nil
	})
	if err != nil {
		return control.DeployResult{}, err
	}
	result := control.DeployResult{Changed: before.rollout != after.rollout}
	if result.Changed {
		result.Drained, result.Cut = r.drain(ctx, before.rollout, req.DrainTimeout.Duration)
	}
	r.config.Log.Info("rollout deployed", "service", req.Service, "targets", targets, "changed", result.Changed)
	return result, nil
}

// RolloutSet says which requests go to the rollout targets.
func (r *Router) RolloutSet(ctx context.Context, req control.SplitRequest) error {
	if err := checkSplit("set rollout", &req.Split); err != nil {
		return err
	}
	_, _, err := r.change(ctx, req.Service, func(now *service) (*service, error) {
		if now.rollout == nil {
			return nil, control.Errorf(control.Invalid, "set rollout: service %q has no rollout target, deploy one by `kamal-proxy rollout deploy %s --target HOST:PORT`", now.name, now.name)
		}
		next := now.next()
		next.split = &req.Split
		return next, nil
	})
	if err == nil {
		r.config.Log.Info("rollout split changed", "service", req.Service, "percent", req.Percent, "values", len(req.List), "sticky", req.Sticky)
	}
	return err
}

// RolloutStop sends all requests to the service's own targets and drains the rollout's.
func (r *Router) RolloutStop(ctx context.Context, req control.RolloutStopRequest) error {
	before, _, err := r.change(ctx, req.Service, func(now *service) (*service, error) {
		next := now.next()
		next.rollout, next.split = nil, nil
		return next, nil
	})
	if err != nil {
		return err
	}
	r.drain(ctx, before.rollout, req.DrainTimeout.Duration)
	r.config.Log.Info("rollout stopped", "service", req.Service)
	return nil
}

// checkSplit refuses one that cannot be meant; nil is none.
func checkSplit(command string, s *control.Split) error {
	switch {
	case s == nil:
		return nil
	case s.Percent < 0 || s.Percent > 100:
		return control.Errorf(control.Invalid, "%s: percent is %d, it must be between 0 and 100", command, s.Percent)
	case s.Sticky && len(s.List) > 0:
		return control.Errorf(control.Invalid, "%s: a sticky split gives out its own values, so it takes no list of them", command)
	}
	return nil
}

// change commits a change of a service that must exist, in its turn.
func (r *Router) change(ctx context.Context, name string, f func(*service) (*service, error)) (before, after *service, err error) {
	leave, err := r.lanes.enter(ctx, name)
	if err != nil {
		return nil, nil, control.Errorf(control.Internal, "change %s: %v", name, err)
	}
	defer leave()
	before, after, err = r.commit(name, func(now *service) (*service, error) {
		if now == nil {
			return nil, missing(name)
		}
		return f(now)
	})
	return before, after, err
}

func missing(name string) error {
	return control.Errorf(control.NotFound, "service %q not found, `kamal-proxy list` shows those that are", name)
}

// KindOf returns the kind of an error of a command; Internal when it has none.
func KindOf(err error) control.Kind {
	if known, ok := errors.AsType[*control.Error](err); ok {
		return known.Kind
	}
	return control.Internal
}
