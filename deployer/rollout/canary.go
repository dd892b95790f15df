package rollout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/internal/schedule"
)

// trafficEvery is how often the proxies are asked what became of the requests.
const trafficEvery = 2 * time.Second

// Tally is what became of the requests while a share of the clients was with
// the canaries, on all hosts together.
type Tally struct{ Canary, Old health.Traffic }

// Passed says by what the canaries were found to serve well.
func (t Tally) Passed() string {
	said := fmt.Sprintf("the canary answered %s with 5xx, the old containers %s", t.Canary, t.Old)
	if _, judged := health.Worse(t.Canary, t.Old); !judged {
		return said + ": too few to judge by, and nothing else speaks against it; all switch"
	}
	return said + "; all switch"
}

// Canary watches containers that a share of the clients is sent to, like Watch,
// and compares what they answer with what the old ones do: a verdict as soon as
// they are found worse. It returns what was counted.
func (r *Run) Canary(ctx context.Context, live []plan.Watched, window time.Duration) (Tally, error) {
	watching, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	j := &jury{run: r, last: make([]Tally, len(live))}
	var wg abreast.Group
	var watched error
	errs := make([]error, len(live))
	wg.Go(func() {
		watched = r.Watch(watching, live, window)
		stop(errWindow) // passed, or cut short
	})
	for i, w := range live {
		if w.Unit.Replica > 0 {
			continue // the first is asked for the whole route
		}
		wg.Go(func() {
			if errs[i] = j.sit(ctx, watching, i, w); errs[i] != nil {
				stop(errHalted)
			}
		})
	}
	wg.Wait()
	if worse := errors.Join(errs...); worse != nil && ctx.Err() == nil {
		return j.sum, worse // the watch ended for that alone, or agrees
	}
	return j.sum, watched
}

// errWindow ends the counting with the watch.
var errWindow = errors.New("the window has passed")

// jury adds up what the proxies of all hosts count. What was before it sat does
// not count.
type jury struct {
	run *Run

	mu   sync.Mutex
	last []Tally // by canary
	sum  Tally
}

// sit asks one host's proxy as long as the watch goes on, and speaks the
// verdict. A proxy that cannot be asked for too long is the world's fault.
func (j *jury) sit(ctx, watching context.Context, i int, w plan.Watched) error {
	h := j.run.Hosts[w.Unit.Host]
	id := j.run.id(w.Unit, w.Ref)
	failed := func(err error) error {
		return &StepError{Host: w.Unit.Host, Role: w.Unit.Role, Step: "compare " + w.Ref.Name, Err: err}
	}
	heard, first := time.Now(), true
	for {
		canary, old, err := h.Splitter.Traffic(watching, w.Unit.Route.Service)
		switch {
		case watching.Err() != nil:
			return nil
		case err != nil && time.Since(heard) > watchUnknown:
			return failed(fmt.Errorf("count requests: %w", err))
		case err == nil:
			heard = time.Now()
			sum := j.add(i, Tally{canary, old}, first)
			if first = false; worse(sum) {
				return failed(health.Outdone(ctx, h.Engine, id, sum.Canary, sum.Old))
			}
		}
		if schedule.Pause(watching, trafficEvery) != nil {
			return nil
		}
	}
}

func worse(t Tally) bool {
	is, _ := health.Worse(t.Canary, t.Old)
	return is
}

func (j *jury) add(i int, now Tally, first bool) Tally {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !first {
		j.sum.Canary = j.sum.Canary.Plus(now.Canary.Since(j.last[i].Canary))
		j.sum.Old = j.sum.Old.Plus(now.Old.Since(j.last[i].Old))
	}
	j.last[i] = now
	return j.sum
}
