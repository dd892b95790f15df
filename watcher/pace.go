package watcher

import (
	"context"
	"sync"
	"time"
)

const (
	// looksAtOnce bounds how many repositories are looked at in the same moment.
	// A thousand at the daemon's start would cost a thousand connections.
	looksAtOnce = 8
	// placeFor is how long a look keeps its place: one that hangs holds up nobody
	// for longer.
	placeFor = 500 * time.Millisecond
)

// pace is the places of those who look at the same time.
type pace chan struct{}

func newPace() pace { return make(pace, looksAtOnce) }

// enter waits for a place. leave must be called after the look; the place is
// free earlier where the look takes long. It returns nil when ctx ended.
func (p pace) enter(ctx context.Context) (leave func()) {
	select {
	case p <- struct{}{}:
	case <-ctx.Done():
		return nil
	}
	free := sync.OnceFunc(func() { <-p })
	timer := time.AfterFunc(placeFor, free)
	return func() {
		timer.Stop()
		free()
	}
}
