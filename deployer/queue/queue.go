// Package queue holds what waits to be done in a lane: the newest look at Git,
// which takes the place of the one before, and what people asked for, which
// goes first and in order.
//
// Lives here: what comes next, and who hears that something newer came. May
// not live here: doing any of it, files' content, the store.
package queue

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// Most is how many orders of people wait at most.
const Most = 16

// Item is a request with the files of its revision.
type Item struct {
	Request release.Request
	Files   fs.FS
}

// Queue is what waits in one lane. It is safe for concurrent use.
type Queue struct {
	wake chan struct{}

	mu      sync.Mutex
	newest  *Item  // the newest look at Git; replaced, never queued
	asked   []Item // what people asked for, in order
	seen    *Item  // the last look at Git, done or not
	watched string // the commit whose canaries are watched
	tell    func() // of something newer
}

// New makes an empty Queue.
func New() *Queue { return &Queue{wake: make(chan struct{}, 1)} }

// Wake is readable once something was put in.
func (q *Queue) Wake() <-chan struct{} { return q.wake }

// Put adds a look at Git or, where a person asked, an order. It errs when too
// many orders wait.
func (q *Queue) Put(i Item) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if ordered(i.Request) {
		if len(q.asked) >= Most {
			return fmt.Errorf("%d orders wait already; see `fairlead status`", Most)
		}
		q.asked = append(q.asked, i)
	} else {
		q.newest, q.seen = &i, &i
	}
	q.hear(i)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

// Again puts back what must be tried once more, unless something newer is
// there. It wakes nobody.
func (q *Queue) Again(i Item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if ordered(i.Request) {
		q.asked = append(q.asked, i)
		return
	}
	if q.newest == nil {
		q.newest = &i
	}
}

// Next takes what is to be done now: people first. False when nothing is.
func (q *Queue) Next() (Item, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.asked) > 0 {
		i := q.asked[0]
		q.asked = slices.Delete(q.asked, 0, 1)
		return i, true
	}
	if i := q.newest; i != nil {
		q.newest = nil
		return *i, true
	}
	return Item{}, false
}

// Last returns the last look at Git, false before the first.
func (q *Queue) Last() (Item, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.seen == nil {
		return Item{}, false
	}
	return *q.seen, true
}

// Asked returns what people asked for and nobody began.
func (q *Queue) Asked() []Item {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.asked)
}

// OnNews calls tell once when something is asked for that is not this commit:
// another one, a rollback, a version. It is called at once where that waits
// already. A nil tell ends it.
func (q *Queue) OnNews(sha string, tell func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.watched, q.tell = sha, tell
	if q.newest != nil {
		q.hear(*q.newest)
	}
	for _, i := range q.asked {
		q.hear(i)
	}
}

// hear tells of an item where that is waited for. q.mu is held.
func (q *Queue) hear(i Item) {
	news := i.Request.Revision.SHA != q.watched
	if ordered(i.Request) {
		news = i.Request.Rollback || i.Request.Version != ""
	}
	if news && q.tell != nil {
		q.tell()
		q.tell = nil
	}
}

func ordered(r release.Request) bool { return r.Cause.Kind == release.CauseManual }

// Backoff is how long a lane waits before it tries again after n faults of the
// world in a row, and one more.
func Backoff(n int, r *rand.Rand) time.Duration {
	d := min(5*time.Second<<min(n, 6), 5*time.Minute)
	return d/2 + time.Duration(r.Int64N(int64(d/2)))
}
