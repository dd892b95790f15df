package queue_test

import (
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/queue"
	"github.com/fairlead-deploy/fairlead/release"
)

func look(sha string) queue.Item {
	return queue.Item{Request: release.Request{Revision: release.Revision{SHA: sha}, Cause: release.Cause{Kind: release.CausePoll}}}
}

func order(version string) queue.Item {
	i := look("any")
	i.Request.Cause.Kind, i.Request.Version = release.CauseManual, version
	return i
}

func put(t *testing.T, q *queue.Queue, items ...queue.Item) {
	t.Helper()
	for _, i := range items {
		if err := q.Put(i); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOrdersGoFirstAndOfLooksOnlyTheNewestIsLeft(t *testing.T) {
	q := queue.New()
	put(t, q, look("a"), order("1"), look("b"), order("2"))
	q.Again(look("old")) // something newer is there
	var got []string
	for i, ok := q.Next(); ok; i, ok = q.Next() {
		got = append(got, i.Request.Revision.SHA+i.Request.Version)
	}
	if len(got) != 3 || got[0] != "any1" || got[1] != "any2" || got[2] != "b" {
		t.Errorf("done: %q", got)
	}
	if last, ok := q.Last(); !ok || last.Request.Revision.SHA != "b" {
		t.Errorf("last look %+v", last)
	}
	q.Again(look("again"))
	if i, ok := q.Next(); !ok || i.Request.Revision.SHA != "again" {
		t.Errorf("tried again: %+v", i)
	}
}

func TestTooManyOrdersAreRefused(t *testing.T) {
	q := queue.New()
	for range queue.Most {
		put(t, q, order("1"))
	}
	if q.Put(order("1")) == nil {
		t.Error("one more was taken")
	}
	put(t, q, look("a"))
	if n := len(q.Asked()); n != queue.Most {
		t.Errorf("%d wait", n)
	}
}

func TestOnlyWhatIsNewerThanTheWatchedCommitIsHeardOf(t *testing.T) {
	retry := order("")
	retry.Request.Retry = true
	cases := map[string]struct {
		item queue.Item
		news bool
	}{
		"the same commit": {look("a"), false}, "another commit": {look("b"), true},
		"a version": {order("1"), true}, "a retry": {retry, false},
	}
	for name, c := range cases {
		for _, before := range []bool{true, false} {
			q, heard := queue.New(), 0
			if before {
				put(t, q, c.item)
			}
			q.OnNews("a", func() { heard++ })
			if !before {
				put(t, q, c.item, c.item)
			}
			if heard == 1 != c.news || heard > 1 {
				t.Errorf("%s, waiting before %t: heard of it %d times", name, before, heard)
			}
		}
	}
}
