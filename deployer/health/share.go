package health

import (
	"context"
	"fmt"
	"math"

	"github.com/fairlead-deploy/fairlead/release"
)

// Traffic is what became of the requests that a container was sent.
type Traffic struct {
	Requests, Errors uint64 // ended; of these, answered with 500 or above
}

// Since returns what came after an earlier look. A proxy that was started anew
// counts from nothing again: then all of it came after.
func (t Traffic) Since(earlier Traffic) Traffic {
	if t.Requests < earlier.Requests || t.Errors < earlier.Errors {
		return t
	}
	return Traffic{t.Requests - earlier.Requests, t.Errors - earlier.Errors}
}

// Plus adds up.
func (t Traffic) Plus(other Traffic) Traffic {
	return Traffic{t.Requests + other.Requests, t.Errors + other.Errors}
}

func (t Traffic) String() string {
	return fmt.Sprintf("%d of %s", t.Errors, release.Count(int(t.Requests), "request"))
}

// From when on a canary is judged by its share of errors, and what it takes to
// find it worse. A verdict takes all back, so that chance must not speak one.
const (
	leastRequests = 50   // of the canary
	leastErrors   = 5    // of these
	leastMore     = 0.01 // above the share of the old
	leastSpread   = 4    // standard deviations, were both alike
)

// Worse tells whether a canary answers a larger share of its requests with
// errors than the old containers do of theirs, beyond what chance explains.
// judged tells that it had requests enough to be judged by.
func Worse(canary, old Traffic) (worse, judged bool) {
	if canary.Requests < leastRequests {
		return false, false
	}
	mine, theirs := float64(canary.Requests), math.Max(float64(old.Requests), 1)
	share, usual := float64(canary.Errors)/mine, float64(old.Errors)/theirs
	if canary.Errors < leastErrors || share-usual < leastMore {
		return false, true
	}
	both := float64(canary.Errors+old.Errors) / (mine + theirs)
	spread := math.Sqrt(both * (1 - both) * (1/mine + 1/theirs))
	return share-usual > leastSpread*spread, true
}

// Outdone makes the verdict on a container that was found worse than the old.
func Outdone(ctx context.Context, e Engine, id string, canary, old Traffic) error {
	c, err := e.Inspect(ctx, id)
	if err != nil {
		return fmt.Errorf("check health: %w", err)
	}
	return withLogs(ctx, e, &Error{
		Container: c.Name,
		Message:   fmt.Sprintf("answered %s with 5xx, the old containers %s", canary, old),
		Remedy:    "find in the app's log what it answered 5xx to, mend it and push; `fairlead retry` tries the same commit again",
	}, c, nil)
}
