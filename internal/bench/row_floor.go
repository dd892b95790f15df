package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// rounds is how many deploys of each kind a comparison makes, in turns.
const rounds = 5

// againstFloor compares deploys on n hosts with the floor: the same image
// size, the same proxy, the same traffic, one after the other in turns.
func againstFloor(n int) func(context.Context, *bench, *report) error {
	return func(ctx context.Context, b *bench, rep *report) (err error) {
		s, err := b.newService(ctx, n)
		if err != nil {
			return err
		}
		f := b.newFloor(n)
		defer func() { err = errors.Join(err, f.end(), s.end()) }()
		if err := first(ctx, s, f); err != nil {
			return err
		}
		var ours, floors [2][]time.Duration // switched, done
		for range rounds {
			t, err := f.deploy(ctx)
			if err != nil {
				return fmt.Errorf("floor: %w", err)
			}
			floors[0], floors[1] = append(floors[0], t.switched), append(floors[1], t.done)
			if t, err = s.deploy(ctx); err != nil {
				return err
			}
			ours[0], ours[1] = append(ours[0], t.switched), append(ours[1], t.done)
		}
		rep.note("floor: all hosts answer anew", spread(floors[0]))
		rep.note("floor: old ones stopped", spread(floors[1]))
		rep.note("fairlead: webhook to all hosts answer anew", spread(ours[0]))
		rep.note("fairlead: webhook to old ones stopped, locks freed", spread(ours[1]))
		rep.count(fmt.Sprintf("fairlead / floor, answers anew on %d hosts", n), ratio(ours[0], floors[0]), 1, "")
		rep.count(fmt.Sprintf("fairlead / floor, all done on %d hosts", n), ratio(ours[1], floors[1]), 1, "")
		if n == 1 {
			rep.time("webhook to serving", median(ours[0]), time.Second)
		}
		s.unvisited(rep)
		return nil
	}
}

// first makes the first deploy of both, which boots the proxy, and starts the
// visitors.
func first(ctx context.Context, s *service, f *floor) error {
	sha, version, err := s.commit(ctx)
	if err != nil {
		return err
	}
	if err := s.start(); err != nil {
		return err
	}
	if _, err := s.await(ctx, sha, version); err != nil {
		return err
	}
	if _, err := f.deploy(ctx); err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	s.visited()
	f.visited()
	return nil
}

func ratio(a, b []time.Duration) float64 { return float64(median(a)) / float64(median(b)) }
