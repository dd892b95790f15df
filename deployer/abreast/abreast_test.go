package abreast_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
)

func TestAPanicInOneEndsUpWithWhoeverWaitsForAll(t *testing.T) {
	var g abreast.Group
	var ended atomic.Int64
	for i := range 10 {
		g.Go(func() {
			var below abreast.Group
			below.Go(func() {
				if i == 3 {
					explode()
				}
				ended.Add(1)
			})
			below.Wait()
		})
	}
	fault := caught(g.Wait)
	if fault == nil || fault.String() != "oops" || !strings.Contains(string(fault.Stack), "explode") {
		t.Errorf("caught %v, with the stack %s", fault, fault.Stack)
	}
	if ended.Load() != 9 {
		t.Errorf("%d of the others ended, want 9", ended.Load())
	}
	g.Go(func() { ended.Add(1) })
	if fault := caught(g.Wait); fault != nil || ended.Load() != 10 {
		t.Errorf("used again: %v, %d", fault, ended.Load())
	}
}

func explode() { panic("oops") }

func caught(do func()) (fault *abreast.Fault) {
	defer func() { fault, _ = recover().(*abreast.Fault) }()
	do()
	return nil
}

func TestTriesEndWithTheFirstErrorAndAPanicEndsUpWithWhoeverWaits(t *testing.T) {
	tries, ctx := abreast.Trying(t.Context(), 2)
	failed := errors.New("failed")
	tries.Go(func() error { return failed })
	tries.Go(func() error { <-ctx.Done(); return nil })
	if err := tries.Wait(); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}

	tries, ctx = abreast.Trying(t.Context(), 2)
	tries.Go(func() error { explode(); return nil })
	tries.Go(func() error { <-ctx.Done(); return nil })
	if fault := caught(func() { _ = tries.Wait() }); fault == nil || !strings.Contains(string(fault.Stack), "explode") {
		t.Errorf("caught %v", fault)
	}
}
