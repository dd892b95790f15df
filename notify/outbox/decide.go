package outbox

import (
	"errors"
	"time"

	"github.com/fairlead-deploy/fairlead/notify"
)

// Figures of the retries.
const (
	firstRetry  = time.Second
	maxRetry    = 5 * time.Minute  // a healed channel gets its first message within this
	firstBroken = time.Minute      // a broken channel is mended by a person,
	maxBroken   = 15 * time.Minute // so ask it rarely
	alertAfter  = 10 * time.Minute // how long a lane may fail before others are told
	refusals    = 3                // how often a message is refused before it is dropped
)

// failure is what is known when a message was not taken.
type failure struct {
	kind     notify.Kind
	failures int           // of this message in a row, this one included
	broken   int           // of this channel in a row, this one included
	asked    time.Duration // Retry-After, 0: none
	lasts    time.Duration // since the lane's first failure
}

// verdict is what to do about it.
type verdict struct {
	lane    time.Duration // this lane is quiet so long
	channel time.Duration // the whole channel is quiet so long
	alert   bool
	drop    bool // give this message up
}

// decide draws the consequence of a failure; random in [0, 1) is the jitter.
func decide(f failure, random float64) verdict {
	v := verdict{lane: backoff(firstRetry, maxRetry, f.failures, random), alert: f.lasts >= alertAfter}
	switch f.kind {
	case notify.Broken:
		v.channel = max(f.asked, backoff(firstBroken, maxBroken, f.broken, random))
		v.lane, v.alert = v.channel, true
	case notify.Refused:
		v.drop = f.failures >= refusals
		v.alert = v.alert || v.drop
	default:
		if f.asked > 0 {
			v.channel, v.lane = f.asked, f.asked
		}
	}
	return v
}

// backoff doubles from first to limit, and takes off up to half at random so
// that channels which failed together do not come back together.
func backoff(first, limit time.Duration, failures int, random float64) time.Duration {
	d := limit
	if n := max(failures, 1) - 1; n < 32 && first<<n < limit {
		d = first << n
	}
	return d/2 + time.Duration(random*float64(d/2))
}

// classify reads what a Notifier returned.
func classify(err error) (notify.Kind, time.Duration) {
	if e, ok := errors.AsType[*notify.Error](err); ok {
		return e.Kind, e.RetryAfter
	}
	return notify.Temporary, 0
}
