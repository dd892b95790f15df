package lock_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/release"
)

var shop = release.Lane{Service: "shop"}

// taker is one installation that takes locks on a fleet.
type taker struct {
	*lock.Keeper
	me    lock.Owner
	hosts map[string]lock.Files
}

func newTaker(w *fleettest.World, id string) *taker {
	p := w.Start(id, w.Another(), func() {})
	t := &taker{lock.NewKeeper(slog.New(slog.DiscardHandler)), lock.Owner{ID: id, Release: "r-" + release.ID(id)}, map[string]lock.Files{}}
	for _, name := range w.Hosts() {
		t.hosts[name] = p.Hands(name).Files
	}
	return t
}

func (t *taker) take(ctx context.Context) (*lock.Held, error) {
	return t.Take(ctx, shop, t.hosts, t.me, nil)
}

// waits tries every five seconds until it has the lock.
func (t *taker) waits(ctx context.Context) (*lock.Held, time.Duration) {
	begin := time.Now()
	for {
		held, err := t.take(ctx)
		if err == nil {
			return held, time.Since(begin)
		}
		if !errors.As(err, new(*lock.HeldError)) || time.Since(begin) > 10*time.Minute {
			return nil, time.Since(begin)
		}
		time.Sleep(5 * time.Second)
	}
}

// frozen are the files of a process that is stopped for a while: its calls go
// on when it does.
type frozen struct {
	lock.Files
	from, until time.Time
}

func (f frozen) wait(ctx context.Context) error {
	if now := time.Now(); now.Before(f.from) || !now.Before(f.until) {
		return nil
	}
	t := time.NewTimer(time.Until(f.until))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (f frozen) Read(ctx context.Context, path string) ([]byte, error) {
	if err := f.wait(ctx); err != nil {
		return nil, err
	}
	return f.Files.Read(ctx, path)
}

func (f frozen) Write(ctx context.Context, path string, content []byte, mode fs.FileMode) error {
	if err := f.wait(ctx); err != nil {
		return err
	}
	return f.Files.Write(ctx, path, content, mode)
}

// owner tells whether the lock of a host is the taker's.
func (t *taker) owns(ctx context.Context, host string) bool {
	text, err := t.hosts[host].Read(ctx, lock.Path(shop)+"/fairlead.json")
	return err == nil && bytes.Contains(text, []byte(t.me.ID))
}

func TestALockThatIsNotRenewedIsNotTrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fleettest.New(1, "a", "b")
		one := newTaker(w, "installation-1")
		held, err := one.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * lock.Valid)
		for _, host := range w.Hosts() {
			if err := held.Check(t.Context(), host); err != nil {
				t.Errorf("a lock that is renewed: %v", err)
			}
		}
		w.Host("a").SetDown(true)
		time.Sleep(lock.Valid)
		if err := held.Check(t.Context(), "a"); !errors.Is(err, lock.ErrLost) {
			t.Errorf("on a host that is away: %v", err)
		}
		if err := held.Check(t.Context(), "b"); err != nil {
			t.Errorf("on the other: %v", err)
		}
		w.Host("a").SetDown(false)
		time.Sleep(lock.Valid)
		if err := held.Check(t.Context(), "a"); err != nil {
			t.Errorf("once it was renewed: %v", err)
		}
		if err := held.Free(t.Context()); err != nil {
			t.Error(err)
		}
		if left := append(w.Host("a").Locks(), w.Host("b").Locks()...); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

// TestAProcessThatSleptLeavesTheLockToWhoTookIt wakes one either just before
// its next renewal, or as its first thing to do lets it free its locks.
func TestAProcessThatSleptLeavesTheLockToWhoTookIt(t *testing.T) {
	for name, renews := range map[string]bool{"and renews": true, "and frees": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := fleettest.New(1, "a")
				one, two := newTaker(w, "installation-1"), newTaker(w, "installation-2")
				// Between two renewals, which take at most eight of ten seconds.
				wakes := time.Now().Add(10*time.Minute + 9*time.Second)
				one.hosts["a"] = frozen{one.hosts["a"], time.Now().Add(5 * time.Second), wakes}
				slept, err := one.take(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				held, after := two.waits(t.Context())
				if held == nil || after > time.Minute {
					t.Fatalf("not taken after %s", after)
				}
				time.Sleep(time.Until(wakes))
				if renews {
					time.Sleep(lock.Renewal + 5*time.Second)
				}
				if err := slept.Check(t.Context(), "a"); !errors.Is(err, lock.ErrLost) {
					t.Errorf("the sleeper goes on: %v", err)
				}
				if err := slept.Free(t.Context()); !errors.Is(err, lock.ErrLost) {
					t.Errorf("the sleeper freed it: %v", err)
				}
				if !two.owns(t.Context(), "a") || held.Check(t.Context(), "a") != nil {
					t.Error("the lock is no longer the one's who took it")
				}
				if err := held.Free(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestALockThatOneHostRefusesIsLeftOnNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fleettest.New(1, "a", "b", "c")
		w.Host("c").PutLock(lock.Path(shop), []byte("TG9ja2VkIGJ5OiBBbmE="))
		_, err := newTaker(w, "installation-1").take(t.Context())
		if foreign := new(*lock.HeldError); !errors.As(err, foreign) || !(*foreign).Foreign || (*foreign).Host != "c" {
			t.Errorf("error %v", err)
		}
		if left := append(w.Host("a").Locks(), w.Host("b").Locks()...); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestALockWithoutAnOwnersRecordIsNobodysToTakeExceptAfterADeath(t *testing.T) {
	cases := map[string]struct {
		details []byte // nil: an empty folder
		record  string // "": none
		taken   bool
	}{
		"Kamal's":                                 {[]byte("TG9ja2VkIGJ5OiBBbmE="), "", false},
		"of one who died before he signed":        {nil, "", true},
		"a human's, with a text of his own":       {[]byte("hands off"), "", false},
		"a human's, in a word of three":           {[]byte("Ana"), "", false},
		"of another Fairlead, signed by half":     {[]byte("TG9ja2VkIGJ5OiBmYWlybGVhZCBpbnN0YWxsYXRpb24tOSBhdCBub3cK"), "", true},
		"of ours, from before a crash, signed":    {[]byte("TG9ja2VkIGJ5OiBmYWlybGVhZCBpbnN0YWxsYXRpb24tMSBhdCBub3cK"), "", true},
		"of one who died in the middle of a name": {[]byte("TG9ja2VkIGJ5OiBmYWlybGVhZCBpbnN0YWxsYX"), "", true},
		"of one who died in his record":           {nil, `{"owner":"installa`, true},
		"of one whose disk was full":              {[]byte("TG9ja2VkIGJ5OiBmYWlybGVhZCBpbnN0YWxsYXRpb24tOSBhdCBub3cK"), `{"ow`, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := fleettest.New(1, "a")
				one := newTaker(w, "installation-1")
				w.Host("a").PutLock(lock.Path(shop), c.details)
				if c.details == nil {
					if err := one.hosts["a"].RemoveAll(t.Context(), lock.Path(shop)+"/details"); err != nil {
						t.Fatal(err)
					}
				}
				if c.record != "" {
					if err := one.hosts["a"].Write(t.Context(), lock.Path(shop)+"/fairlead.json", []byte(c.record), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				held, after := one.waits(t.Context())
				if (held != nil) != c.taken {
					t.Errorf("taken: %t, after %s", held != nil, after)
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

func TestASweepRemovesWhatADeathLeftHalfWritten(t *testing.T) {
	const ours, others = "TG9ja2VkIGJ5OiBmYWlybGVhZCBpbnN0YWxsYXRpb24tMSBhdCBub3cK", "TG9ja2VkIGJ5OiBmYWlybGVhZCBpbnN0YWxsYXRpb24tOSBhdCBub3cK"
	cases := map[string]struct {
		details, record string
		gone            bool
	}{
		"its own record":                    {"", `{"owner":"installation-1"}`, true},
		"half a record, and nobody's name":  {"", `{"owner":"inst`, true},
		"half a record, and its own name":   {ours, `{"owner":"inst`, true},
		"half a record, and another's name": {others, `{"owner":"inst`, false},
		"another's record":                  {ours, `{"owner":"installation-9"}`, false},
		"half its own name":                 {ours[:len(ours)-6], "", true},
		"the words of a person":             {"hands off", "", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := fleettest.New(1, "a")
				one := newTaker(w, "installation-1")
				w.Host("a").PutLock(lock.Path(shop), []byte(c.details))
				if c.details == "" {
					if err := one.hosts["a"].RemoveAll(t.Context(), lock.Path(shop)+"/details"); err != nil {
						t.Fatal(err)
					}
				}
				if c.record != "" {
					if err := one.hosts["a"].Write(t.Context(), lock.Path(shop)+"/fairlead.json", []byte(c.record), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				err := one.Sweep(t.Context(), shop, one.hosts, one.me)
				if errors.Is(err, lock.ErrYoung) {
					time.Sleep(time.Minute)
					err = one.Sweep(t.Context(), shop, one.hosts, one.me)
				}
				if gone := len(w.Host("a").Locks()) == 0; err != nil || gone != c.gone {
					t.Errorf("gone: %t, %v", gone, err)
				}
			})
		})
	}
}
