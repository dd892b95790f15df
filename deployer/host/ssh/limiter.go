package ssh

import (
	"context"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/schedule"
)

// A Limiter bounds how many handshakes run at once.
type Limiter struct {
	slots  chan struct{}
	jitter func() time.Duration
	all    *Limiter // of which this one is a part; may be nil
}

// NewLimiter makes a Limiter of n handshakes at once; whoever had to wait for
// a slot waits for a jitter on top, so that they do not start in step.
func NewLimiter(n int, jitter func() time.Duration) *Limiter {
	return &Limiter{slots: make(chan struct{}, n), jitter: jitter}
}

// Part makes a Limiter of n of the same handshakes, such as those of one sshd,
// which starts to refuse them at ten (MaxStartups).
func (l *Limiter) Part(n int) *Limiter {
	part := NewLimiter(n, l.jitter)
	part.all = l
	return part
}

func (l *Limiter) acquire(ctx context.Context) error {
	if err := l.slot(ctx); err != nil || l.all == nil {
		return err
	}
	if err := l.all.acquire(ctx); err != nil {
		<-l.slots
		return err
	}
	return nil
}

func (l *Limiter) slot(ctx context.Context) error {
	select {
	case l.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := schedule.Pause(ctx, l.jitter()); err != nil {
		<-l.slots
		return err
	}
	return nil
}

func (l *Limiter) release() {
	if l.all != nil {
		l.all.release()
	}
	<-l.slots
}
