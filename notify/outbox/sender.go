package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// deadline bounds one message, with all the requests a channel makes for it.
const deadline = 30 * time.Second

// storePause is how long a sender waits when the store does not answer.
const storePause = 5 * time.Second

var (
	errDeadline = errors.New("the channel did not take the message within 30 s")
	errDue      = errors.New("the next try is due")
)

// sender is one channel's goroutine. Nobody else touches its fields.
type sender struct {
	Channel
	queue   Queue
	journal Journal
	random  func() float64
	log     *slog.Logger

	lanes   map[release.Lane]*lane // only those that failed
	paused  time.Time              // no message to anyone before this
	checked bool                   // an alert of an earlier run was looked for
	raised  bool                   // our alert is open
	sent    map[int64]bool         // sent, but not settled: the store did not answer
	broken  int                    // failures in a row that a person must mend
}

// lane is what the sender knows of a lane whose oldest message failed.
type lane struct {
	seq      int64 // of that message
	since    time.Time
	failures int // of that message
	due      time.Time
}

func (s *sender) run(ctx context.Context) {
	for ctx.Err() == nil {
		read, wait, err := s.step(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("notification queue unavailable", "error", err)
			wait = storePause
			read = 1<<63 - 1 // only time helps
		}
		if wait > 0 {
			err = s.await(ctx, read, wait)
		}
		if errors.Is(err, store.ErrClosed) {
			return
		}
	}
}

// await returns when there are events after read, wait is over, or ctx ends.
func (s *sender) await(ctx context.Context, read int64, wait time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, wait, errDue)
	defer cancel()
	err := s.journal.Wait(ctx, read)
	if err == nil || ctx.Err() != nil || errors.Is(err, store.ErrClosed) {
		return err
	}
	<-ctx.Done() // the store fails at once: do not spin
	return err
}

// step queues what is new and sends one message per lane that is due. It
// returns how far the channel has read and how long nothing is due (0: go on).
func (s *sender) step(ctx context.Context) (read int64, wait time.Duration, err error) {
	read, more, err := s.queue.Route(ctx, s.Name, s.route)
	if err != nil {
		return 0, 0, err
	}
	if more {
		return read, 0, nil
	}
	heads, err := s.queue.Heads(ctx, s.Name)
	if err != nil {
		return 0, 0, err
	}
	for _, ev := range heads {
		if ctx.Err() != nil {
			return read, 0, nil
		}
		if time.Now().Before(s.due(ev)) {
			continue
		}
		if err := s.send(ctx, ev); err != nil {
			return 0, 0, err
		}
	}
	if len(heads) == 0 {
		return read, time.Hour, nil // an event wakes us
	}
	return read, s.nextDue(heads), nil
}

// route decides what becomes of an event in this channel.
func (s *sender) route(ev release.Event) store.Route {
	if ev.Key == s.alertKey() {
		return store.Skip // this channel's own trouble is told by the others
	}
	if ok, _ := s.Rule.Wants(ev); !ok {
		return store.Skip
	}
	if s.Edited && ev.Kind == release.EventStatus {
		return store.Replace
	}
	return store.Send
}

// due is when an event may be sent.
func (s *sender) due(ev release.Event) time.Time {
	l := s.lanes[ev.Lane]
	if l == nil || l.seq != ev.Seq || l.due.Before(s.paused) {
		return s.paused
	}
	return l.due
}

// nextDue is how long none of the events that were there is due; at least a
// millisecond when one failed, 0 when one was sent and others may follow it.
func (s *sender) nextDue(heads []release.Event) time.Duration {
	next := time.Hour
	for _, ev := range heads {
		next = min(next, time.Until(s.due(ev)))
	}
	return max(next, 0)
}

// send sends one message and draws the consequence. Its error is the store's.
// A shutdown lets it end: stopping in the middle would send it twice.
func (s *sender) send(ctx context.Context, ev release.Event) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), deadline, errDeadline)
	defer cancel()
	if !s.sent[ev.Seq] {
		err := s.Notifier.Notify(ctx, notify.Make(ev))
		s.paused = later(s.paused, time.Now().Add(s.Pace))
		if err != nil {
			return s.fail(ctx, ev, err)
		}
		s.sent[ev.Seq] = true
		s.log.Info("notification sent", "event", ev.Seq)
	}
	if err := s.queue.Settle(ctx, s.Name, ev.Seq); err != nil {
		return err
	}
	delete(s.sent, ev.Seq)
	delete(s.lanes, ev.Lane)
	return s.heal(ctx)
}

// fail notes that a message was not taken, and when to try again.
func (s *sender) fail(ctx context.Context, ev release.Event, cause error) error {
	now := time.Now()
	l := s.lanes[ev.Lane]
	if l == nil {
		l = &lane{since: now}
		s.lanes[ev.Lane] = l
	}
	if l.seq != ev.Seq { // a newer state took the place of the message
		l.seq, l.failures = ev.Seq, 0
	}
	l.failures++
	kind, asked := classify(cause)
	if kind == notify.Broken {
		s.broken++
	} else {
		s.broken = 0
	}
	v := decide(failure{kind: kind, failures: l.failures, broken: s.broken, asked: asked, lasts: now.Sub(l.since)}, s.random())
	l.due = now.Add(v.lane)
	s.paused = later(s.paused, now.Add(v.channel))
	s.log.Warn("notification not taken", "event", ev.Seq, "kind", kind.String(), "failures", l.failures,
		"again", max(v.lane, v.channel), "error", cause)
	if v.alert {
		if err := s.raise(ctx, ev, cause, v.drop); err != nil {
			return err
		}
	}
	if v.drop {
		delete(s.lanes, ev.Lane)
		return s.queue.Settle(ctx, s.Name, ev.Seq)
	}
	return nil
}

func (s *sender) alertKey() string { return "notify:" + s.Name }

func (s *sender) raise(ctx context.Context, ev release.Event, cause error, dropped bool) error {
	if s.raised && !dropped {
		return nil
	}
	text := fmt.Sprintf("notifications to %s are not taken: %v: they are kept and will be sent; check it with `fairlead notify test %s`",
		s.Name, cause, s.Name)
	if dropped {
		text = fmt.Sprintf("%s refused the message about event %d for good: %v: look at it with `fairlead events`", s.Name, ev.Seq, cause)
	}
	if _, err := s.journal.Raise(ctx, release.Event{Key: s.alertKey(), Message: text}); err != nil {
		return err
	}
	s.raised, s.checked = true, true
	return nil
}

// heal notes that the channel takes messages. When no lane is left that it
// refuses, it closes the channel's alert, also one of an earlier run.
func (s *sender) heal(ctx context.Context) error {
	s.broken = 0
	if len(s.lanes) > 0 || s.checked && !s.raised {
		return nil
	}
	if _, err := s.journal.Clear(ctx, release.Event{Key: s.alertKey(), Message: s.Name + " takes notifications again"}); err != nil {
		return err
	}
	s.raised, s.checked = false, true
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
