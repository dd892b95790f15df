package operate

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// lockStatus tells how the service's lock stands on each host.
func (w *work) lockStatus(ctx context.Context, hosts []string) error {
	return w.each(ctx, hosts, func(ctx context.Context, h Host) error {
		s, err := lock.Look(ctx, h.Files, w.Lane())
		if err != nil {
			return err
		}
		return w.tell(operation.Told{Source: operation.Source{Host: h.Name}, Lock: &operation.Lock{Held: s.Held, By: s.By, Ours: s.Ours}})
	})
}

// lockAcquire takes the lock on every host, in the order of their names, or on
// none.
func (w *work) lockAcquire(ctx context.Context, hosts []string) error {
	names := slices.Sorted(slices.Values(hosts))
	who := lock.Person{Name: cmp.Or(w.ask.Actor, "someone"), Version: cmp.Or(w.ask.Version, "none"), Message: w.ask.Message}
	var taken []Host
	for _, name := range names {
		h, err := w.connect(ctx, name)
		if err == nil {
			err = lock.Acquire(ctx, name, h.Files, w.Lane(), who)
		}
		if err != nil {
			for _, t := range taken {
				err = errors.Join(err, lock.Release(context.WithoutCancel(ctx), t.Files, w.Lane()))
			}
			return named(name, err)
		}
		taken = append(taken, h)
	}
	return w.done(operation.Source{}, "%s is locked on %s; `fairlead lock release` frees it", w.Lane(), release.Count(len(taken), "host"))
}

// lockRelease frees what a person or Kamal left.
func (w *work) lockRelease(ctx context.Context, hosts []string) error {
	return w.each(ctx, hosts, func(ctx context.Context, h Host) error {
		src := operation.Source{Host: h.Name}
		s, err := lock.Look(ctx, h.Files, w.Lane())
		if err != nil {
			return err
		}
		if !s.Held {
			return w.done(src, "was not locked")
		}
		if err := lock.Release(ctx, h.Files, w.Lane()); errors.Is(err, lock.ErrOurs) {
			return &operation.Refusal{Message: h.Name + " is locked by " + s.By, Hint: "it frees itself when it is done, and within 30 s when its Fairlead is dead"}
		} else if err != nil {
			return err
		}
		return w.done(src, "freed the lock of %s", s.By)
	})
}
