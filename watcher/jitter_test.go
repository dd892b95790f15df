package watcher_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/watcher"
)

func TestPollsVaryByATenthOfTheirInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		remote, random := &fake{sha: "a"}, rand.New(rand.NewPCG(1, 2))
		repo := watcher.Repository{Name: "shop", Branch: "main", Poll: time.Minute, Reconcile: -1}
		w, err := watcher.New(watcher.Options{
			Submitter: &world{}, Looks: &world{}, Random: random.Float64, Log: slog.New(slog.DiscardHandler),
			Open: func(watcher.Repository) (watcher.Remote, error) { return remote, nil },
		}, []watcher.Repository{repo})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		if err := w.Run(ctx); err != nil {
			t.Fatal(err)
		}
		var between []time.Duration
		for i, at := range remote.lists[1:] {
			between = append(between, at.Sub(remote.lists[i]))
		}
		shortest, longest := slices.Min(between), slices.Max(between)
		if shortest < 54*time.Second || longest > 66*time.Second {
			t.Errorf("polls of a minute are %s to %s apart", shortest, longest)
		}
		if shortest > 55*time.Second || longest < 65*time.Second { // of 1,400, some are near each end
			t.Errorf("polls of a minute hardly vary: they are %s to %s apart", shortest, longest)
		}
	})
}
