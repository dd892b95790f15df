package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// step is one write of a daemon, and what must be read once it was acked; later
// steps do not change that.
type step struct {
	name string
	do   func(ctx context.Context, s *store.Store) error
	see  func(ctx context.Context, s *store.Store) (string, error)
	want string
}

// session is what a daemon writes in a few releases: each kind of write, small
// and large.
func session() []step {
	lane := release.Lane{Service: "shop"}
	var steps []step
	add := func(name, want string, do func(context.Context, *store.Store) error, see func(context.Context, *store.Store) (string, error)) {
		steps = append(steps, step{name: name, do: do, see: see, want: want})
	}
	add("join", "slack", func(ctx context.Context, s *store.Store) error { _, err := s.Join(ctx, "slack"); return err },
		func(ctx context.Context, s *store.Store) (string, error) {
			all, err := s.Backlogs(ctx)
			if err != nil || len(all) != 1 {
				return fmt.Sprint(all), err
			}
			return all[0].Channel, nil
		})
	for i := range 4 {
		id := release.ID(fmt.Sprintf("r%d", i))
		reason := fmt.Sprint(i, strings.Repeat(" because", i*i*150))
		add("save", reason, func(ctx context.Context, s *store.Store) error {
			_, err := s.Save(ctx, release.Release{ID: id, Lane: lane, Status: release.Succeeded, Reason: reason}, release.Event{})
			return err
		}, func(ctx context.Context, s *store.Store) (string, error) {
			r, err := s.Release(ctx, id)
			return r.Reason, err
		})
		add("config", reason, func(ctx context.Context, s *store.Store) error { return s.SaveConfig(ctx, id, []byte(reason)) },
			func(ctx context.Context, s *store.Store) (string, error) {
				b, err := s.Config(ctx, id)
				return string(b), err
			})
		add("intend", "pull ", func(ctx context.Context, s *store.Store) error { return s.Intend(ctx, id, "pull", []byte(reason)) }, nil)
		add("done", "pull ok", func(ctx context.Context, s *store.Store) error { return s.Done(ctx, id, "pull", "ok") },
			func(ctx context.Context, s *store.Store) (string, error) {
				all, err := s.Effects(ctx, id)
				if err != nil || len(all) != 1 {
					return fmt.Sprint(all), err
				}
				return all[0].Step + " " + all[0].Result, nil
			})
		add("pin", "sha256:1", func(ctx context.Context, s *store.Store) error { return s.Pin(ctx, lane, reason, "v1", "sha256:1") },
			func(ctx context.Context, s *store.Store) (string, error) {
				d, _, err := s.Pinned(ctx, lane, reason, "v1")
				return d, err
			})
		add("quarantine", string(id), func(ctx context.Context, s *store.Store) error { return s.Quarantine(ctx, lane, "id-"+string(id), id) },
			func(ctx context.Context, s *store.Store) (string, error) {
				by, _, err := s.Quarantined(ctx, lane, "id-"+string(id))
				return string(by), err
			})
		add("hold", reason, func(ctx context.Context, s *store.Store) error {
			return s.Hold(ctx, release.Hold{Lane: release.Lane{Service: string(id)}, By: "ana", Why: reason})
		}, func(ctx context.Context, s *store.Store) (string, error) {
			h, err := s.Held(ctx, release.Lane{Service: string(id)})
			if h == nil {
				return "none", err
			}
			return h.Why, err
		})
		add("look", "true", func(ctx context.Context, s *store.Store) error {
			return s.SaveLook(ctx, release.Look{Repo: string(id), OKFrom: time.Unix(1, 0)})
		}, func(ctx context.Context, s *store.Store) (string, error) {
			all, err := s.Looks(ctx)
			return fmt.Sprint(len(all) > i), err
		})
		add("raise", "true", func(ctx context.Context, s *store.Store) error {
			_, err := s.Raise(ctx, release.Event{Key: string(id), Message: reason})
			return err
		}, func(ctx context.Context, s *store.Store) (string, error) {
			all, err := s.Alerts(ctx)
			return fmt.Sprint(len(all) > i), err
		})
		add("route", "true", func(ctx context.Context, s *store.Store) error {
			_, _, err := s.Route(ctx, "slack", func(release.Event) store.Route { return store.Send })
			return err
		}, func(ctx context.Context, s *store.Store) (string, error) {
			all, err := s.Backlogs(ctx)
			return fmt.Sprint(err == nil && all[0].Messages == 2*(i+1)), err
		})
		add("ref", reason, func(ctx context.Context, s *store.Store) error { return s.SetRef(ctx, "slack", string(id), reason) },
			func(ctx context.Context, s *store.Store) (string, error) { return s.Ref(ctx, "slack", string(id)) })
	}
	add("adopt", "ana", func(ctx context.Context, s *store.Store) error { return s.Adopt(ctx, lane, "ana") },
		func(ctx context.Context, s *store.Store) (string, error) {
			a, err := s.Adoption(ctx, lane)
			return a.By, err
		})
	add("prune", "", func(ctx context.Context, s *store.Store) error {
		_, err := s.Prune(ctx, store.Keep{Releases: 1, Age: time.Hour})
		return err
	}, nil)
	return steps
}

// stands checks that all that these steps wrote is there.
func stands(t *testing.T, s *store.Store, acked []step) {
	t.Helper()
	routed := -1 // only the last count of messages holds
	for i, a := range acked {
		if a.name == "route" {
			routed = i
		}
	}
	for i, a := range acked {
		if a.see == nil || a.name == "route" && i != routed {
			continue
		}
		if got, err := a.see(t.Context(), s); err != nil || got != a.want {
			t.Errorf("step %d (%s) was acked and reads %.40q, %v; want %.40q", i, a.name, got, err, a.want)
		}
	}
}
