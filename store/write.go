package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// Writes that wait at the same time share one transaction, and so one wait for
// the disk: a rollout on a hundred hosts notes two hundred things at once. Each
// is all there or not there at all, and is acked only when it is on disk.

// batchSize bounds how many writes share a transaction.
const batchSize = 64

// tx is one write transaction with one fixed time.
type tx struct {
	*sql.Tx
	now time.Time
}

// work is what one write does. It may be called again where its first time was
// undone.
type work func(context.Context, tx) error

// pending is a write that waits for its turn.
type pending struct {
	ctx  context.Context
	do   work
	done chan error // size 1
}

// queue is the writes that wait. Whoever has the turn writes for all.
type queue struct {
	turn chan struct{} // size 1

	mu      sync.Mutex
	waiting []*pending
}

func newQueue() *queue { return &queue{turn: make(chan struct{}, 1)} }

func (q *queue) add(p *pending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, p)
}

// take returns the writes that waited longest.
func (q *queue) take() []*pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), batchSize)
	batch := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	return batch
}

// withdraw takes a write back and tells whether nobody had begun it.
func (q *queue) withdraw(p *pending) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, w := range q.waiting {
		if w == p {
			q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// update runs f in a write transaction; an error of f undoes what f did.
func (s *Store) update(ctx context.Context, verb string, f work) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errPatience)
	defer cancel()
	err := s.await(ctx, &pending{ctx: ctx, do: f, done: make(chan error, 1)})
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) {
		err = errors.Join(err, context.Cause(ctx))
	}
	return fmt.Errorf("%s: %w", verb, explained(s.path, err))
}

// await queues a write and returns what came of it.
func (s *Store) await(ctx context.Context, p *pending) error {
	s.queue.add(p)
	for {
		select {
		case err := <-p.done:
			return err
		case s.queue.turn <- struct{}{}:
			s.writeAll(s.queue.take())
			<-s.queue.turn
		case <-ctx.Done():
			if s.queue.withdraw(p) {
				return context.Cause(ctx)
			}
			return <-p.done // it has begun: what came of it is not left open
		}
	}
}

// writeAll does a batch of writes and tells each what came of it.
func (s *Store) writeAll(batch []*pending) {
	if len(batch) > 1 && s.together(batch) {
		return
	}
	for _, p := range batch {
		p.done <- s.transact(p.ctx, p.do)
	}
}

// together does a batch in one transaction. It returns false where that did
// not work and nothing of it was done: then each is tried for itself, so that
// no write fails by another's fault.
func (s *Store) together(batch []*pending) bool {
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errPatience)
	defer cancel()
	own := make([]error, len(batch))
	err := s.transact(ctx, func(ctx context.Context, t tx) error {
		for i, p := range batch {
			if own[i] = context.Cause(p.ctx); own[i] != nil {
				continue
			}
			if _, err := t.ExecContext(ctx, "SAVEPOINT one"); err != nil {
				return err
			}
			// Not p.ctx: its end in the middle of a statement would undo them all.
			if own[i] = contained(ctx, t, p.do); own[i] != nil {
				if _, err := t.ExecContext(ctx, "ROLLBACK TO one"); err != nil {
					return err // a full disk undoes the whole transaction
				}
			}
			if _, err := t.ExecContext(ctx, "RELEASE one"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false
	}
	for i, p := range batch {
		p.done <- own[i]
	}
	return true
}

// transact runs f in a transaction of its own.
func (s *Store) transact(ctx context.Context, f work) (err error) {
	t, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			if undo := t.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
				err = errors.Join(err, undo)
			}
		}
	}()
	if err := contained(ctx, tx{Tx: t, now: time.Now().UTC()}, f); err != nil {
		return err
	}
	return t.Commit()
}

// contained makes an error of a panic: the turn, and the connection, are given
// back whatever happens.
func contained(ctx context.Context, t tx, f work) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a fault in Fairlead itself (%v); please report it with the log:\n%s", p, debug.Stack())
		}
	}()
	return f(ctx, t)
}
