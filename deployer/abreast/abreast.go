// Package abreast runs functions side by side for a lane of the deployer. A
// panic in one of them ends up with whoever waits for them, where the lane
// contains it, and not with the whole process: other services go on.
//
// Lives here: starting and waiting, how many at once. May not live here:
// deadlines, any decision.
package abreast

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Group is functions that run side by side. The zero value is ready. It may be
// used again after Wait.
type Group struct {
	wg sync.WaitGroup

	mu    sync.Mutex
	fault *Fault // the first one
}

// Fault is what Wait panics with: a panic in one of the functions.
type Fault struct {
	Value any    // what it panicked with
	Stack []byte // of its goroutine
}

func (f *Fault) String() string { return fmt.Sprint(f.Value) }

// Go runs a function beside the others.
func (g *Group) Go(do func()) {
	g.wg.Go(func() {
		if fault := Caught(do); fault != nil {
			g.keep(fault)
		}
	})
}

func (g *Group) keep(fault *Fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fault = cmp.Or(g.fault, fault)
}

// Caught runs a function and returns its panic, or nil. It is for goroutines
// that nobody may be waiting for any more: whoever still does panics with it.
func Caught(do func()) (fault *Fault) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		var ok bool
		if fault, ok = p.(*Fault); !ok { // of a group below: its stack says more
			fault = &Fault{Value: p, Stack: debug.Stack()}
		}
	}()
	do()
	return nil
}

// Wait returns when all have ended. It panics with a *Fault where one did.
func (g *Group) Wait() {
	g.wg.Wait()
	g.mu.Lock()
	fault := g.fault
	g.fault = nil
	g.mu.Unlock()
	if fault != nil {
		panic(fault)
	}
}

// Tries is functions that run side by side until one of them fails.
type Tries struct {
	group  *errgroup.Group
	panics Group
}

// Trying returns Tries, and the context that ends with the first error. At most
// atOnce run at a time.
func Trying(ctx context.Context, atOnce int) (*Tries, context.Context) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	return &Tries{group: group}, ctx
}

// Go runs a function beside the others, when there is room.
func (t *Tries) Go(do func() error) {
	t.group.Go(func() (err error) {
		if fault := Caught(func() { err = do() }); fault != nil {
			t.panics.keep(fault)
			return errors.New("another one panicked")
		}
		return err
	})
}

// Wait returns the first error when all have ended. It panics with a *Fault
// where one did.
func (t *Tries) Wait() error {
	err := t.group.Wait()
	t.panics.Wait()
	return err
}
