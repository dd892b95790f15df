package watcher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
)

// fake is a remote whose state a test sets.
type fake struct {
	mu      sync.Mutex
	sha     string
	parents []string
	err     error
	slow    time.Duration // how long a listing takes
	trickle time.Duration // how long a fetch takes
	lists   []time.Time
	fetches int
}

func (f *fake) Tip(ctx context.Context, ref string) (mirror.Tip, error) {
	f.mu.Lock()
	slow := f.slow
	f.lists = append(f.lists, time.Now())
	f.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return mirror.Tip{}, context.Cause(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return mirror.Tip{Ref: "refs/heads/" + ref, SHA: f.sha}, exploding(f.err)
}

func (f *fake) Fetch(ctx context.Context, t mirror.Tip, _ []string) (mirror.Snapshot, error) {
	f.mu.Lock()
	trickle := f.trickle
	f.mu.Unlock()
	select {
	case <-time.After(trickle):
	case <-ctx.Done():
		return mirror.Snapshot{}, context.Cause(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fetches++
	return mirror.Snapshot{
		Revision: release.Revision{SHA: t.SHA, Ref: t.Ref}, Parents: f.parents,
		Files: fstest.MapFS{"deploy.yml": {Data: []byte(t.SHA)}},
	}, f.err
}

func (f *fake) set(sha string, err error, parents ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sha, f.err, f.parents = sha, err, parents
}

func (f *fake) listed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.lists)
}

// world is a watcher in a bubble with its deployer, store and log.
type world struct {
	*watcher.Watcher
	remotes map[string]*fake
	mu      sync.Mutex
	got     []string // "cause sha", as submitted
	at      []time.Time
	details []string
	looks   []release.Look
	refuse  error // Submit's answer
	log     bytes.Buffer
}

func (w *world) Submit(_ context.Context, r release.Request, _ fs.FS) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, string(r.Cause.Kind)+" "+r.Revision.SHA)
	w.at = append(w.at, time.Now())
	w.details = append(w.details, r.Cause.Detail)
	return exploding(w.refuse)
}

func (w *world) SaveLook(_ context.Context, l release.Look) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks = append(w.looks, l)
	return nil
}

func (w *world) submitted() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.got)
}

func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got, w.at, w.details = nil, nil, nil
}

// want checks what was submitted since the last time and forgets it.
func (w *world) want(t *testing.T, what ...string) {
	t.Helper()
	synctest.Wait()
	if got := w.submitted(); !slices.Equal(got, what) {
		t.Errorf("submitted %q, want %q", got, what)
	}
	w.forget()
}

// bubble runs a watcher over fake remotes in fake time.
func bubble(t *testing.T, repos []watcher.Repository, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{remotes: map[string]*fake{}}
		open := func(r watcher.Repository) (watcher.Remote, error) {
			if strings.HasPrefix(r.URL, "bad") {
				return nil, errors.New("bad address")
			}
			if w.remotes[r.Name] == nil {
				w.remotes[r.Name] = &fake{sha: "a"}
			}
			return w.remotes[r.Name], nil
		}
		made, err := watcher.New(watcher.Options{
			Submitter: w, Looks: w, Open: open, Random: func() float64 { return 0.5 },
			Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		}, repos)
		if err != nil {
			t.Fatal(err)
		}
		w.Watcher = made
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		synctest.Wait()
		test(t, w)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func shop() []watcher.Repository {
	return []watcher.Repository{{Name: "shop", Branch: "main", Poll: 10 * time.Second, Reconcile: -1}}
}

func TestAnUnchangedTipIsListedAndNotSubmitted(t *testing.T) {
	bubble(t, shop(), func(t *testing.T, w *world) {
		w.want(t, "start a")
		time.Sleep(time.Minute + time.Second)
		w.want(t)
		if n := w.remotes["shop"].listed(); n != 7 {
			t.Errorf("%d listings in a minute, want 7", n)
		}
		if w.remotes["shop"].fetches != 1 {
			t.Errorf("%d fetches, want 1", w.remotes["shop"].fetches)
		}
		w.remotes["shop"].set("b", nil, "a")
		time.Sleep(10 * time.Second)
		w.want(t, "poll b")
	})
}

func TestAHundredTriggersWhileLookingAreOneMoreLook(t *testing.T) {
	bubble(t, shop(), func(t *testing.T, w *world) {
		w.want(t, "start a")
		time.Sleep(2 * time.Second)
		f := w.remotes["shop"]
		f.mu.Lock()
		f.slow = 3 * time.Second
		f.mu.Unlock()
		before := f.listed()
		for range 100 {
			w.Trigger("shop", release.Cause{Kind: release.CauseWebhook})
		}
		time.Sleep(time.Second)
		called := time.Now()
		for range 100 {
			w.Trigger("shop", release.Cause{Kind: release.CauseWebhook})
		}
		if waited := time.Since(called); waited != 0 {
			t.Errorf("who calls waits %s for the look", waited)
		}
		time.Sleep(8 * time.Second)
		if got := f.listed() - before; got != 2 {
			t.Errorf("%d looks, want 2", got)
		}
		w.want(t)
	})
}

func TestAFloodOfTriggersIsAtMostOneLookPerSecond(t *testing.T) {
	bubble(t, shop(), func(t *testing.T, w *world) {
		before := w.remotes["shop"].listed()
		for range 1_000 {
			w.Trigger("shop", release.Cause{Kind: release.CauseWebhook})
			time.Sleep(10 * time.Millisecond)
		}
		if got := w.remotes["shop"].listed() - before; got < 8 || got > 11 {
			t.Errorf("%d looks in ten seconds, want about 10", got)
		}
	})
}

func TestOfManyCausesThePersonsIsTheOneThatCounts(t *testing.T) {
	bubble(t, shop(), func(t *testing.T, w *world) {
		w.want(t, "start a")
		w.Trigger("shop", release.Cause{Kind: release.CauseWebhook})
		w.Trigger("shop", release.Cause{Kind: release.CauseManual, Actor: "ana"})
		w.Trigger("shop", release.Cause{Kind: release.CauseWebhook})
		time.Sleep(2 * time.Second)
		w.want(t, "manual a")
	})
}

func TestATriggerForAnUnknownRepositoryIsRefused(t *testing.T) {
	bubble(t, shop(), func(t *testing.T, w *world) {
		if w.Trigger("nobody", release.Cause{}) {
			t.Error("accepted")
		}
	})
}

func TestAnUnchangedTipIsSubmittedAgainAtTheReconcileInterval(t *testing.T) {
	repos := shop()
	repos[0].Reconcile = 5 * time.Minute
	bubble(t, repos, func(t *testing.T, w *world) {
		w.want(t, "start a")
		time.Sleep(16 * time.Minute)
		w.want(t, "reconcile a", "reconcile a", "reconcile a")
		if w.remotes["shop"].fetches != 1 {
			t.Errorf("%d fetches, want 1: the snapshot is kept", w.remotes["shop"].fetches)
		}
	})
}

func TestWhileGitIsAwayTheLastCommitIsStillReconciled(t *testing.T) {
	repos := shop()
	repos[0].Reconcile = 5 * time.Minute
	bubble(t, repos, func(t *testing.T, w *world) {
		w.want(t, "start a")
		w.remotes["shop"].set("", &mirror.Trouble{Kind: mirror.ErrUnreachable, Says: "no route"})
		time.Sleep(11 * time.Minute)
		w.want(t, "reconcile a", "reconcile a")
	})
}

func TestWhileACommitIsFetchedForLongTheLastOneIsStillReconciled(t *testing.T) {
	repos := shop()
	repos[0].Reconcile = 3 * time.Minute
	bubble(t, repos, func(t *testing.T, w *world) {
		w.want(t, "start a")
		f := w.remotes["shop"]
		f.mu.Lock()
		f.sha, f.parents, f.trickle = "b", []string{"a"}, 10*time.Minute
		f.mu.Unlock()
		time.Sleep(10 * time.Minute)
		w.want(t, "reconcile a", "reconcile a", "reconcile a")
		time.Sleep(time.Minute)
		w.want(t, "poll b")
		time.Sleep(5 * time.Minute)
		w.want(t, "reconcile b", "reconcile b")
	})
}

func TestErrorsBackOffAndAreLoggedOnceAndOneRecovery(t *testing.T) {
	bubble(t, shop(), func(t *testing.T, w *world) {
		w.want(t, "start a")
		f := w.remotes["shop"]
		for n := range 3 { // the text varies, the kind does not
			f.set("a", &mirror.Trouble{Kind: mirror.ErrUnreachable, Says: fmt.Sprintf("port %d", n)})
			time.Sleep(20 * time.Minute)
		}
		f.mu.Lock()
		var gaps []time.Duration
		for i := 2; i < len(f.lists); i++ {
			gaps = append(gaps, f.lists[i].Sub(f.lists[i-1]).Round(time.Millisecond))
		}
		f.mu.Unlock()
		// Half of 5 s, 10 s, … fixed and half of the rest random, here 0.5.
		want := []time.Duration{3750 * time.Millisecond, 7500 * time.Millisecond, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 225 * time.Second, 225 * time.Second}
		if len(gaps) < len(want) || !slices.Equal(gaps[:len(want)], want) {
			t.Errorf("waits = %v, want %v …", gaps, want)
		}
		f.set("b", nil, "a")
		time.Sleep(4 * time.Minute)
		w.want(t, "poll b")
		log := w.log.String()
		if strings.Count(log, "could not be read") != 1 || strings.Count(log, "could be read again") != 1 {
			t.Errorf("log:\n%s", log)
		}
	})
}

func TestATriggerEndsABackoff(t *testing.T) {
	bubble(t, shop(), func(t *testing.T, w *world) {
		w.want(t, "start a")
		w.remotes["shop"].set("", errors.New("down"))
		time.Sleep(30 * time.Minute)
		w.remotes["shop"].set("b", nil, "a")
		w.Trigger("shop", release.Cause{Kind: release.CauseWebhook})
		time.Sleep(time.Second)
		w.want(t, "webhook b")
	})
}

func TestAServerThatAsksForPeaceGetsIt(t *testing.T) {
	bubble(t, shop(), func(t *testing.T, w *world) {
		f := w.remotes["shop"]
		f.set("", &mirror.Trouble{Kind: mirror.ErrUnreachable, Says: "429", RetryAfter: 20 * time.Minute})
		time.Sleep(11 * time.Second)
		before := f.listed()
		time.Sleep(19 * time.Minute)
		if got := f.listed() - before; got != 0 {
			t.Errorf("%d looks in the time asked for", got)
		}
	})
}

func TestADeletedBranchRemovesNothingAndIsPolledAsUsual(t *testing.T) {
	bubble(t, shop(), func(t *testing.T, w *world) {
		w.want(t, "start a")
		f := w.remotes["shop"]
		f.set("", &mirror.Trouble{Kind: mirror.ErrRefMissing, Says: "gone"})
		time.Sleep(time.Hour)
		w.want(t)
		last := w.looks[len(w.looks)-1]
		if last.State != "branch missing: gone" || last.Tip != "" || last.OKFrom.IsZero() || last.OKFrom.After(last.At.Add(-50*time.Minute)) {
			t.Errorf("look = %+v", last)
		}
		f.set("b", nil)
		time.Sleep(11 * time.Second)
		w.want(t, "poll b")
	})
}

func TestAForcePushIsFollowedAndNoted(t *testing.T) {
	for name, c := range map[string]struct {
		steps [][]string // sha, parents…
		want  string
	}{
		"a push":             {[][]string{{"b1", "a1"}, {"c1", "b1"}}, ""},
		"several commits":    {[][]string{{"b1", "a1"}, {"e1", "d1"}}, ""},
		"a rewind":           {[][]string{{"b1", "a1"}, {"c1", "b1"}, {"b1", "a1"}}, "rewound from c1"},
		"to an unseen one":   {[][]string{{"d1", "c1"}, {"c1", "b1"}}, "rewound from d1"},
		"an amended commit":  {[][]string{{"b1", "a1"}, {"b2", "a1"}}, "force-pushed over b1"},
		"a new root":         {[][]string{{"b1", "a1"}, {"x1"}}, "force-pushed over b1"},
		"a merge of the old": {[][]string{{"b1", "a1"}, {"m1", "z1", "b1"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, shop(), func(t *testing.T, w *world) {
				for _, s := range c.steps {
					w.remotes["shop"].set(s[0], nil, s[1:]...)
					time.Sleep(11 * time.Second)
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				if got := w.details[len(w.details)-1]; got != c.want {
					t.Errorf("detail = %q, want %q", got, c.want)
				}
			})
		})
	}
}

func TestACommitThatWasNotTakenIsOfferedAgain(t *testing.T) {
	bubble(t, shop(), func(t *testing.T, w *world) {
		w.want(t, "start a")
		w.mu.Lock()
		w.refuse = errors.New("busy")
		w.mu.Unlock()
		w.remotes["shop"].set("b", nil, "a")
		time.Sleep(time.Minute)
		synctest.Wait()
		tries := len(w.submitted())
		if tries < 3 || tries > 5 {
			t.Errorf("%d tries in a minute, want backoff", tries)
		}
		w.mu.Lock()
		w.refuse = nil
		w.mu.Unlock()
		w.forget()
		time.Sleep(2 * time.Minute)
		w.want(t, "poll b")
		time.Sleep(time.Hour)
		w.want(t)
		if n := strings.Count(w.log.String(), "was not taken"); n != 1 {
			t.Errorf("logged %d times", n)
		}
	})
}

func TestAHungRemoteIsGivenUpAndHoldsUpNobody(t *testing.T) {
	repos := append(shop(), watcher.Repository{Name: "stuck", Branch: "main", Poll: 10 * time.Second, Reconcile: -1})
	bubble(t, repos, func(t *testing.T, w *world) {
		time.Sleep(5 * time.Second)
		f := w.remotes["stuck"]
		f.mu.Lock()
		f.slow = 24 * time.Hour
		f.mu.Unlock()
		w.forget()
		healthy, stuck := w.remotes["shop"].listed(), f.listed()
		time.Sleep(10 * time.Minute)
		if got := w.remotes["shop"].listed() - healthy; got != 60 {
			t.Errorf("the healthy one was listed %d times in ten minutes, want 60", got)
		}
		if got := f.listed() - stuck; got < 2 {
			t.Errorf("the hung one was tried %d times, want it to be given up and tried again", got)
		}
	})
}

func TestACronScheduleLooksInItsTimeZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	repos := []watcher.Repository{{Name: "shop", Branch: "main", Schedule: "30 9 * * *", Zone: berlin, Reconcile: -1}}
	bubble(t, repos, func(t *testing.T, w *world) { // begins 2000-01-01 00:00 UTC
		w.want(t, "start a")
		w.remotes["shop"].set("b", nil, "a")
		time.Sleep(8*time.Hour + 29*time.Minute)
		w.want(t)
		time.Sleep(2 * time.Minute)
		w.want(t, "schedule b")
	})
}

func TestReloadAddsRemovesAndChangesWithoutDisturbingTheRest(t *testing.T) {
	bubble(t, append(shop(), watcher.Repository{Name: "old", Branch: "main", Poll: 10 * time.Second}), func(t *testing.T, w *world) {
		time.Sleep(2 * time.Second)
		w.forget()
		if err := w.Reload(append(shop(), watcher.Repository{Name: "new", Branch: "main"})); err != nil {
			t.Fatal(err)
		}
		w.want(t, "start a") // of new alone
		gone := w.remotes["old"].listed()
		time.Sleep(time.Minute)
		if w.remotes["old"].listed() != gone || w.Trigger("old", release.Cause{}) {
			t.Error("a removed repository is still looked at")
		}
		changed := shop()
		changed[0].Branch = "production"
		if err := w.Reload(changed); err != nil {
			t.Fatal(err)
		}
		w.want(t, "start a")
		err := w.Reload([]watcher.Repository{{Name: "x", URL: "bad"}, {Name: "y", Schedule: "often"}, {Name: "z"}, {Name: "z"}})
		for _, says := range []string{"repository x: bad address", "repository y: parse schedule", "repository z: named twice"} {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("error = %v, want %q in it", err, says)
			}
		}
		if !w.Trigger("shop", release.Cause{Kind: release.CauseManual}) {
			t.Error("a failed reload took the old repositories away")
		}
		time.Sleep(2 * time.Second)
		w.want(t, "manual a")
	})
}

func TestLooksOfAQuietRepositoryAreSavedOnceAMinute(t *testing.T) {
	bubble(t, shop(), func(t *testing.T, w *world) {
		time.Sleep(10*time.Minute + time.Second)
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := len(w.looks); n < 10 || n > 11 {
			t.Errorf("%d looks saved in ten minutes, want one a minute", n)
		}
	})
}
