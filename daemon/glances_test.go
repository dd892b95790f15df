package daemon

import (
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

func TestStatusKnowsLooksThatAreNotStored(t *testing.T) {
	ctx := t.Context()
	s, err := store.Open(ctx, t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	if err := s.SaveLook(ctx, release.Look{Repo: "shop", At: at, State: "ok", OKFrom: at}); err != nil {
		t.Fatal(err)
	}
	m := freshMemory{s, &glances{}}
	looked := func() release.Look {
		t.Helper()
		list, err := m.Looks(ctx)
		if err != nil || len(list) != 1 {
			t.Fatalf("looks %v, %v", list, err)
		}
		return list[0]
	}
	if l := looked(); !l.At.Equal(at) {
		t.Errorf("before any other: %+v", l)
	}
	m.glances.note(release.Look{Repo: "shop", At: at.Add(50 * time.Second), State: "ok", OKFrom: at.Add(50 * time.Second)})
	if l := looked(); !l.At.Equal(at.Add(50 * time.Second)) {
		t.Errorf("after one that was not stored: %+v", l)
	}
	m.glances.note(release.Look{Repo: "shop", At: at.Add(-time.Hour), State: "ok"})
	if l := looked(); !l.At.Equal(at) {
		t.Errorf("an older one than the stored: %+v", l)
	}
}
