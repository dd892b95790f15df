package lock_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
)

// crowded are the files of a taker between whose calls others take the lock:
// one just before a dead lock is moved away, a third just after.
type crowded struct {
	lock.Files
	before, after func()
}

func (c *crowded) Rename(ctx context.Context, from, to string) error {
	if strings.Contains(from, ".dead-") { // rename(2) takes the place of an empty folder
		if err := c.Files.RemoveAll(ctx, to); err != nil {
			return err
		}
	}
	if !strings.Contains(to, ".dead-") || c.before == nil {
		return c.Files.Rename(ctx, from, to)
	}
	before := c.before
	c.before = nil
	before()
	defer c.after()
	return c.Files.Rename(ctx, from, to)
}

func TestALockThatWasMovedAwayByMistakeAndTakenByAThirdIsLostToItsOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		w := fleettest.New(1, "a")
		dead, one, two, third := newTaker(w, "dead"), newTaker(w, "installation-1"), newTaker(w, "installation-2"), newTaker(w, "installation-3")
		files := dead.hosts["a"]
		if err := errors.Join(files.MkdirAll(ctx, lock.Path(shop), 0o755), files.Create(ctx, lock.Path(shop)+"/fairlead.json", []byte(`{"owner":"dead"}`))); err != nil {
			t.Fatal(err)
		}
		if _, err := two.take(ctx); err == nil { // sees it stand still from now on
			t.Fatal("a lock that lives was taken")
		}
		_, _ = one.take(ctx)
		time.Sleep(lock.Valid + time.Second)
		var held *lock.Held
		two.hosts["a"] = &crowded{Files: two.hosts["a"],
			before: func() {
				var err error
				if held, err = one.take(ctx); err != nil {
					t.Fatal(err)
				}
			},
			after: func() {
				if err := third.hosts["a"].Mkdir(ctx, lock.Path(shop), 0); err != nil {
					t.Fatal(err)
				}
			},
		}
		if _, err := two.take(ctx); !errors.As(err, new(*lock.HeldError)) {
			t.Errorf("the second taker is told %v, not that a third has it", err)
		}
		time.Sleep(lock.Renewal + time.Second)
		if err := held.Check(ctx, "a"); !errors.Is(err, lock.ErrLost) {
			t.Errorf("the first goes on: %v", err)
		}
		for _, name := range w.Host("a").Locks() {
			if strings.Contains(name, ".dead-") {
				t.Errorf("%s is left", name)
			}
		}
		_ = held.Free(ctx)
	})
}
