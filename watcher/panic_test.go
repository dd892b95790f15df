package watcher_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/watcher"
)

// errBomb makes a fake panic with it.
var errBomb = errors.New("oops")

func exploding(err error) error {
	if errors.Is(err, errBomb) {
		panic(err)
	}
	return err
}

func TestAPanicOverOneRepositoryHoldsUpNoOtherAndItIsLookedAtAgain(t *testing.T) {
	repos := append(shop(), watcher.Repository{Name: "blog", Branch: "main", Poll: 10 * time.Second, Reconcile: -1})
	bubble(t, repos, func(t *testing.T, w *world) {
		time.Sleep(time.Second)
		w.forget()
		w.remotes["shop"].set("b", errBomb)
		w.remotes["blog"].set("b", nil, "a")
		time.Sleep(time.Minute)
		w.want(t, "poll b") // blog's
		w.remotes["shop"].set("c", nil, "a")
		time.Sleep(5 * time.Minute)
		w.want(t, "poll c")
		if log := w.log.String(); !strings.Contains(log, "look panicked") || !strings.Contains(log, "exploding") {
			t.Errorf("the log does not say where:\n%s", log)
		}
	})
}

func TestAPanicOverACommitIsToldAndTheCommitIsHandedOverAgain(t *testing.T) {
	bubble(t, shop(), func(t *testing.T, w *world) {
		time.Sleep(time.Second)
		w.forget()
		w.mu.Lock()
		w.refuse = errBomb
		w.mu.Unlock()
		w.remotes["shop"].set("b", nil, "a")
		time.Sleep(20 * time.Second)
		w.mu.Lock()
		w.refuse, w.got = nil, nil
		w.mu.Unlock()
		time.Sleep(10 * time.Minute)
		w.want(t, "poll b")
	})
}
