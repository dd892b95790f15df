package buttons

import (
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify/slack"
	"github.com/fairlead-deploy/fairlead/notify/slack/slacktest"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server"
	"github.com/fairlead-deploy/fairlead/store"
)

func made(id, version, identity string, s release.Status) release.Release {
	return release.Release{ID: release.ID(id), Lane: release.Lane{Service: "shop"}, Revision: release.Revision{Repo: "shop", SHA: "9c1e0aa5d2"},
		Version: version, Identity: identity, Status: s}
}

func TestAnOrderOfAButtonIsRefusedWhereItsReleaseIsNotTheNewest(t *testing.T) {
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d := Orders{Store: s}
	save := func(r release.Release) {
		t.Helper()
		if _, err := s.Save(t.Context(), r, release.Event{At: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(o release.Order, want string) {
		t.Helper()
		if _, err := d.Order(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %q", o, err, want)
		}
	}
	o := release.Order{Action: release.ActionResume, Release: "r1", Repo: "shop", Lane: release.Lane{Service: "shop"}, Actor: "ana (U1)"}
	refused(o, "does not know that release of shop")
	save(made("r1", "v12", "a", release.Succeeded))
	refused(o, "nobody holds shop") // it is the newest
	for _, other := range []release.Order{{Release: "r1", Repo: "blog", Lane: o.Lane}, {Release: "r1", Repo: "shop", Lane: release.Lane{Service: "shop", Destination: "eu"}}} {
		refused(other, "the button is not of that release")
	}
	save(made("r2", "v12", "a", release.Unchanged))
	save(made("r3", "v13", "b", release.Superseded))
	refused(o, "nobody holds shop") // what came to nothing does not count
	save(made("r4", strings.Repeat("1234567890", 4), "b", release.RolledBack))
	refused(o, "v12 is no longer the newest: 1234567 of shop was rolled back; use the buttons of its message")
}

func TestWhatAButtonAsksForIsOrderedOrRefusedWithAReason(t *testing.T) {
	hold := &release.Hold{By: "bob", Since: time.Date(2026, 11, 23, 3, 12, 0, 0, time.UTC)}
	v40, v41, v42 := made("r40", "v40", "a", release.Succeeded), made("r41", "v41", "b", release.Succeeded), made("r42", "v42", "c", release.Succeeded)
	v41again := made("r43", "v41", "d", release.Succeeded)
	open := made("r44", "v44", "e", release.Watching)
	openSame := made("r45", "v42", "e", release.Watching)
	kamal := v42
	kamal.Previous = "v7"
	waits := made("r46", "v46", "f", release.Waiting)
	waits.Reason = "first contact with web1"
	quarantined := waits
	quarantined.Reason = "quarantined: same image"
	for name, tt := range map[string]struct {
		action  release.Action
		r       release.Release
		held    *release.Hold
		good    []release.Release
		version string
		want    string // what, or the reason
		refused bool
	}{
		"back from what is live":               {release.ActionRollback, v42, nil, []release.Release{v42, v41, v40}, "v41", "a rollback of shop to v41", false},
		"back while held":                      {release.ActionRollback, v42, hold, []release.Release{v42, v41}, "v41", "a rollback of shop to v41", false},
		"back by configuration alone":          {release.ActionRollback, v41again, nil, []release.Release{v41again, v41}, "", "a rollback of shop to v41", false},
		"back to what Kamal ran":               {release.ActionRollback, kamal, nil, []release.Release{kamal}, "v7", "a rollback of shop to v7", false},
		"back from the first":                  {release.ActionRollback, v42, nil, []release.Release{v42}, "", "no earlier release of shop worked", true},
		"back from what is being rolled out":   {release.ActionRollback, open, nil, []release.Release{v42, v41}, "v42", "a rollback of shop to v42", false},
		"back where the versions are the same": {release.ActionRollback, openSame, nil, []release.Release{v42, v41}, "", "wait until it has ended", true},
		"back from a mixed fleet":              {release.ActionRollback, made("r47", "v42", "g", release.NeedsHuman), nil, []release.Release{v42, v41}, "v42", "a rollback of shop to v42", false},
		"try again what failed":                {release.ActionRetry, made("r48", "v48", "h", release.RolledBack), nil, nil, "", "another try of shop", false},
		"try again what is quarantined":        {release.ActionRetry, quarantined, nil, nil, "", "another try of shop", false},
		"no way round the first contact":       {release.ActionRetry, waits, nil, nil, "", "v46 waits for something else: first contact with web1", true},
		"try again what works":                 {release.ActionRetry, v42, nil, nil, "", "v42 did not fail", true},
		"no way round a hold":                  {release.ActionRetry, made("r48", "v48", "h", release.Failed), hold, nil, "", "shop is held by bob since 2026-11-23 03:12 UTC; resume it first", true},
		"hold":                                 {release.ActionHold, v42, nil, nil, "", "a hold on shop", false},
		"hold what is held":                    {release.ActionHold, v42, hold, nil, "", "shop is held by bob since 2026-11-23 03:12 UTC already", true},
		"resume":                               {release.ActionResume, v42, hold, nil, "", "an end of the hold on shop", false},
		"resume what nobody holds":             {release.ActionResume, v42, nil, nil, "", "nobody holds shop; it follows Git", true},
		"something that no button says":        {"deploy", v42, nil, nil, "", "nothing that can be asked for", true},
	} {
		ask := release.Order{Action: tt.action, Release: tt.r.ID, Repo: "shop", Lane: tt.r.Lane, Actor: "ana (U1)"}
		order, what, err := decide(ask, tt.r, tt.held, tt.good)
		if err != nil {
			what = err.Error()
		}
		if (err != nil) != tt.refused || !strings.Contains(what, tt.want) {
			t.Errorf("%s: %q, %v", name, what, err)
		}
		if err == nil && (order.Version != tt.version || order.Repo != "shop" || order.Actor != "ana (U1)" || order.Action != server.Action(tt.action)) {
			t.Errorf("%s: ordered %+v", name, order)
		}
	}
}

// withSlack is a configuration that has a channel with buttons.
func withSlack(t *testing.T, base, appToken string) *config.Config {
	t.Helper()
	t.Setenv("TEST_SLACK_APP", appToken)
	c, err := config.Parse("fairlead.yml", t.TempDir(), []byte(`
repositories: {}
notify:
  - name: ops
    slack: { token: { env: TEST_SLACK_BOT }, channel: "#deploys", app_token: { env: TEST_SLACK_APP }, users: [U012ABC4D], api: "`+base+`" }
`))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAnAppTokenOfAnotherKindIsRefusedAtTheStart(t *testing.T) {
	c := withSlack(t, "http://127.0.0.1:1", slacktest.BotToken)
	_, err := Apps(t.Context(), c, Options{Log: slog.New(slog.DiscardHandler), Bots: map[string]*slack.Bot{"ops": bot(t, "ops")}})
	if err == nil || !strings.Contains(err.Error(), "notify ops: read app_token") || strings.Contains(err.Error(), slacktest.BotToken) {
		t.Errorf("got %v", err)
	}
}

func bot(t *testing.T, name string) *slack.Bot {
	t.Helper()
	b, err := slack.NewBot(slack.Config{Name: name, Token: secret.New(slacktest.BotToken), Channel: "#deploys"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestChannelsOfOneSlackAppShareItsConnection(t *testing.T) {
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	t.Setenv("TEST_SLACK_APP", slacktest.AppToken)
	t.Setenv("TEST_SLACK_APP2", slacktest.AppToken+"-2")
	c, err := config.Parse("fairlead.yml", t.TempDir(), []byte(`
repositories: {}
notify:
  - { name: a, slack: { token: { env: B }, channel: "#a", app_token: { env: TEST_SLACK_APP }, users: [U012ABC4D] } }
  - { name: b, slack: { token: { env: B }, channel: "#b", app_token: { env: TEST_SLACK_APP }, users: [U012ABC4D] } }
  - { name: c, slack: { token: { env: B }, channel: "#c", app_token: { env: TEST_SLACK_APP2 }, users: [U012ABC4D] } }
  - { name: d, slack: { token: { env: B }, channel: "#d" } }
`))
	if err != nil {
		t.Fatal(err)
	}
	apps, err := Apps(t.Context(), c, Options{Store: s, Log: slog.New(slog.DiscardHandler), Bots: map[string]*slack.Bot{"a": bot(t, "a"), "b": bot(t, "b"), "c": bot(t, "c")}})
	if err != nil || len(apps) != 2 || !slices.Equal(apps[0].channels, []string{"a", "b"}) || !slices.Equal(apps[1].channels, []string{"c"}) {
		t.Errorf("%d apps, %v", len(apps), err)
	}
}

func TestATestOfTheButtonsSaysWhetherSlackIsReached(t *testing.T) {
	s := slacktest.Start()
	defer s.Close()
	c := withSlack(t, s.Base, slacktest.AppToken)
	if has, err := Try(t.Context(), c, "ops"); !has || err != nil {
		t.Errorf("%t, %v", has, err)
	}
	if has, err := Try(t.Context(), c, "other"); has || err != nil {
		t.Errorf("a channel that is not there: %t, %v", has, err)
	}
	s.Deny("apps.connections.open", "missing_scope")
	if has, err := Try(t.Context(), c, "ops"); !has || err == nil || !strings.Contains(err.Error(), "; give the app-level token the scope connections:write") {
		t.Errorf("without the scope: %v", err)
	}
}

func TestButtonsThatDoNotWorkAreAnAlertUntilTheyDoOrAreGone(t *testing.T) {
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "data"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	o := Options{Store: s, Log: slog.New(slog.DiscardHandler)}
	open := func(want int) {
		t.Helper()
		if alerts, err := s.Alerts(t.Context()); err != nil || len(alerts) != want {
			t.Errorf("%d alerts, want %d (%v)", len(alerts), want, err)
		}
	}
	tell := o.tell([]string{"ops", "on-call"})
	tell(t.Context(), nil)
	open(0)
	tell(t.Context(), errors.New("slack answered missing_scope"))
	tell(t.Context(), errors.New("slack answered missing_scope"))
	open(2)
	o.forget(t.Context(), []*App{{channels: []string{"ops"}}})
	open(1)
	tell(t.Context(), nil)
	open(0)
}
