// Package outbox sends events to channels: durably, at least once, and in
// order for each lane and channel.
//
// Lives here: the queue's rules (what is tried when, what is given up) and the
// goroutine of each channel. May not live here: how a message looks or is sent
// (the channels), and the rows (the store).
//
//	events ──Route──► outbox rows ──Heads──► Notify ──reply──► Settle
//
// A row goes only after the receiver's reply, so kill -9 at any point loses
// nothing, and repeats a message only where a reply was lost. Each channel has
// its own goroutine; within it each lane has its own backoff. So a lane whose
// message fails holds up neither other lanes nor other channels, and nothing
// here ever holds up a rollout.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// Queue is the durable half of the outbox.
type Queue interface {
	// Join makes these channels the ones there are, see store.Store.Join.
	Join(ctx context.Context, channels ...string) (gone []string, err error)
	// Route queues what a channel has not read, see store.Store.Route.
	Route(ctx context.Context, channel string, route func(release.Event) store.Route) (read int64, more bool, err error)
	// Heads returns each lane's oldest unsent event.
	Heads(ctx context.Context, channel string) ([]release.Event, error)
	// Settle drops a sent event.
	Settle(ctx context.Context, channel string, seq int64) error
}

// Journal is where the outbox waits for events and tells its own troubles.
type Journal interface {
	// Wait returns when there is an event after seq.
	Wait(ctx context.Context, after int64) error
	// Raise appends an alert unless one with its key is open.
	Raise(ctx context.Context, ev release.Event) (bool, error)
	// Clear closes the alert with ev's key, if one is open.
	Clear(ctx context.Context, ev release.Event) (bool, error)
}

// Channel is one place that messages go to.
type Channel struct {
	Name     string // unique; the same in the next run, for the queue is kept under it
	Notifier notify.Notifier
	Rule     notify.Rule
	// Edited: the channel has one message per release, so that only the newest
	// unsent state is sent.
	Edited bool
	// Pace is the shortest time between two messages.
	Pace time.Duration
}

// Options adjust an Outbox.
type Options struct {
	Log *slog.Logger // nil: discard
	// Random returns numbers in [0, 1) for the jitter. It must be safe for
	// concurrent use. nil: no jitter.
	Random func() float64
}

// Outbox sends. Make it before anything appends events: a new channel begins
// with the first event after New.
type Outbox struct {
	senders []*sender
}

// New joins the channels. Channels of an earlier run that are not named any
// more are forgotten with what they had not sent.
func New(ctx context.Context, q Queue, j Journal, channels []Channel, opts Options) (*Outbox, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Random == nil {
		opts.Random = func() float64 { return 1 }
	}
	o := &Outbox{}
	names := make([]string, 0, len(channels))
	for _, c := range channels {
		names = append(names, c.Name)
		o.senders = append(o.senders, &sender{Channel: c, queue: q, journal: j, random: opts.Random,
			log: opts.Log.With("channel", c.Name), lanes: map[release.Lane]*lane{}, sent: map[int64]bool{}})
	}
	gone, err := q.Join(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("join notification channels: %w", err)
	}
	for _, name := range gone {
		opts.Log.Warn("notification channel forgotten", "channel", name)
	}
	return o, nil
}

// Run sends until ctx ends, and returns when all its goroutines have. A
// message that is on its way then has until its deadline.
func (o *Outbox) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, s := range o.senders {
		wg.Go(func() { s.run(ctx) })
	}
	wg.Wait()
	return nil
}

// ErrNoChannel: there is no channel of that name.
var ErrNoChannel = errors.New("there is no such notification channel")

// Test sends a test message to a channel at once, past the queue.
func (o *Outbox) Test(ctx context.Context, channel string) error {
	var names []string
	for _, s := range o.senders {
		if s.Name == channel {
			ctx, cancel := context.WithTimeoutCause(ctx, deadline, errDeadline)
			defer cancel()
			if err := s.Notifier.Notify(ctx, notify.TestMessage(time.Now())); err != nil {
				return fmt.Errorf("send test message: %w", err)
			}
			return nil
		}
		names = append(names, s.Name)
	}
	return fmt.Errorf("send test message to %q: %w: fairlead.yml has %s", channel, ErrNoChannel, strings.Join(names, ", "))
}
