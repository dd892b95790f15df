package schedule

import (
	"context"
	"time"
)

// Pause waits for d, and returns ctx's cause where that ends before.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Jitter spreads an interval evenly over ±share of it, so that many who began
// together do not stay together. random is in [0,1); share in [0,1].
func Jitter(interval time.Duration, share, random float64) time.Duration {
	if interval <= 0 {
		return 0
	}
	return time.Duration(float64(interval) * (1 + share*(2*random-1)))
}

// Backoff is how long to wait after failures in a row: Base after the first,
// twice as long after each further one, never more than Cap, the last half of
// it at random.
type Backoff struct{ Base, Cap time.Duration }

// After returns the wait after n failures in a row; 0 for none. random is in
// [0,1).
func (b Backoff) After(n int, random float64) time.Duration {
	if n <= 0 {
		return 0
	}
	wait := b.Base
	for range n - 1 {
		if wait >= b.Cap/2 {
			wait = b.Cap
			break
		}
		wait *= 2
	}
	wait = min(wait, b.Cap)
	return wait/2 + time.Duration(float64(wait/2)*random)
}
