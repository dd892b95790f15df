package server

import (
	"bytes"
	"encoding/json"
	"flag"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

var update = flag.Bool("update", false, "rewrite golden files")

var now = time.Date(2026, 11, 23, 6, 15, 0, 0, time.UTC)

func openStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

func sha(digit string) string { return digit + "c1e0aa00000000000000000000000000000000f"[:39] }

// save puts a release in, minutes ago.
func save(t *testing.T, st *store.Store, ago int, r release.Release) release.ID {
	t.Helper()
	r.Queued = now.Add(-time.Duration(ago) * time.Minute)
	r.ID = release.NewID(r.Queued, r.Revision, uint16(ago))
	if r.Status.Terminal() {
		r.Started, r.Ended = r.Queued, r.Queued.Add(time.Minute)
	}
	if _, err := st.Save(t.Context(), r, release.Event{At: r.Queued, Message: string(r.Status)}); err != nil {
		t.Fatal(err)
	}
	return r.ID
}

// check stops the test at an error of its own preparation.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// populate makes a service for each state there is.
func populate(t *testing.T, st *store.Store) []string {
	t.Helper()
	ctx := t.Context()
	rev := func(repo, digit string) release.Revision {
		return release.Revision{Repo: repo, Ref: "refs/heads/main", SHA: sha(digit), Subject: "Change \x1b[31mthings"}
	}
	one := func(repo, destination string, ago int, digit string, status release.Status, more ...func(*release.Release)) {
		r := release.Release{Lane: release.Lane{Service: repo, Destination: destination}, Revision: rev(repo, digit), Status: status}
		for _, f := range more {
			f(&r)
		}
		save(t, st, ago, r)
	}
	one("shop", "production", 100, "9", release.Succeeded, func(r *release.Release) { r.Version = "v42" })
	one("shop", "staging", 90, "9", release.Succeeded)
	one("shop", "staging", 80, "9", release.Unchanged)
	one("shop", "staging", 70, "9", release.Superseded)
	one("blog", "", 300, "1", release.Succeeded)
	one("wiki", "", 200, "2", release.Succeeded)
	one("wiki", "", 20, "3", release.RolledBack, func(r *release.Release) {
		r.Failure = &release.Failure{Class: release.Verdict, Step: "health", Host: "web1", Message: "GET /up: 503\nthree times", Next: "`fairlead logs wiki` shows why it is unwell"}
	})
	one("mail", "", 50, "4", release.Waiting, func(r *release.Release) {
		r.Reason = "missing secret: SMTP_PASSWORD"
	})
	one("cart", "", 400, "5", release.Succeeded)
	one("cart", "", 2, "6", release.Switching)
	one("pay", "", 500, "7", release.Succeeded)
	one("pay", "", 10, "8", release.NeedsHuman, func(r *release.Release) { r.Reason = "web2 was lost while switching" })
	one("docs", "", 60, "1", release.Succeeded)
	one("gone", "", 61, "1", release.Succeeded)

	check(t, st.Hold(ctx, release.Hold{Lane: release.Lane{Service: "blog"}, By: "ana", Since: now.Add(-3 * time.Hour), Why: "black friday"}))
	for repo, tip := range map[string]string{"shop": "9", "blog": "9", "wiki": "3", "mail": "4", "cart": "6", "pay": "8", "docs": "2"} {
		look := release.Look{Repo: repo, At: now.Add(-4 * time.Second), Tip: sha(tip), State: "ok", OKFrom: now.Add(-4 * time.Second)}
		if repo == "pay" {
			look.State, look.OKFrom = "unreachable: connection refused", now.Add(-3*time.Hour)
		}
		check(t, st.SaveLook(ctx, look))
	}
	_, err := st.Raise(ctx, release.Event{At: now.Add(-time.Hour), Kind: release.EventAlert, Key: "disk web1", Message: "web1: disk 97 % full"})
	check(t, err)
	_, err = st.Raise(ctx, release.Event{At: now.Add(-time.Minute), Lane: release.Lane{Service: "shop", Destination: "production"}, Key: release.Newer + "tag/shop-production", Message: "the tag v42 names another image now"})
	check(t, err)
	return []string{"shop", "blog", "wiki", "mail", "cart", "pay", "docs", "new"}
}

func reader(st *store.Store, repos ...string) *Server {
	return &Server{streams: make(chan struct{}, 1), o: Options{Memory: st, Releases: st, Events: st, Repos: func() []string { return repos }, Log: slog.New(slog.DiscardHandler)}}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		check(t, os.WriteFile(name, got, 0o644))
	}
	want, err := os.ReadFile(name)
	check(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func TestTheStatusShowsEveryStateInTextJSONAndMetrics(t *testing.T) {
	st := openStore(t)
	status, err := reader(st, populate(t, st)...).look(t.Context(), now)
	check(t, err)
	var text bytes.Buffer
	check(t, status.WriteText(&text))
	golden(t, "testdata/status.txt", text.Bytes())
	for i := range status.Alerts {
		status.Alerts[i].Seq = 0
	}
	body, err := json.MarshalIndent(status, "", "  ")
	check(t, err)
	golden(t, "testdata/status.json", append(body, '\n'))
	golden(t, "testdata/metrics.txt", []byte(status.Metrics()))
}

func TestARollbackThatHasNotHappenedYetIsNotShownAsHeld(t *testing.T) {
	hold := release.Hold{By: "ana", Since: now, Why: "rollback v41"}
	failure := &release.Failure{Class: release.World, Message: "web1 is locked by joe"}
	const locked = "take lock: web1 is locked by joe"
	for name, c := range map[string]struct {
		cause   release.CauseKind
		reason  string
		failure *release.Failure
		want    State
	}{
		"a rollback that waits for a lock":       {release.CauseManual, locked, failure, Waiting},
		"an order that a later hold stops":       {release.CauseManual, hold.String() + "; Git says 9c1e0aa", failure, Held},
		"a resume that was held before it began": {release.CauseManual, hold.String(), nil, Held},
		"the newest commit":                      {release.CausePoll, locked, failure, Held},
	} {
		s := Service{Latest: &release.Release{Status: release.Waiting, Cause: release.Cause{Kind: c.cause}, Reason: c.reason, Failure: c.failure}}
		s.stand(&hold)
		if s.State != c.want {
			t.Errorf("%s is %q: %s", name, s.State, s.Reason)
		}
		if s.State == Waiting && (!strings.Contains(s.Reason, "locked by joe") || !strings.Contains(s.Reason, "rollback v41")) {
			t.Errorf("%s: %s", name, s.Reason)
		}
	}
}

func TestTheStatusNamesTheCommitThatRuns(t *testing.T) {
	lane := release.Lane{Service: "shop"}
	for name, c := range map[string]struct {
		newest release.Release
		hold   bool
		want   string
	}{
		"the newest":                           {release.Release{Status: release.Succeeded, Identity: "c"}, false, "3"},
		"what a person went back to":           {release.Release{Status: release.Succeeded, Identity: "a", Cause: release.Cause{Kind: release.CauseManual}}, true, "1"},
		"a version under today's deploy.yml":   {release.Release{Status: release.Succeeded, Identity: "d", Cause: release.Cause{Kind: release.CauseManual}}, true, "3"},
		"a commit that changed nothing":        {release.Release{Status: release.Unchanged, Identity: "b"}, false, "3"},
		"the one before one that did not work": {release.Release{Status: release.RolledBack, Identity: "c"}, false, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			st := openStore(t)
			for i, r := range []release.Release{{Status: release.Succeeded, Identity: "a"}, {Status: release.Succeeded, Identity: "b"}, c.newest} {
				r.Lane, r.Revision = lane, release.Revision{Repo: "shop", SHA: sha(string(rune('1' + i)))}
				save(t, st, 30-i, r)
			}
			if c.hold {
				check(t, st.Hold(t.Context(), release.Hold{Lane: lane, By: "ana", Since: now}))
			}
			status, err := reader(st, "shop").look(t.Context(), now)
			check(t, err)
			if got := status.Services[0]; got.Commit != sha(c.want) || !strings.HasPrefix(got.running(), c.want) {
				t.Errorf("it says %s, shown as %s", got.Commit, got.running())
			}
		})
	}
}

func TestTheFirstLineSaysItAll(t *testing.T) {
	services := func(states ...State) []Service {
		var list []Service
		for _, s := range states {
			list = append(list, Service{State: s})
		}
		return list
	}
	looked := func(ago time.Duration, state string) []Repository {
		return []Repository{{State: state, Looked: now.Add(-ago)}, {State: "not looked at yet"}}
	}
	for _, tt := range []struct {
		status Status
		want   string
	}{
		{Status{Services: make([]Service, 0)}, "no services yet; not looked yet"},
		{Status{Services: services(OnCommit), Repositories: looked(0, "ok")}, "1 service, on its commit; last look 0 s ago"},
		{Status{Services: services(OnCommit, OnCommit), Repositories: looked(4*time.Second, "ok")}, "2 services, all on their commit; last look 4 s ago"},
		{Status{Services: services(OnCommit, Held, Held, NeedHuman, NeedHuman, Failed), Repositories: looked(5*time.Minute, "ok")},
			"6 services: 1 on its commit, 2 held, 1 failed, 2 need a person; last look 5 min ago"},
		{Status{Services: services(Behind), Repositories: looked(3*time.Hour, "unreachable"), Alerts: make([]release.Event, 2)},
			"1 service: 1 behind; 1 repository cannot be followed; 2 alerts; last look 3 h ago"},
		{Status{Services: services(OnCommit, OnCommit), Repositories: looked(72*time.Hour, "ok")}, "2 services, all on their commit; last look 3 days ago"},
	} {
		tt.status.At = now
		if got := summary(tt.status); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestForeignTextCannotDriveATerminal(t *testing.T) {
	if got, want := plain("a\x1b[2J\nb\u202ec\u2028d\u009be\tf ö"), "a [2J b c d e f ö"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
}

func TestALabelCannotEndItself(t *testing.T) {
	if got, want := label("a\"b\\c\nd"), `"a\"b\\c\nd"`; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}
