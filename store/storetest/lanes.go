package storetest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

func effectsAreKept(t *testing.T, s Store) {
	ctx := t.Context()
	if err := s.Done(ctx, "r1", "hook", "ok"); !errors.Is(err, store.ErrNotIntended) {
		t.Errorf("done before intended: %v", err)
	}
	ok(t, s.Intend(ctx, "r1", "hook", []byte("first")))
	ok(t, s.Intend(ctx, "r1", "switch web1", nil))
	ok(t, s.Intend(ctx, "r2", "hook", nil))
	ok(t, s.Intend(ctx, "r1", "hook", []byte("second")))
	ok(t, s.Done(ctx, "r1", "hook", "exit 0"))
	ok(t, s.Intend(ctx, "r1", "hook", []byte("third")))

	all := must(s.Effects(ctx, "r1"))(t)
	if len(all) != 2 {
		t.Fatalf("effects %+v", all)
	}
	hook, open := all[0], all[1]
	if hook.Step != "hook" || string(hook.Payload) != "first" || hook.Result != "exit 0" || hook.Done.IsZero() || hook.Intended.IsZero() {
		t.Errorf("finished effect %+v", hook)
	}
	if open.Step != "switch web1" || !open.Done.IsZero() || open.Result != "" {
		t.Errorf("open effect %+v", open)
	}
}

func pinsStay(t *testing.T, s Store) {
	ctx := t.Context()
	if _, found, err := s.Pinned(ctx, shop(), "sha1", "img:1"); found || err != nil {
		t.Errorf("before: %t %v", found, err)
	}
	ok(t, s.Pin(ctx, shop(), "sha1", "img:1", "sha256:a"))
	ok(t, s.Pin(ctx, shop(), "sha1", "img:1", "sha256:moved"))
	ok(t, s.Pin(ctx, shop(), "sha2", "img:1", "sha256:b"))
	ok(t, s.Pin(ctx, release.Lane{Service: "shop"}, "sha1", "img:1", "sha256:c"))
	if digest, found, err := s.Pinned(ctx, shop(), "sha1", "img:1"); digest != "sha256:a" || !found || err != nil {
		t.Errorf("pinned %q %t %v", digest, found, err)
	}
	ok(t, s.Repin(ctx, shop(), "sha1", "img:1", "sha256:followed"))
	ok(t, s.Pin(ctx, shop(), "sha1", "img:1", "sha256:a"))
	for sha, want := range map[string]string{"sha1": "sha256:followed", "sha2": "sha256:b"} {
		if digest, found, err := s.Pinned(ctx, shop(), sha, "img:1"); digest != want || !found || err != nil {
			t.Errorf("pinned of %s again: %q %t %v", sha, digest, found, err)
		}
	}
}

func configsComeBack(t *testing.T, s Store) {
	body := []byte("{\"a\": 1}\x00\xff\n")
	ok(t, s.SaveConfig(t.Context(), "r1", []byte("old")))
	ok(t, s.SaveConfig(t.Context(), "r1", body))
	if got := must(s.Config(t.Context(), "r1"))(t); !bytes.Equal(got, body) {
		t.Errorf("config %q", got)
	}
	if _, err := s.Config(t.Context(), "r2"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("missing config: %v", err)
	}
}

func holdsLast(t *testing.T, s Store) {
	ctx := t.Context()
	if h := must(s.Held(ctx, shop()))(t); h != nil {
		t.Errorf("held before: %v", h)
	}
	since := time.Date(2026, 11, 23, 3, 12, 0, 0, time.UTC)
	ok(t, s.Hold(ctx, release.Hold{Lane: shop(), By: "bob", Since: since}))
	ok(t, s.Hold(ctx, release.Hold{Lane: shop(), By: "ana", Since: since, Why: "rollback"}))
	ok(t, s.Hold(ctx, release.Hold{Lane: release.Lane{Service: "blog"}, By: "ana"}))
	if h := must(s.Held(ctx, shop()))(t); h == nil || h.By != "ana" || h.Why != "rollback" || !h.Since.Equal(since) {
		t.Errorf("held: %v", h)
	}
	all := must(s.Holds(ctx))(t)
	if len(all) != 2 || all[0].Lane.Service != "blog" || all[0].Since.IsZero() {
		t.Errorf("holds: %+v", all)
	}
	ok(t, s.Unhold(ctx, shop()))
	ok(t, s.Unhold(ctx, shop()))
	if h := must(s.Held(ctx, shop()))(t); h != nil {
		t.Errorf("held after: %v", h)
	}
}

func cordonsLast(t *testing.T, s Store) {
	ctx := t.Context()
	since := time.Date(2026, 11, 23, 3, 12, 0, 0, time.UTC)
	ok(t, s.Cordon(ctx, release.Cordon{Host: "web2", By: "bob"}))
	ok(t, s.Cordon(ctx, release.Cordon{Host: "web2", By: "ana", Since: since, Why: "its disk fails"}))
	ok(t, s.Cordon(ctx, release.Cordon{Host: "web1", By: "ana"}))
	all := must(s.Cordons(ctx))(t)
	if len(all) != 2 || all[0].Host != "web1" || all[0].Since.IsZero() || all[1] != (release.Cordon{Host: "web2", By: "ana", Since: since, Why: "its disk fails"}) {
		t.Errorf("cordons: %+v", all)
	}
	ok(t, s.Uncordon(ctx, "web2"))
	ok(t, s.Uncordon(ctx, "web2"))
	if all := must(s.Cordons(ctx))(t); len(all) != 1 || all[0].Host != "web1" {
		t.Errorf("after one ended: %+v", all)
	}
}

func quarantinesLast(t *testing.T, s Store) {
	ctx := t.Context()
	ok(t, s.Quarantine(ctx, shop(), "one", "r1"))
	ok(t, s.Quarantine(ctx, shop(), "one", "r2"))
	ok(t, s.Quarantine(ctx, release.Lane{Service: "blog"}, "one", "r3"))
	if id, found, err := s.Quarantined(ctx, shop(), "one"); id != "r1" || !found || err != nil {
		t.Errorf("quarantined: %s %t %v", id, found, err)
	}
	if _, found, err := s.Quarantined(ctx, shop(), "two"); found || err != nil {
		t.Errorf("another identity: %t %v", found, err)
	}
	ok(t, s.LiftQuarantine(ctx, shop()))
	if _, found, err := s.Quarantined(ctx, shop(), "one"); found || err != nil {
		t.Errorf("lifted: %t %v", found, err)
	}
	if _, found, err := s.Quarantined(ctx, release.Lane{Service: "blog"}, "one"); !found || err != nil {
		t.Errorf("another lane was lifted too: %t %v", found, err)
	}
}

func adoptionsStay(t *testing.T, s Store) {
	ctx := t.Context()
	if found, err := s.Adopted(ctx, shop()); found || err != nil {
		t.Errorf("before: %t %v", found, err)
	}
	ok(t, s.Adopt(ctx, shop(), "ana"))
	ok(t, s.Adopt(ctx, shop(), "bob"))
	if found, err := s.Adopted(ctx, shop()); !found || err != nil {
		t.Errorf("after: %t %v", found, err)
	}
	if a := must(s.Adoption(ctx, shop()))(t); a.By != "ana" || a.At.IsZero() {
		t.Errorf("adoption %+v", a)
	}
}

func looksStay(t *testing.T, s Store) {
	ctx := t.Context()
	worked := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	ok(t, s.SaveLook(ctx, release.Look{Repo: "shop", At: worked, OKFrom: worked, State: "ok", Tip: "abc"}))
	ok(t, s.SaveLook(ctx, release.Look{Repo: "shop", At: worked.Add(time.Minute), State: "unreachable: no route"}))
	ok(t, s.SaveLook(ctx, release.Look{Repo: "blog", At: worked, State: "ok"}))
	all := must(s.Looks(ctx))(t)
	if len(all) != 2 || all[0].Repo != "blog" || all[1].State != "unreachable: no route" || !all[1].OKFrom.Equal(worked) {
		t.Errorf("looks %+v", all)
	}
}
