package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

func always(r store.Route) func(release.Event) store.Route {
	return func(release.Event) store.Route { return r }
}

func route(t *testing.T, s Store, channel string, r store.Route) {
	t.Helper()
	for {
		_, more, err := s.Route(t.Context(), channel, always(r))
		ok(t, err)
		if !more {
			return
		}
	}
}

func seqs(events []release.Event) (out []int64) {
	for _, ev := range events {
		out = append(out, ev.Seq)
	}
	return out
}

func heads(t *testing.T, s Store, channel string) []int64 {
	t.Helper()
	return seqs(must(s.Heads(t.Context(), channel))(t))
}

func channelsBeginNow(t *testing.T, s Store) {
	ctx := t.Context()
	if _, _, err := s.Route(ctx, "slack", always(store.Send)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a channel that has not joined: %v", err)
	}
	save(t, s, full("old"))
	must(s.Join(ctx, "slack"))(t)
	seq := save(t, s, full("new"))
	must(s.Join(ctx, "slack"))(t) // a restart
	route(t, s, "slack", store.Send)
	if got := heads(t, s, "slack"); !reflect.DeepEqual(got, []int64{seq}) {
		t.Errorf("heads %v, want only %d", got, seq)
	}
	ok(t, s.Settle(ctx, "slack", seq))
	route(t, s, "slack", store.Send)
	if got := heads(t, s, "slack"); len(got) != 0 {
		t.Errorf("a settled event came again: %v", got)
	}
}

func lanesAreQueues(t *testing.T, s Store) {
	ctx := t.Context()
	must(s.Join(ctx, "ops", "slack"))(t)
	blog := full("b1")
	blog.Lane = release.Lane{Service: "blog"}
	one, two := save(t, s, full("s1")), save(t, s, full("s2"))
	three := save(t, s, blog)
	alert := must(s.Append(ctx, release.Event{Kind: release.EventAlert, Key: "x"}))(t)
	route(t, s, "ops", store.Send)
	route(t, s, "slack", store.Skip)
	if got := heads(t, s, "ops"); !reflect.DeepEqual(got, []int64{one, three, alert}) {
		t.Errorf("heads %v", got)
	}
	ok(t, s.Settle(ctx, "ops", one))
	if got := heads(t, s, "ops"); !reflect.DeepEqual(got, []int64{two, three, alert}) {
		t.Errorf("heads after the first was sent %v", got)
	}
	if got := heads(t, s, "slack"); len(got) != 0 {
		t.Errorf("skipped events are queued: %v", got)
	}
	logs := must(s.Backlogs(ctx))(t)
	if len(logs) != 2 || logs[0].Channel != "ops" || logs[0].Messages != 3 || logs[0].Oldest.IsZero() || logs[1].Messages != 0 || !logs[1].Oldest.IsZero() {
		t.Errorf("backlogs %+v", logs)
	}
}

func editedMessagesCompact(t *testing.T, s Store) {
	must(s.Join(t.Context(), "slack"))(t)
	save(t, s, with(full("r1"), release.Queued))
	second := save(t, s, with(full("r2"), release.Queued))
	route(t, s, "slack", store.Replace)
	save(t, s, with(full("r1"), release.Switching))
	last := save(t, s, with(full("r1"), release.Failed))
	route(t, s, "slack", store.Replace)
	if got := heads(t, s, "slack"); !reflect.DeepEqual(got, []int64{second}) {
		t.Errorf("heads %v, want %d", got, second)
	}
	ok(t, s.Settle(t.Context(), "slack", second))
	if got := heads(t, s, "slack"); !reflect.DeepEqual(got, []int64{last}) {
		t.Errorf("heads %v, want %d", got, last)
	}
}

func channelsAreForgotten(t *testing.T, s Store) {
	ctx := t.Context()
	must(s.Join(ctx, "slack", "ops"))(t)
	save(t, s, full("r1"))
	route(t, s, "slack", store.Send)
	route(t, s, "ops", store.Send)
	if gone := must(s.Join(ctx, "ops"))(t); !reflect.DeepEqual(gone, []string{"slack"}) {
		t.Errorf("gone %v", gone)
	}
	must(s.Join(ctx, "slack", "ops"))(t)
	route(t, s, "slack", store.Send)
	if len(heads(t, s, "slack")) != 0 || len(heads(t, s, "ops")) != 1 {
		t.Errorf("heads %v and %v", heads(t, s, "slack"), heads(t, s, "ops"))
	}
}

func refsAreKept(t *testing.T, s Store) {
	ctx := t.Context()
	ok(t, s.SetRef(ctx, "slack", "r1", "1"))
	ok(t, s.SetRef(ctx, "slack", "r1", "2"))
	if ref := must(s.Ref(ctx, "slack", "r1"))(t); ref != "2" {
		t.Errorf("ref %q", ref)
	}
	if ref := must(s.Ref(ctx, "other", "r1"))(t); ref != "" {
		t.Errorf("ref of another channel %q", ref)
	}
}

func pruningLeaves(t *testing.T, s Store) {
	ctx := t.Context()
	must(s.Join(ctx, "slack"))(t)
	old := time.Now().Add(-48 * time.Hour)
	add := func(id string, status release.Status, at time.Time) {
		t.Helper()
		must(s.Save(ctx, with(full(release.ID(id)), status), release.Event{At: at}))(t)
		ok(t, s.SaveConfig(ctx, release.ID(id), []byte("{}")))
	}
	for i := range 10 {
		add(fmt.Sprintf("good%d", i), release.Succeeded, old)
	}
	add("stuck", release.Waiting, old)
	for i := range 10 {
		add(fmt.Sprintf("bad%d", i), release.Failed, old)
	}
	add("young", release.Failed, time.Now())

	before := must(s.Events(ctx, 0, 1000))(t)
	must(s.Prune(ctx, store.Keep{Releases: 3}))(t)
	if after := must(s.Events(ctx, 0, 1000))(t); len(after) != len(before) {
		t.Error("a policy without an age pruned")
	}
	got := must(s.Prune(ctx, store.Keep{Releases: 3, Age: 24 * time.Hour}))(t)
	want := []release.ID{"young", "bad9", "bad8", "stuck", "good9", "good8", "good7", "good6", "good5"}
	if left := ids(must(s.Releases(ctx, store.Filter{}))(t)); !reflect.DeepEqual(left, want) {
		t.Errorf("left %v\nwant %v", left, want)
	}
	if got.Releases != 13 || got.Events != 0 {
		t.Errorf("pruned %+v: an unread event must stay", got)
	}
	if _, err := s.Config(ctx, "good0"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("config of a pruned release: %v", err)
	}
	must(s.Config(ctx, "good9"))(t)
	route(t, s, "slack", store.Send) // read, not sent
	if got = must(s.Prune(ctx, store.Keep{Releases: 3, Age: 24 * time.Hour}))(t); got.Events != 0 {
		t.Errorf("%d unsent events pruned", got.Events)
	}
	for len(heads(t, s, "slack")) > 0 {
		for _, seq := range heads(t, s, "slack") {
			ok(t, s.Settle(ctx, "slack", seq))
		}
	}
	if got = must(s.Prune(ctx, store.Keep{Releases: 3, Age: 24 * time.Hour}))(t); got.Events != 13 {
		t.Errorf("%d events pruned, want those of the 13 releases", got.Events)
	}
}
