package rollout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/internal/schedule"
)

// Run is one rollout: the hosts it works on and what it was given. Its zero
// fields other than Hosts may not be left out.
type Run struct {
	Hosts   map[string]Host
	Journal Journal
	Guard   Guard
	Log     *slog.Logger

	mu   sync.Mutex
	made map[string]string // container ids by host and name, once created
}

// Do works through stages and stops at the first one that fails. The error
// holds a *StepError per host that failed.
func (r *Run) Do(ctx context.Context, stages []plan.Stage) error {
	for _, st := range stages {
		if err := r.stage(ctx, st); err != nil {
			return err
		}
		if st.Wait > 0 {
			if err := schedule.Pause(ctx, st.Wait); err != nil {
				return err
			}
		}
	}
	return nil
}

// stage does a stage's steps on all its hosts at once and waits for all.
func (r *Run) stage(ctx context.Context, st plan.Stage) error {
	// Only what reads may be cut short by another host's failure: an effect
	// that was sent is waited for.
	reading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg abreast.Group
	var mu sync.Mutex
	var errs []error
	for host, steps := range st.Steps {
		wg.Go(func() {
			if err := r.host(ctx, reading, host, steps); err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
				if st.Name != plan.StageBack && st.Name != plan.StageFinish {
					stop(fmt.Errorf("%w: %s", errHalted, host))
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

var errHalted = errors.New("another host failed")

// host does one host's steps in order, those side by side that need not wait
// for each other. In a stage that another host failed it ends quietly before
// the next step.
func (r *Run) host(ctx, reading context.Context, name string, steps []plan.Step) error {
	for len(steps) > 0 {
		if reading.Err() != nil {
			return halted(ctx, reading)
		}
		n := together(steps)
		var wg abreast.Group
		errs := make([]error, n)
		for i, s := range steps[:n] {
			wg.Go(func() { errs[i] = told(reading, name, s, r.step(ctx, reading, name, s)) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		steps = steps[n:]
	}
	return nil
}

// together is how many of the next steps can be done side by side: they share
// neither containers nor what the journal calls them.
func together(steps []plan.Step) int {
	group, names := groupOf(steps[0]), map[string]bool{}
	for n, s := range steps {
		if n > 0 && (group == "" || groupOf(s) != group || names[s.String()]) {
			return n
		}
		names[s.String()] = true
	}
	return len(steps)
}

func groupOf(s plan.Step) string {
	switch s := s.(type) {
	case plan.PutFiles:
		if s.Unit.Name != "" {
			return "" // its image carries them
		}
		return "bring"
	case plan.MakeNetwork, plan.Pull:
		return "bring" // what containers are made of
	case plan.Stop, plan.Tag, plan.Prune, plan.DropFolders, plan.DropAssets:
		return "tidy" // a stopped container stays; only older ones are pruned
	}
	return ""
}

// told makes a step's error one that is told, unless it is only that a
// neighbour failed, which reports for itself.
func told(reading context.Context, host string, s plan.Step, err error) error {
	if err == nil || errors.Is(err, errHalted) || errors.Is(context.Cause(reading), errHalted) && errors.Is(err, context.Canceled) {
		return nil
	}
	return &StepError{Host: host, Role: roleOf(s), Step: s.String(), Err: err}
}

// halted tells the end of the rollout itself from the failure of a neighbour,
// which reports for itself.
func halted(ctx, reading context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(context.Cause(reading), errHalted) {
		return nil
	}
	return context.Cause(reading)
}

// step does one step between its two journal entries, under the guard.
func (r *Run) step(ctx, reading context.Context, host string, s plan.Step) error {
	h, ok := r.Hosts[host]
	if !ok {
		return errors.New("the plan names a host that is not part of the rollout")
	}
	if a, ok := s.(plan.Await); ok {
		return r.await(reading, h, a)
	}
	if err := r.Guard(ctx, host); err != nil {
		return err
	}
	key := host + ": " + s.String()
	if err := r.Journal.Intend(ctx, key); err != nil {
		return fmt.Errorf("write intent: %w", err)
	}
	begin := time.Now()
	err := r.tries(ctx, reading, h.under(r.Guard), s)
	result := "ok"
	if err != nil {
		result = err.Error()
	}
	r.Log.Info("step done", "host", host, "step", s.String(), "took", time.Since(begin).Round(time.Millisecond), "result", result)
	if jerr := r.Journal.Done(ctx, key, result); jerr != nil {
		err = errors.Join(err, fmt.Errorf("write result: %w", jerr))
	}
	return err
}

// How often a step is tried before it has failed, and for how long a further
// try may still begin: one call that hangs until its deadline is tried again.
const (
	stepTries = 3
	stepTime  = 35 * time.Second
)

// tries does a step, and does it again when the world was in the way: what
// came of it is unknown then, and each effect sees for itself what is done
// already. It gives up early when another host failed.
func (r *Run) tries(ctx, reading context.Context, h Host, s plan.Step) error {
	begin := time.Now()
	for n := 1; ; n++ {
		err := r.effect(ctx, h, s)
		if err == nil || n == stepTries || !passing(err) || time.Since(begin) > stepTime {
			return err
		}
		if schedule.Pause(reading, time.Duration(n)*time.Second) != nil {
			return err
		}
		if gerr := r.Guard(ctx, h.Name); gerr != nil {
			return errors.Join(err, gerr)
		}
	}
}

func (r *Run) id(u plan.Unit, ref plan.Ref) string {
	if ref.ID != "" {
		return ref.ID
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if id := r.made[u.Host+" "+ref.Name]; id != "" {
		return id
	}
	return ref.Name // the engine takes names too
}

// ids are those of several containers on the unit's host.
func (r *Run) ids(u plan.Unit, refs []plan.Ref) (ids []string) {
	for _, ref := range refs {
		ids = append(ids, r.id(u, ref))
	}
	return ids
}

func (r *Run) remember(u plan.Unit, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.made == nil {
		r.made = map[string]string{}
	}
	r.made[u.Host+" "+u.Name] = id
}

func roleOf(s plan.Step) string {
	switch s := s.(type) {
	case plan.Create:
		return s.Unit.Role
	case plan.Start:
		return s.Unit.Role
	case plan.Await:
		return s.Unit.Role
	case plan.Switch:
		return s.Unit.Role
	case plan.Split:
		return s.Unit.Role
	}
	return ""
}
