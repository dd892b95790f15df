package operate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

const (
	// lookAgain is how often who follows looks for new containers. What they
	// wrote before is read from their beginning, so nothing is missed.
	lookAgain = 2 * time.Second
	// longestPause is the longest pause between two tries to reach a host again.
	longestPause = 15 * time.Second
)

// followed is what is known of the containers of one host that are followed.
type followed struct {
	mu     sync.Mutex
	active map[string]bool
	last   map[string]time.Time // of the last line heard
	heard  map[string]time.Time // the start whose lines were heard to their end, or are not asked for
	began  bool                 // the first look is done: what comes later is new
}

// errGone: who asked does not listen any more.
var errGone = errors.New("nobody listens any more")

// follow passes on what the containers of a host write, until ctx ends. A
// connection that is lost is made again, and gone on with after the last line.
func (w *work) follow(ctx context.Context, h Host, q docker.LogQuery) error {
	known := &followed{active: map[string]bool{}, last: map[string]time.Time{}, heard: map[string]time.Time{}}
	pause := time.Second
	for {
		began := time.Now()
		err := w.followOnce(ctx, h, q, known)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errGone):
			return err
		case !known.began:
			return err
		}
		if time.Since(began) > longestPause {
			pause = time.Second
		}
		if err := w.warn(operation.Source{Host: h.Name}, "%v; trying again", err); err != nil {
			return errGone
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		pause = min(2*pause, longestPause)
	}
}

// followOnce follows until something fails.
func (w *work) followOnce(ctx context.Context, h Host, q docker.LogQuery, known *followed) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel(nil)
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		list, err := w.toFollow(ctx, h, known)
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		for _, v := range list {
			mine, fresh := known.begin(v.c, q)
			if !fresh {
				continue
			}
			listening.Go(func() {
				if err := w.hear(ctx, h, v, mine, known); err != nil {
					cancel(err)
				}
			})
		}
		known.began = true
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// toFollow looks for what may be followed: at first what is asked for, then
// every start of a container that comes.
func (w *work) toFollow(ctx context.Context, h Host, known *followed) ([]voice, error) {
	list, err := w.voices(ctx, h, true)
	if err != nil || known.began {
		return list, err
	}
	first, err := w.voices(ctx, h, false)
	for _, v := range list {
		if !slices.ContainsFunc(first, func(f voice) bool { return f.c.ID == v.c.ID }) {
			known.heard[v.c.ID] = v.c.State.StartedAt
		}
	}
	return first, err
}

// begin says from where a container is followed; false where it is already, or
// was to the end.
func (k *followed) begin(c container.Observed, q docker.LogQuery) (docker.LogQuery, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id := c.ID
	start, heard := k.heard[id]
	if k.active[id] || c.State.StartedAt.IsZero() || heard && start.Equal(c.State.StartedAt) {
		return q, false
	}
	k.active[id] = true
	last, spoke := k.last[id]
	switch {
	case spoke:
		q.Tail, q.Since = -1, last.Add(1) // 1 ns
	case k.began:
		q.Tail = -1
	}
	return q, true
}

// hear follows one container to its end.
func (w *work) hear(ctx context.Context, h Host, v voice, q docker.LogQuery, known *followed) (err error) {
	defer func() {
		known.mu.Lock()
		defer known.mu.Unlock()
		known.active[v.c.ID] = false
		if err == nil {
			known.heard[v.c.ID] = v.c.State.StartedAt
		}
	}()
	v.seen = func(at time.Time) {
		known.mu.Lock()
		defer known.mu.Unlock()
		if at.After(known.last[v.c.ID]) {
			known.last[v.c.ID] = at
		}
	}
	return w.listen(ctx, h, v, q, func(l heard) error {
		if err := w.tell(operation.Told{Source: l.src, Line: &l.Line}); err != nil {
			return errGone
		}
		return nil
	})
}

// meant tells whether an ask about one version means a container.
func (w *work) meant(c container.Observed) bool {
	return w.ask.Version == "" || plan.VersionOf(w.Lane(), c) == w.ask.Version
}
