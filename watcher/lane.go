package watcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/schedule"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
)

const (
	listTimeout   = time.Minute
	fetchTimeout  = 15 * time.Minute
	submitTimeout = time.Minute
	saveTimeout   = 10 * time.Second

	// lookGap keeps looks apart however many triggers come.
	lookGap = time.Second
	// saveEvery is how old the saved look of a quiet repository may be.
	saveEvery = time.Minute
	// pollJitter is the share of the interval by which polls vary.
	pollJitter = 0.1
)

// lane looks after one repository. All fields but the inbox belong to its
// goroutine.
type lane struct {
	given  Repository // as configured, to see changes
	repo   Repository
	cron   schedule.Cron
	remote Remote
	with   Options
	pace   pace
	log    *slog.Logger
	backs  schedule.Backoff

	wake chan struct{} // size 1: dirty
	mu   sync.Mutex
	next release.Cause // strongest of those that came since the last look

	seen     *mirror.Snapshot // last fetched
	at       mirror.Tip       // where the ref stood then
	recent   []string         // SHAs fetched, oldest first
	owed     *release.Cause   // a submission that was not taken yet
	failures int              // looks in a row that failed
	refused  int              // submissions in a row that were not taken
	asked    time.Duration    // the server wants to be left alone for
	due      due
	saved    release.Look
	okFrom   time.Time
}

// due is when the lane moves by itself; zero times are never.
type due struct{ poll, cron, reconcile time.Time }

func newLane(o Options, r Repository, p pace) (*lane, error) {
	settled, cron, err := r.settled()
	if err != nil {
		return nil, err
	}
	remote, err := o.Open(settled)
	if err != nil {
		return nil, err
	}
	return &lane{
		given: r, repo: settled, cron: cron, remote: remote, with: o, pace: p,
		log:   o.Log.With("repo", r.Name),
		backs: schedule.Backoff{Base: 5 * time.Second, Cap: max(5*time.Minute, settled.Poll)},
		wake:  make(chan struct{}, 1),
	}, nil
}

// trigger marks the repository dirty.
func (l *lane) trigger(c release.Cause) {
	l.mu.Lock()
	l.next = stronger(l.next, c)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default: // a look is due already
	}
}

func (l *lane) run(ctx context.Context) {
	cause := release.Cause{Kind: release.CauseStart}
	for {
		began := time.Now()
		l.look(ctx, cause)
		l.plan(time.Now(), cause)
		if !pause(ctx, lookGap-time.Since(began)) {
			return
		}
		var ok bool
		if cause, ok = l.wait(ctx); !ok {
			return
		}
	}
}

// plan sets the times of the next moves.
func (l *lane) plan(now time.Time, last release.Cause) {
	l.due.poll, l.due.cron = time.Time{}, l.cron.Next(now)
	switch {
	case l.failures > 0 || l.refused > 0:
		l.due.poll = now.Add(max(l.backs.After(max(l.failures, l.refused), l.with.Random()), l.asked))
	case l.repo.Poll > 0:
		l.due.poll = now.Add(schedule.Jitter(l.repo.Poll, pollJitter, l.with.Random()))
	}
	if l.repo.Reconcile > 0 && (submits(last) || l.due.reconcile.IsZero()) {
		l.due.reconcile = now.Add(schedule.Jitter(l.repo.Reconcile, pollJitter, l.with.Random()))
	}
}

// wait returns why to look next; false when ctx ended.
func (l *lane) wait(ctx context.Context) (release.Cause, bool) {
	at, cause := l.due.first()
	var tick <-chan time.Time
	if !at.IsZero() {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		tick = timer.C
	}
	select {
	case <-ctx.Done():
		return cause, false
	case <-tick:
		return cause, true
	case <-l.wake:
		l.mu.Lock()
		defer l.mu.Unlock()
		cause, l.next = l.next, release.Cause{}
		return cause, true
	}
}

// first returns the earliest due time and what it is for.
func (d due) first() (time.Time, release.Cause) {
	at, kind := d.poll, release.CausePoll
	if !d.cron.IsZero() && (at.IsZero() || d.cron.Before(at)) {
		at, kind = d.cron, release.CauseSchedule
	}
	// On a tie the stronger one wins: it does all that a poll does.
	if !d.reconcile.IsZero() && (at.IsZero() || !d.reconcile.After(at)) {
		at, kind = d.reconcile, release.CauseReconcile
	}
	return at, release.Cause{Kind: kind}
}

// look finds out where the ref stands and submits what that asks for.
func (l *lane) look(ctx context.Context, cause release.Cause) {
	leave := l.pace.enter(ctx)
	if leave == nil {
		return
	}
	snap, err := l.patiently(ctx)
	leave()
	if ctx.Err() != nil {
		return // stopping is not the repository's fault
	}
	l.note(ctx, snap, err)
	if err != nil {
		// Hosts are looked after while Git is away: the last commit seen stands.
		if l.seen != nil && submits(cause) {
			l.submit(ctx, *l.seen, cause)
		}
		return
	}
	fresh := l.seen == nil || l.seen.Revision.SHA != snap.Revision.SHA || l.seen.Revision.Ref != snap.Revision.Ref
	if fresh && l.seen != nil {
		if detail := rewritten(*l.seen, snap, l.recent); detail != "" {
			cause.Detail = joined(cause.Detail, detail)
			l.log.Warn("history was rewritten", "from", l.seen.Revision.SHA, "to", snap.Revision.SHA)
		}
	}
	l.seen = &snap
	if fresh {
		l.remember(snap.Revision.SHA)
	}
	switch {
	case fresh || submits(cause):
		l.submit(ctx, snap, cause)
	case l.owed != nil:
		l.submit(ctx, snap, *l.owed)
	}
}

// patiently is current; while that takes its time the hosts are looked after:
// the last commit seen stands.
func (l *lane) patiently(ctx context.Context) (snap mirror.Snapshot, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = l.contained(func() (err error) { snap, err = l.current(ctx); return err })
	}()
	for l.seen != nil && !l.due.reconcile.IsZero() {
		// A look that is quick reconciles by itself, with what it found.
		timer := time.NewTimer(max(time.Until(l.due.reconcile), listTimeout))
		select {
		case <-done:
			timer.Stop()
			return snap, err
		case <-timer.C:
			l.submit(ctx, *l.seen, release.Cause{Kind: release.CauseReconcile})
			l.due.reconcile = time.Now().Add(schedule.Jitter(l.repo.Reconcile, pollJitter, l.with.Random()))
		}
	}
	<-done
	return snap, err
}

// current returns the snapshot of the tip: the last one when it is that still.
func (l *lane) current(ctx context.Context) (mirror.Snapshot, error) {
	var err error
	for range 2 { // the ref may move between listing and fetching
		var tip mirror.Tip
		if tip, err = l.tip(ctx); err != nil {
			return mirror.Snapshot{}, err
		}
		if l.seen != nil && l.at.SHA == tip.SHA && l.at.Ref == tip.Ref {
			return *l.seen, nil
		}
		var snap mirror.Snapshot
		if snap, err = l.fetch(ctx, tip); err == nil {
			l.at = tip
		}
		if !errors.Is(err, mirror.ErrMoved) {
			return snap, err
		}
	}
	return mirror.Snapshot{}, err
}

func (l *lane) tip(ctx context.Context) (mirror.Tip, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, listTimeout, fmt.Errorf("listing refs took more than %s", listTimeout))
	defer cancel()
	return l.remote.Tip(ctx, l.repo.Branch)
}

func (l *lane) fetch(ctx context.Context, tip mirror.Tip) (mirror.Snapshot, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, fetchTimeout, fmt.Errorf("fetching took more than %s", fetchTimeout))
	defer cancel()
	return l.remote.Fetch(ctx, tip, l.repo.Paths)
}

// submit hands a snapshot over; what is not taken is owed.
func (l *lane) submit(ctx context.Context, snap mirror.Snapshot, cause release.Cause) {
	ctx, cancel := context.WithTimeoutCause(ctx, submitTimeout, errors.New("submitting took too long"))
	defer cancel()
	err := l.contained(func() error {
		return l.with.Submitter.Submit(ctx, release.Request{
			Revision: snap.Revision, Destination: l.repo.Destination, Cause: cause,
		}, snap.Files)
	})
	if err == nil {
		l.owed, l.refused = nil, 0
		return
	}
	if l.owed == nil {
		l.log.Error("commit was not taken", "revision", snap.Revision.Short(), "err", err)
	}
	l.owed = &cause
	l.refused++
}

// contained turns a panic into an error: what makes one look fail badly, say a
// repository made for it, is this repository's trouble alone.
func (l *lane) contained(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			l.log.Error("look panicked", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("a fault in Fairlead itself (%v); please report it with the log", p)
		}
	}()
	return do()
}

func (l *lane) remember(sha string) {
	const most = 50
	l.recent = append(l.recent, sha)
	if len(l.recent) > most {
		l.recent = append([]string(nil), l.recent[len(l.recent)-most:]...)
	}
}

// pause waits and tells whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
