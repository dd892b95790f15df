package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

func shop() release.Lane { return release.Lane{Service: "shop", Destination: "production"} }

func full(id release.ID) release.Release {
	code := 137
	at := time.Date(2026, 11, 23, 6, 15, 2, 123456789, time.UTC)
	return release.Release{
		ID: id, Lane: shop(),
		Revision: release.Revision{Repo: "shop", Ref: "refs/heads/main", SHA: "9c1e0aa5d2f0000000000000000000000000abcd",
			Author: "Ana Łée <ana@example.com>", Subject: "Fix <b> & 💥 \x00 'quotes'; DROP TABLE", Time: at},
		Cause: release.Cause{Kind: release.CauseManual, Actor: "ana"}, Status: release.Preparing, Reason: "because",
		Version: "9c1e0aa", Image: "registry.example.com/shop", Digest: "sha256:abc", Identity: "id", Queued: at, Started: at,
		Hosts:   []release.HostOutcome{{Host: "web1", State: "new"}},
		Changes: []release.Change{{Host: "web1", Step: "replace container", Field: "image", Was: "a", Want: "b"}},
		Failure: &release.Failure{Class: release.Verdict, Step: "health", Host: "web1", Message: "no", ExitCode: &code,
			OOMKilled: true, Probes: []string{"GET /up: 503"}, Logs: []string{"line"}, Next: "look"},
		Previous: "1111111",
	}
}

func with(r release.Release, s release.Status) release.Release {
	r.Status = s
	return r
}

func save(t *testing.T, s Store, r release.Release) int64 {
	t.Helper()
	return must(s.Save(t.Context(), r, release.Event{}))(t)
}

func aReleaseComesBack(t *testing.T, s Store) {
	want := full("r1")
	seq := save(t, s, want)
	if got := must(s.Release(t.Context(), "r1"))(t); !reflect.DeepEqual(got, want) {
		t.Errorf("release\n%+v\nwant\n%+v", got, want)
	}
	events := must(s.Events(t.Context(), 0, 0))(t)
	if len(events) != 1 || events[0].Seq != seq || events[0].Kind != release.EventStatus || events[0].Lane != shop() || events[0].At.IsZero() {
		t.Fatalf("events %+v", events)
	}
	if !reflect.DeepEqual(*events[0].Release, want) {
		t.Errorf("the event's release is %+v", events[0].Release)
	}
	if _, err := s.Release(t.Context(), "r2"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("missing release: %v", err)
	}
}

func anEndedReleaseStays(t *testing.T, s Store) {
	for _, end := range []release.Status{release.Succeeded, release.RolledBack, release.Failed, release.Superseded, release.NeedsHuman, release.Unchanged} {
		id := release.ID(end)
		save(t, s, full(id))
		save(t, s, with(full(id), end))
		before := len(must(s.Events(t.Context(), 0, 1000))(t))
		for _, next := range []release.Status{release.Queued, release.Succeeded, end} {
			if _, err := s.Save(t.Context(), with(full(id), next), release.Event{}); !errors.Is(err, store.ErrEnded) {
				t.Errorf("%s → %s: %v", end, next, err)
			}
		}
		if got := must(s.Release(t.Context(), id))(t); got.Status != end {
			t.Errorf("%s became %s", end, got.Status)
		}
		if after := len(must(s.Events(t.Context(), 0, 1000))(t)); after != before {
			t.Errorf("a refused change left %d events", after-before)
		}
	}
	if left := must(s.Unfinished(t.Context()))(t); len(left) != 0 {
		t.Errorf("unfinished: %+v", left)
	}
}

func ids(all []release.Release) (out []release.ID) {
	for _, r := range all {
		out = append(out, r.ID)
	}
	return out
}

func releasesAreFiltered(t *testing.T, s Store) {
	other := release.Lane{Service: "shop"}
	// The ids do not sort in the order of saving: two of one second need not.
	for _, r := range []struct {
		id     release.ID
		lane   release.Lane
		repo   string
		status release.Status
	}{
		{"e", shop(), "shop", release.Succeeded}, {"d", other, "shop", release.Succeeded}, {"c", shop(), "two", release.Failed},
		{"b", shop(), "shop", release.Queued}, {"a", shop(), "shop", release.Succeeded}, {"f", shop(), "shop", release.Waiting},
	} {
		one := full(r.id)
		one.Lane, one.Revision.Repo = r.lane, r.repo
		save(t, s, with(one, release.Queued))
		if r.status != release.Queued {
			save(t, s, with(one, r.status))
		}
	}
	for _, test := range []struct {
		name   string
		filter store.Filter
		want   []release.ID
	}{
		{"all", store.Filter{}, []release.ID{"f", "a", "b", "c", "d", "e"}},
		{"a lane", store.Filter{Lane: shop()}, []release.ID{"f", "a", "b", "c", "e"}},
		{"a lane without destination", store.Filter{Lane: other}, []release.ID{"d"}},
		{"a repository", store.Filter{Repo: "two"}, []release.ID{"c"}},
		{"statuses", store.Filter{Statuses: []release.Status{release.Succeeded, release.Failed}}, []release.ID{"a", "c", "d", "e"}},
		{"a page", store.Filter{Before: "b", Limit: 2}, []release.ID{"c", "d"}},
		{"nothing", store.Filter{Repo: "none"}, nil},
	} {
		if got := ids(must(s.Releases(t.Context(), test.filter))(t)); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	if got := ids(must(s.Unfinished(t.Context()))(t)); !reflect.DeepEqual(got, []release.ID{"b", "f"}) {
		t.Errorf("unfinished: %v", got)
	}
	last, found, err := s.LastSucceeded(t.Context(), shop())
	if err != nil || !found || last.ID != "a" {
		t.Errorf("last succeeded: %v %t %v", last.ID, found, err)
	}
	if _, found, err := s.LastSucceeded(t.Context(), release.Lane{Service: "none"}); found || err != nil {
		t.Errorf("last succeeded of nothing: %t %v", found, err)
	}
}

func eventsHaveOneOrder(t *testing.T, s Store) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	first := must(s.Append(t.Context(), release.Event{At: at, Kind: release.EventProgress, Lane: shop(), Message: "pulled"}))(t)
	second := save(t, s, full("r1"))
	third := must(s.Append(t.Context(), release.Event{Kind: release.EventProgress, Message: "third"}))(t)
	if second != first+1 || third != second+1 {
		t.Errorf("seqs %d %d %d", first, second, third)
	}
	all := must(s.Events(t.Context(), 0, 2))(t)
	if len(all) != 2 || !all[0].At.Equal(at) || all[0].Message != "pulled" || all[0].Lane != shop() || all[0].Release != nil {
		t.Errorf("first page %+v", all)
	}
	if rest := must(s.Events(t.Context(), second, 0))(t); len(rest) != 1 || rest[0].Seq != third {
		t.Errorf("second page %+v", rest)
	}
	if of := must(s.ReleaseEvents(t.Context(), "r1"))(t); len(of) != 1 || of[0].Seq != second {
		t.Errorf("of the release %+v", of)
	}
}

func aFollowerIsWoken(t *testing.T, s Store) {
	first := save(t, s, full("r1"))
	ok(t, s.Wait(t.Context(), first-1)) // there is one already
	woken := make(chan error, 1)
	go func() { woken <- s.Wait(t.Context(), first) }()
	save(t, s, with(full("r1"), release.Switching))
	ok(t, <-woken)
}

func aFollowerGoes(t *testing.T, s Store) {
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if err := s.Wait(ctx, 0); !errors.Is(err, gone) && !errors.Is(err, context.Canceled) {
		t.Errorf("wait: %v", err)
	}
}

func oneTroubleIsOneAlert(t *testing.T, s Store) {
	ctx := t.Context()
	trouble := release.Event{Key: "ssh:web1", Lane: shop(), Message: "web1 does not answer"}
	for i, want := range []bool{true, false, false} {
		if raised := must(s.Raise(ctx, trouble))(t); raised != want {
			t.Errorf("raise %d: %t", i, raised)
		}
	}
	open := must(s.Alerts(ctx))(t)
	if len(open) != 1 || open[0].Key != "ssh:web1" || open[0].Message != trouble.Message || open[0].Seq == 0 || open[0].At.IsZero() {
		t.Errorf("open alerts %+v", open)
	}
	for i, want := range []bool{true, false} {
		if cleared := must(s.Clear(ctx, release.Event{Key: "ssh:web1", Message: "web1 answers"}))(t); cleared != want {
			t.Errorf("clear %d: %t", i, cleared)
		}
	}
	if raised := must(s.Raise(ctx, trouble))(t); !raised {
		t.Error("a second trouble was not raised")
	}
	var kinds []release.EventKind
	for _, ev := range must(s.Events(ctx, 0, 0))(t) {
		kinds = append(kinds, ev.Kind)
	}
	if want := []release.EventKind{release.EventAlert, release.EventRecovered, release.EventAlert}; !reflect.DeepEqual(kinds, want) {
		t.Errorf("events %v", kinds)
	}
}

func manyAtOnce(t *testing.T, s Store) {
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				r := full(release.ID(fmt.Sprintf("r%d-%d", w, i)))
				if _, err := s.Save(t.Context(), r, release.Event{}); err != nil {
					t.Error(err)
					return
				}
				if got, err := s.Release(t.Context(), r.ID); err != nil || got.ID != r.ID {
					t.Errorf("own write not read: %v", err)
				}
			}
		})
	}
	wg.Wait()
	all := must(s.Events(t.Context(), 0, 1000))(t)
	if len(all) != writers*each || all[len(all)-1].Seq-all[0].Seq != writers*each-1 {
		t.Errorf("%d events, seq %d to %d", len(all), all[0].Seq, all[len(all)-1].Seq)
	}
}
