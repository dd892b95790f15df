// Package abreast runs functions side by side for a lane of the deployer. A
// panic in one of them ends up with whoever waits for them, where the lane
// contains it, and not with the whole process: other services go on.
//
// Lives here: starting and waiting. May not live here: limits, deadlines, any
// decision.
package abreast

import (
	"fmt"
	"runtime/debug"
	"sync"
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
		defer func() {
			if p := recover(); p != nil {
				g.keep(p)
			}
		}()
		do()
	})
}

func (g *Group) keep(p any) {
	fault, ok := p.(*Fault) // of a group below: its stack says more
	if !ok {
		fault = &Fault{Value: p, Stack: debug.Stack()}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fault == nil {
		g.fault = fault
	}
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
