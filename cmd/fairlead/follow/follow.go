// Package follow goes along with what a daemon, or a deploy without one, tells:
// across restarts, and until what a person ordered has come to its end.
//
// It prints nothing and asks nobody: events come from a Stream and are told to
// a function.
package follow

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server/client"
)

// Stream yields events after a seq as they happen, until an error ends it.
type Stream func(ctx context.Context, after int64) iter.Seq2[release.Event, error]

// ErrAway says, once per absence, that the daemon is waited for.
var ErrAway = errors.New("the daemon went away; waiting for it to come back")

const (
	awayTime = 2 * time.Minute // that a daemon is waited for
	awayStep = time.Second     // between tries
)

// Lasting is a Stream that outlives a restart of the daemon: an absence is one
// ErrAway, after which events go on where they ended. Any other error is the
// end.
func Lasting(ctx context.Context, events Stream, after int64) iter.Seq2[release.Event, error] {
	return func(yield func(release.Event, error) bool) {
		var since time.Time // when the daemon went, zero while it is there
		for {
			var end error
			for ev, err := range events(ctx, after) {
				if err != nil {
					end = err
					break
				}
				after, since = ev.Seq, time.Time{}
				if !yield(ev, nil) {
					return
				}
			}
			switch {
			case ctx.Err() != nil, !gone(end), !since.IsZero() && time.Since(since) > awayTime:
				yield(release.Event{}, end)
				return
			case since.IsZero():
				since = time.Now()
				if !yield(release.Event{}, ErrAway) {
					return
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(awayStep):
			}
		}
	}
}

// gone tells a daemon that ends from one that refuses.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, client.ErrNoDaemon)
}

// Order is what somebody asked for.
type Order struct {
	Release release.ID // that comes of it
	// Patient waits for the world, as the daemon does; else a fault of the
	// world is the end.
	Patient bool

	Tell func(release.Event) error // of each event that is about the order
	Away func(error)               // of a daemon that is waited for
}

// Follow tells events until the order's release has come to an end, which it
// returns, see Good. The error is the stream's, or Tell's.
func (o *Order) Follow(ctx context.Context, events Stream, after int64) (release.Release, error) {
	for ev, err := range Lasting(ctx, events, after) {
		switch {
		case errors.Is(err, ErrAway):
			o.Away(err)
			continue
		case err != nil:
			return release.Release{}, err
		case ev.Release == nil || ev.Release.ID != o.Release:
			continue
		}
		if err := o.Tell(ev); err != nil {
			return release.Release{}, err
		}
		if o.over(*ev.Release) {
			return *ev.Release, nil
		}
	}
	return release.Release{}, io.ErrUnexpectedEOF // a stream ends with an error
}

// over tells whether a release goes nowhere from here without a person.
func (o *Order) over(r release.Release) bool {
	if r.Status == release.Waiting {
		return !o.Patient || r.Failure == nil || r.Failure.Class != release.World
	}
	return r.Status.Terminal()
}

// Good tells whether the servers run what was ordered.
func Good(r release.Release) bool {
	return r.Status == release.Succeeded || r.Status == release.Unchanged
}
