package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/notify/outbox"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// receiver is a channel that answers as the test says, and remembers.
type receiver struct {
	mu     sync.Mutex
	tries  []time.Time
	taken  []notify.Message
	answer func(m notify.Message) error // nil: take everything
}

func (r *receiver) Notify(_ context.Context, m notify.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries = append(r.tries, time.Now())
	if r.answer != nil {
		if err := r.answer(m); err != nil {
			return err
		}
	}
	r.taken = append(r.taken, m)
	return nil
}

func (r *receiver) ids() (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.taken {
		if m.Event.Release != nil {
			ids = append(ids, string(m.Event.Release.ID)+"="+string(m.Event.Release.Status))
		} else {
			ids = append(ids, string(m.Event.Kind)+":"+m.Event.Key)
		}
	}
	return ids
}

func (r *receiver) wants(t *testing.T, want ...string) {
	t.Helper()
	if got := r.ids(); !slices.Equal(got, want) {
		t.Errorf("taken %v\nwant %v", got, want)
	}
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.tries)
}

// answers changes what the receiver answers from now on.
func (r *receiver) answers(f func(m notify.Message) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

func fail(kind notify.Kind) error { return &notify.Error{Kind: kind, Err: errors.New("no")} }

func end(t *testing.T, s *store.Store, service, id string, status release.Status) {
	t.Helper()
	r := release.Release{ID: release.ID(id), Lane: release.Lane{Service: service}, Status: status}
	if _, err := s.Save(t.Context(), r, release.Event{}); err != nil {
		t.Fatal(err)
	}
}

// bubble runs f with virtual time and a store.
func bubble(t *testing.T, f func(t *testing.T, s *store.Store)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { f(t, openStore(t, dir)) })
}

// settle lets virtual time pass, and all that is due happen.
func settle(d time.Duration) {
	synctest.Wait()
	<-time.After(d)
	synctest.Wait()
}

func TestAnOutageOfADayLosesNothingAndKeepsTheOrder(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		healed := time.Now().Add(24 * time.Hour)
		slack := &receiver{answer: func(notify.Message) error {
			if time.Now().Before(healed) {
				return fail(notify.Temporary)
			}
			return nil
		}}
		other := &receiver{}
		start(t, s, outbox.Channel{Name: "slack", Notifier: slack}, outbox.Channel{Name: "ops", Notifier: other})
		var want []string
		for hour := range 23 {
			for _, service := range []string{"shop", "blog", "mail"} {
				id := fmt.Sprintf("%s-%02d", service, hour)
				end(t, s, service, id, release.Failed)
				want = append(want, id+"=failed")
			}
			settle(time.Hour)
		}
		settle(time.Hour + 10*time.Minute)
		for _, service := range []string{"shop", "blog", "mail"} {
			of := func(id string) bool { return !strings.HasPrefix(id, service) }
			if got := slices.DeleteFunc(slack.ids(), of); !slices.Equal(got, slices.DeleteFunc(slices.Clone(want), of)) {
				t.Errorf("%s: %v", service, got)
			}
		}
		got := other.ids()
		if n := len(got); n != len(want)+2 || !slices.Contains(got, "alert:notify:slack") || got[n-1] != "recovered:notify:slack" {
			t.Errorf("the other channel got %v", got)
		}
		// 3 lanes, each at most every 2.5 minutes (half of 5, with the jitter).
		if tries := slack.count(); tries > 3*24*60/2 {
			t.Errorf("%d tries in a day", tries)
		}
	})
}

func TestALaneWhoseMessageFailsHoldsUpOnlyItself(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		ops := &receiver{answer: func(m notify.Message) error {
			if m.Event.Lane.Service == "shop" {
				return fail(notify.Temporary)
			}
			return nil
		}}
		start(t, s, outbox.Channel{Name: "ops", Notifier: ops})
		end(t, s, "shop", "s1", release.Failed)
		end(t, s, "blog", "b1", release.Failed)
		end(t, s, "shop", "s2", release.Failed)
		end(t, s, "blog", "b2", release.Failed)
		settle(0)
		ops.wants(t, "b1=failed", "b2=failed")
		for range 20 { // successes beside it neither clear nor repeat the alert
			settle(5 * time.Minute)
			end(t, s, "blog", fmt.Sprint(time.Now().Unix()), release.Succeeded)
		}
		settle(0)
		alerts, err := s.Alerts(t.Context())
		if err != nil || len(alerts) != 1 || alerts[0].Key != "notify:ops" || !strings.Contains(alerts[0].Message, "notify test ops") {
			t.Errorf("alerts %+v %v", alerts, err)
		}
		events, err := s.Events(t.Context(), 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(slices.DeleteFunc(events, func(e release.Event) bool { return e.Kind == release.EventStatus })); n != 1 {
			t.Errorf("%d alerts and recoveries, want 1", n)
		}
	})
}

func TestAChannelThatHangsHoldsUpNoOther(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		hang := make(chan struct{})
		slow := &hanging{until: hang}
		ops := &receiver{}
		start(t, s, outbox.Channel{Name: "slow", Notifier: slow}, outbox.Channel{Name: "ops", Notifier: ops})
		end(t, s, "shop", "s1", release.Failed)
		settle(time.Second)
		ops.wants(t, "s1=failed")
		settle(time.Hour)
		if slow.longest() > 30*time.Second {
			t.Errorf("a message had %s", slow.longest())
		}
	})
}

// hanging never answers before its deadline.
type hanging struct {
	until chan struct{}
	mu    sync.Mutex
	max   time.Duration
}

func (h *hanging) Notify(ctx context.Context, _ notify.Message) error {
	from := time.Now()
	select {
	case <-h.until:
	case <-ctx.Done():
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.max = max(h.max, time.Since(from))
	return context.Cause(ctx)
}

func (h *hanging) longest() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.max
}

func TestRetryAfterQuietsTheWholeChannel(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		from := time.Now()
		first := true
		slack := &receiver{answer: func(notify.Message) error {
			if first {
				first = false
				return &notify.Error{RetryAfter: 90 * time.Second, Err: errors.New("429")}
			}
			return nil
		}}
		start(t, s, outbox.Channel{Name: "slack", Notifier: slack})
		end(t, s, "shop", "s1", release.Failed)
		end(t, s, "blog", "b1", release.Failed)
		settle(89 * time.Second)
		if slack.count() != 1 {
			t.Errorf("%d tries before Retry-After", slack.count())
		}
		settle(2 * time.Second)
		slack.wants(t, "s1=failed", "b1=failed")
		if again := slack.tries[1].Sub(from); again != 90*time.Second {
			t.Errorf("tried again after %s", again)
		}
	})
}

func TestARevokedTokenParksTheChannelAndTellsTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		slack := &receiver{answer: func(notify.Message) error { return fail(notify.Broken) }}
		ops := &receiver{}
		channels := []outbox.Channel{{Name: "slack", Notifier: slack}, {Name: "ops", Notifier: ops}}
		stop := start(t, s, channels...)
		end(t, s, "shop", "s1", release.Failed)
		settle(time.Second)
		end(t, s, "blog", "b1", release.Failed)
		settle(time.Second)
		ops.wants(t, "s1=failed", "alert:notify:slack", "b1=failed")
		settle(24 * time.Hour)
		if tries := slack.count(); tries < 24 || tries > 24*60/7+10 {
			t.Errorf("%d tries of a revoked token in a day", tries)
		}
		stop()
		start(t, s, channels...) // a restart is no second alert
		settle(time.Hour)
		slack.answers(nil)
		settle(time.Hour)
		slack.wants(t, "s1=failed", "b1=failed")
		ops.wants(t, "s1=failed", "alert:notify:slack", "b1=failed", "recovered:notify:slack")
	})
}

func TestAnAlertOfAnEarlierRunIsClearedByTheFirstMessage(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		slack := &receiver{answer: func(notify.Message) error { return fail(notify.Broken) }}
		stop := start(t, s, outbox.Channel{Name: "slack", Notifier: slack})
		end(t, s, "shop", "s1", release.Failed)
		settle(time.Second)
		stop()
		start(t, s, outbox.Channel{Name: "slack", Notifier: &receiver{}}) // a new token
		settle(time.Second)
		if alerts, err := s.Alerts(t.Context()); err != nil || len(alerts) != 0 {
			t.Errorf("alerts %+v %v", alerts, err)
		}
	})
}

func TestAMessageThatIsRefusedForGoodIsDroppedAndTold(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		ops := &receiver{answer: func(m notify.Message) error {
			if m.Event.Release != nil && m.Event.Release.ID == "s1" {
				return fail(notify.Refused)
			}
			return nil
		}}
		other := &receiver{}
		start(t, s, outbox.Channel{Name: "ops", Notifier: ops}, outbox.Channel{Name: "other", Notifier: other})
		end(t, s, "shop", "s1", release.Failed)
		end(t, s, "shop", "s2", release.Failed)
		settle(time.Minute)
		ops.wants(t, "s2=failed")
		if ops.count() != 4 {
			t.Errorf("%d tries, want 3 of the one and 1 of the other", ops.count())
		}
		other.wants(t, "s1=failed", "s2=failed", "alert:notify:ops", "recovered:notify:ops")
	})
}

func TestAnEditedChannelSendsOnlyTheNewestState(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		slack := &receiver{answer: func(notify.Message) error { return fail(notify.Temporary) }}
		start(t, s, outbox.Channel{Name: "slack", Notifier: slack, Edited: true, Rule: notify.Rule{Every: true}})
		for _, status := range []release.Status{release.Queued, release.Preparing, release.Switching} {
			end(t, s, "shop", "s1", status)
			end(t, s, "shop", "s2", status)
			settle(time.Second)
		}
		end(t, s, "shop", "s1", release.Succeeded)
		settle(time.Minute)
		slack.answers(nil)
		settle(10 * time.Minute)
		slack.wants(t, "s2=switching", "s1=succeeded")
	})
}

func TestAChannelKeepsItsPace(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		slack := &receiver{}
		start(t, s, outbox.Channel{Name: "slack", Notifier: slack, Pace: time.Second})
		for i := range 10 {
			end(t, s, fmt.Sprint("service", i%3), fmt.Sprint(i), release.Failed)
		}
		settle(time.Minute)
		if len(slack.taken) != 10 {
			t.Fatalf("%d messages", len(slack.taken))
		}
		for i := 1; i < len(slack.tries); i++ {
			if gap := slack.tries[i].Sub(slack.tries[i-1]); gap != time.Second {
				t.Errorf("gap %d is %s", i, gap)
			}
		}
	})
}

// flaky is a store whose queue fails while broken.
type flaky struct {
	*store.Store
	mu     sync.Mutex
	broken bool
}

func (f *flaky) fails() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken {
		return errors.New("disk full")
	}
	return nil
}

func (f *flaky) set(broken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = broken
}

func (f *flaky) Settle(ctx context.Context, channel string, seq int64) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Store.Settle(ctx, channel, seq)
}

func TestAFullDiskDoesNotRepeatMessages(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		f := &flaky{Store: s, broken: true}
		ops := &receiver{}
		o, err := outbox.New(t.Context(), f, s, []outbox.Channel{{Name: "ops", Notifier: ops}}, outbox.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- o.Run(ctx) }()
		end(t, s, "shop", "s1", release.Failed)
		settle(time.Hour)
		ops.wants(t, "s1=failed")
		f.set(false)
		end(t, s, "shop", "s2", release.Failed)
		settle(time.Minute)
		ops.wants(t, "s1=failed", "s2=failed")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestATestMessagePassesTheQueue(t *testing.T) {
	bubble(t, func(t *testing.T, s *store.Store) {
		ops := &receiver{}
		o, err := outbox.New(t.Context(), s, s, []outbox.Channel{{Name: "ops", Notifier: ops}, {Name: "slack", Notifier: ops}}, outbox.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Test(t.Context(), "ops"); err != nil || len(ops.taken) != 1 {
			t.Errorf("%v, %d messages", err, len(ops.taken))
		}
		if err := o.Test(t.Context(), "opps"); !errors.Is(err, outbox.ErrNoChannel) || !strings.Contains(err.Error(), "ops, slack") {
			t.Errorf("unknown channel: %v", err)
		}
		ops.answers(func(notify.Message) error { return fail(notify.Broken) })
		if err := o.Test(t.Context(), "ops"); err == nil {
			t.Error("a failed test passed")
		}
	})
}
