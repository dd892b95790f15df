// Package watcher is the Git side of the daemon: one loop per repository turns
// a trigger into a look, a look at a new commit into a snapshot, and submits
// that. A hundred triggers are one look, and no repository waits for another.
//
// It knows no host and no deploy.yml: what is in a snapshot is nobody's
// business here. How Git is spoken lives in watcher/mirror, how forges call in
// watcher/webhook.
package watcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"reflect"
	"sync"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
)

// Submitter takes a commit to be brought to the servers. It returns once it
// has the request, not when that is done; the files stay valid.
type Submitter interface {
	Submit(ctx context.Context, r release.Request, files fs.FS) error
}

// Looks keeps what was last seen of a repository.
type Looks interface {
	SaveLook(ctx context.Context, l release.Look) error
}

// Remote is a repository elsewhere; *mirror.Mirror is one.
type Remote interface {
	Tip(ctx context.Context, ref string) (mirror.Tip, error)
	Fetch(ctx context.Context, t mirror.Tip, globs []string) (mirror.Snapshot, error)
}

// Options is what a Watcher works with; all fields are needed.
type Options struct {
	Submitter Submitter
	Looks     Looks
	// Noted hears of every look, also of those that are not saved because
	// nothing is new; nil: nobody does.
	Noted  func(release.Look)
	Open   func(Repository) (Remote, error) // prepares, dials nothing
	Random func() float64                   // in [0,1); called by many goroutines
	Log    *slog.Logger
}

// Watcher looks after repositories.
type Watcher struct {
	options Options
	pace    pace
	changed chan struct{} // the wanted lanes are not the running ones

	mu    sync.Mutex
	lanes map[string]*lane // wanted, by repository
}

// New makes a watcher; errors are those of Reload.
func New(o Options, repos []Repository) (*Watcher, error) {
	w := &Watcher{options: o, pace: newPace(), changed: make(chan struct{}, 1)}
	return w, w.Reload(repos)
}

// Trigger asks for a look. It never waits; it returns false when no such
// repository is watched.
func (w *Watcher) Trigger(repo string, cause release.Cause) bool {
	w.mu.Lock()
	l := w.lanes[repo]
	w.mu.Unlock()
	if l == nil {
		return false
	}
	l.trigger(cause)
	return true
}

// Reload makes these the watched repositories. Those that are unchanged go on
// undisturbed; changed and new ones are looked at now. On an error, which names
// all repositories that are not right, everything stays as it was.
func (w *Watcher) Reload(repos []Repository) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	wanted := make(map[string]*lane, len(repos))
	var wrong []error
	for _, r := range repos {
		if wanted[r.Name] != nil {
			wrong = append(wrong, fmt.Errorf("repository %s: named twice", r.Name))
			continue
		}
		if old := w.lanes[r.Name]; old != nil && reflect.DeepEqual(old.given, r) {
			wanted[r.Name] = old
			continue
		}
		l, err := newLane(w.options, r, w.pace)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("repository %s: %w", r.Name, err))
			continue
		}
		wanted[r.Name] = l
	}
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	w.lanes = wanted
	select {
	case w.changed <- struct{}{}:
	default:
	}
	return nil
}

// Run watches until ctx ends and returns nil when all its goroutines have. It
// may be called once.
func (w *Watcher) Run(ctx context.Context) error {
	running := map[*lane]func(){}
	defer func() {
		for _, stop := range running {
			stop()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.changed:
		}
		w.mu.Lock()
		wanted := make(map[*lane]bool, len(w.lanes))
		for _, l := range w.lanes {
			wanted[l] = true
		}
		w.mu.Unlock()
		for l, stop := range running {
			if !wanted[l] {
				stop()
				delete(running, l)
			}
		}
		for l := range wanted {
			if running[l] == nil {
				running[l] = start(ctx, l)
			}
		}
	}
}

// start runs a lane and returns what stops it and waits for its end.
func start(ctx context.Context, l *lane) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { l.run(ctx) })
	return func() {
		cancel()
		wg.Wait()
	}
}
