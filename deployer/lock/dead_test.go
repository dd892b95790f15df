package lock_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
)

func TestTheLocksThatADeathLeftOnManyHostsAreWaitedForAllAtOnce(t *testing.T) {
	for name, files := range map[string][]string{"written to their end": {"fairlead.json", "details"}, "written by half": {"details"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := fleettest.New(1, "a", "b", "c", "d")
				one, two := newTaker(w, "installation-1"), newTaker(w, "installation-2")
				held, err := one.take(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				left := map[string][]byte{}
				for _, file := range files {
					if left[file], err = one.hosts["a"].Read(t.Context(), lock.Path(shop)+"/"+file); err != nil {
						t.Fatal(err)
					}
				}
				if err := held.Free(t.Context()); err != nil {
					t.Fatal(err)
				}
				for _, f := range one.hosts {
					err := f.Mkdir(t.Context(), lock.Path(shop), 0o755)
					for file, text := range left {
						err = errors.Join(err, f.Write(t.Context(), lock.Path(shop)+"/"+file, text, 0o644))
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				held, took := two.waits(t.Context())
				if held == nil || took < lock.Valid || took > lock.Valid+10*time.Second {
					t.Errorf("taken: %t, after %v", held != nil, took)
				}
				if held != nil {
					if err := held.Free(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

// Who looked while there was no lock, or an empty one, has seen nothing that
// counts against the next to take it.
func TestAHostWhoseTurnHasNotComeIsNoDeadLockOnceSomebodyTakesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fleettest.New(1, "a", "b")
		one, two := newTaker(w, "installation-1"), newTaker(w, "installation-2")
		held, err := one.Take(t.Context(), shop, map[string]lock.Files{"a": one.hosts["a"]}, one.me, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, prepare := range []func() error{
			func() error { return nil },
			func() error { return one.hosts["b"].MkdirAll(t.Context(), lock.Path(shop), 0o755) },
		} {
			if err := prepare(); err != nil {
				t.Fatal(err)
			}
			if _, err := two.take(t.Context()); !errors.As(err, new(*lock.HeldError)) {
				t.Fatalf("the first host is another's: %v", err)
			}
			time.Sleep(2 * lock.Valid)
		}
		if err := held.Free(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := two.take(t.Context()); !errors.As(err, new(*lock.HeldError)) {
			t.Errorf("an empty lock was taken at first sight: %v", err)
		}
	})
}
