//go:build !race

// Not under the race detector: with a thousand timers in one bubble Go 1.26's
// own code for stacks crashes now and then (SIGSEGV in __sanitizer's StackDepot,
// called for a timer of a bubble). The tests of one repository run under it.

package watcher_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
)

func many(n int) (repos []watcher.Repository) {
	for i := range n {
		repos = append(repos, watcher.Repository{Name: fmt.Sprint("shop", i), Branch: "main", Poll: 30 * time.Second, Reconcile: -1})
	}
	return repos
}

// TestAThousandRepositoriesAreNotAllLookedAtInOneMoment counts the looks that
// are under way, each of which costs a connection and what it reads.
func TestAThousandRepositoriesAreNotAllLookedAtInOneMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		remote := &counted{takes: 100 * time.Millisecond}
		w, err := watcher.New(watcher.Options{
			Submitter: &world{}, Looks: &world{}, Random: func() float64 { return 0.5 }, Log: slog.New(slog.DiscardHandler),
			Open: func(watcher.Repository) (watcher.Remote, error) { return remote, nil },
		}, many(1000))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 70*time.Second)
		defer cancel()
		if err := w.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if remote.most > 8 || remote.looks < 2700 {
			t.Errorf("%d looks in 70 s, up to %d at once", remote.looks, remote.most)
		}
	})
}

// counted is a remote of any repository that counts who looks.
type counted struct {
	fake
	takes       time.Duration
	looks, most int
	now         int
}

func (c *counted) Tip(ctx context.Context, ref string) (mirror.Tip, error) {
	c.mu.Lock()
	c.now++
	c.looks, c.most = c.looks+1, max(c.most, c.now)
	c.mu.Unlock()
	time.Sleep(c.takes)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now--
	return mirror.Tip{Ref: "refs/heads/" + ref, SHA: "a"}, nil
}

func TestAHundredHungRemotesHoldUpNobodyForLong(t *testing.T) {
	bubble(t, many(101), func(t *testing.T, w *world) {
		for i := range 100 {
			f := w.remotes[fmt.Sprint("shop", i)]
			f.mu.Lock()
			f.slow = time.Hour
			f.mu.Unlock()
		}
		time.Sleep(time.Minute)
		last := w.remotes["shop100"]
		for range 10 {
			before := last.listed()
			w.Trigger("shop100", release.Cause{Kind: release.CauseWebhook})
			time.Sleep(8 * time.Second)
			if last.listed() == before {
				t.Error("a pushed repository was not looked at for eight seconds")
			}
		}
	})
}
