package deployer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/deployer/queue"
	"github.com/fairlead-deploy/fairlead/release"
)

// lane works on one place's submissions, one after another.
type lane struct {
	d     *Deployer
	at    place
	queue *queue.Queue

	faults   int  // of the world, in a row
	building bool // the last one waits for an image of CI
	swept    bool // no lock of ours is left on the hosts
}

// run works until ctx ends. What failed for the world's sake is tried again
// after a while, unless something newer came.
func (l *lane) run(ctx context.Context) {
	var again *submission
	for {
		var later <-chan time.Time
		if again != nil {
			l.faults++
			later = time.After(l.pause())
		}
		select {
		case <-ctx.Done():
			return
		case <-l.queue.Wake():
			// What waits to be tried again is tried behind what came: at once,
			// for the world may be better by now.
			if again != nil {
				l.queue.Again(queue.Item{Request: again.req, Files: again.files})
			}
		case <-later:
			l.queue.Again(queue.Item{Request: again.req, Files: again.files})
		}
		again = nil
		for i, ok := l.queue.Next(); ok && ctx.Err() == nil; i, ok = l.queue.Next() {
			if again = l.attempt(ctx, submission{i.Request, i.Files}); again == nil {
				l.faults = 0
			}
		}
	}
}

// buildPause is the longest pause between two looks for an image that CI is
// about to push.
const buildPause = 15 * time.Second

func (l *lane) pause() time.Duration {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	pause := queue.Backoff(l.faults-1, l.d.random)
	if l.building {
		return min(pause, buildPause)
	}
	return pause
}

// attempt works on one submission to its end, and returns what must be tried
// again later, if anything.
func (l *lane) attempt(ctx context.Context, s submission) (again *submission) {
	a := &attempt{d: l.d, lane: l, s: s, log: l.d.o.Log.With("repo", l.at.Repo)}
	err := a.contained(ctx, a.run)
	if first, ok := errors.AsType[*earlierError](err); ok {
		a = &attempt{d: l.d, lane: l, s: first.submission, tip: s.req.Revision.SHA, log: a.log}
		err = a.contained(ctx, a.run)
	}
	if ctx.Err() != nil {
		return nil // stopping: the release stays as it is and is resumed at the next start
	}
	retry := true // also where a panic comes now
	_ = a.contained(ctx, func(ctx context.Context) error {
		again := a.settle(ctx, err)
		retry = a.stays(err) && a.repair(ctx) || again
		return nil
	})
	l.building, retry = a.quiet || a.tip != "", retry || a.soon()
	if !retry || ctx.Err() != nil {
		return nil
	}
	if a.recorded && commanded(s.req) { // the release is open; asking once more would begin another
		s.req = release.Request{Revision: s.req.Revision, Destination: s.req.Destination, Cause: release.Cause{Kind: release.CauseRetry}}
	}
	return &s
}

// contained runs a part of the attempt; a panic in it is this service's trouble
// alone.
func (a *attempt) contained(ctx context.Context, do func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			stack := debug.Stack()
			if fault, ok := p.(*abreast.Fault); ok {
				stack = fault.Stack
			}
			a.log.Error("attempt panicked", "service", a.r.Lane.String(), "panic", p, "stack", string(stack))
			a.lane.swept = false // a lock may be left
			err = fmt.Errorf("a fault in Fairlead itself (%v); please report it with the log", p)
		}
	}()
	return do(ctx)
}
