package deployer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/claim"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/queue"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
)

// ErrStopped is what Submit returns once Run has ended.
var ErrStopped = errors.New("the deployer has stopped")

// ErrUnknown is returned for a repository or destination that was never
// submitted: nothing is known of it yet.
var ErrUnknown = errors.New("the repository was not looked at yet; try again in a moment")

// Deployer has a lane per repository and destination.
type Deployer struct {
	o      Options
	keeper *lock.Keeper
	born   chan *lane

	mu      sync.Mutex
	lanes   map[place]*lane
	claims  claim.Table // whose service it is
	stopped bool
	random  *rand.Rand
}

// place is where a lane comes from, before its deploy.yml is read.
type place = claim.Place

// New makes a Deployer; Run starts it.
func New(o Options) *Deployer {
	return &Deployer{
		o: o, keeper: lock.NewKeeper(o.Log), born: make(chan *lane, 64),
		lanes: map[place]*lane{}, random: o.Rand,
	}
}

// Run works the lanes until ctx ends, and returns when all have come to rest.
func (d *Deployer) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for {
		select {
		case l := <-d.born:
			wg.Go(func() { l.run(ctx) })
		case <-ctx.Done():
			d.mu.Lock()
			d.stopped = true
			d.mu.Unlock()
			wg.Wait()
			return nil
		}
	}
}

// submission is a request with the files of its revision.
type submission struct {
	req   release.Request
	files fs.FS
}

// Submit asks for a revision. It returns at once: the lane records what comes
// of it. Of several requests that wait, only the newest is worked on.
func (d *Deployer) Submit(ctx context.Context, req release.Request, files fs.FS) error {
	l, err := d.lane(ctx, place{Repo: req.Revision.Repo, Destination: req.Destination})
	if err != nil {
		return fmt.Errorf("submit: %w", err)
	}
	if err := l.queue.Put(queue.Item{Request: req, Files: files}); err != nil {
		return fmt.Errorf("%s: %w", req.Revision.Repo, err)
	}
	return nil
}

// Orders returns what people asked for and no lane has begun, for the deployer
// that comes after this one. Run must have returned.
func (d *Deployer) Orders() iter.Seq2[release.Request, fs.FS] {
	return func(yield func(release.Request, fs.FS) bool) {
		for _, l := range d.lanes {
			for _, s := range l.queue.Asked() {
				if !yield(s.Request, s.Files) {
					return
				}
			}
		}
	}
}

// Command asks for something on a person's behalf (rollback, retry, resume, a
// version), on the revision that the repository had last.
func (d *Deployer) Command(ctx context.Context, req release.Request) error {
	last, err := d.last(req)
	if err != nil {
		return err
	}
	req.Revision = last.req.Revision
	return d.Submit(ctx, req, last.files)
}

// Hold keeps a repository's service where it is until a resume.
func (d *Deployer) Hold(ctx context.Context, req release.Request, why string) error {
	last, err := d.last(req)
	if err != nil {
		return err
	}
	settings, ok := d.o.Settings(req.Revision.Repo)
	if !ok {
		return fmt.Errorf("hold: repository %s is not configured any more", req.Revision.Repo)
	}
	deploy, _, err := spec.Load(last.files, settings.Reading(ctx, req))
	if err != nil {
		return fmt.Errorf("hold: %w", err)
	}
	return d.o.Memory.Wishes.Hold(ctx, release.Hold{
		Lane: release.Lane{Service: deploy.Service, Destination: req.Destination},
		By:   req.Cause.Actor, Since: time.Now(), Why: why,
	})
}

func (d *Deployer) lane(ctx context.Context, p place) (*lane, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return nil, ErrStopped
	}
	if l, ok := d.lanes[p]; ok {
		return l, nil
	}
	l := &lane{d: d, at: p, queue: queue.New()}
	select {
	case d.born <- l:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	d.lanes[p] = l
	return l, nil
}

// draw gives four hex digits of randomness for a release id.
func (d *Deployer) draw() uint16 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return uint16(d.random.Uint32())
}
