package show_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/show"
	"github.com/fairlead-deploy/fairlead/release"
)

// update writes the golden files anew; read the difference before committing it.
var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func moment(clock string) time.Time {
	at, err := time.Parse(time.DateTime, "2026-11-23 "+clock)
	if err != nil {
		panic(err)
	}
	return at
}

var (
	shop     = release.Lane{Service: "shop", Destination: "production"}
	revision = release.Revision{
		Repo: "shop", Ref: "refs/heads/main", SHA: "9c1e0aa5d2f0000000000000000000000000abcd",
		Author: "Ana Lee <ana@example.com>", Subject: "Fix the cart",
	}
)

func replaced(host, role, field, was, want string) release.Change {
	return release.Change{Host: host, Role: role, Step: "replace container", Field: field, Was: was, Want: want}
}

// onHost is a new version with one more setting on one host.
func onHost(host string) []release.Change {
	return []release.Change{
		replaced(host, "web", "image", "shop:v1", "shop:v2"),
		replaced(host, "web", "env.KAMAL_CONTAINER_NAME", "shop-web-v1", "shop-web-v2"),
		replaced(host, "web", "env.KAMAL_VERSION", "v1", "v2"),
		replaced(host, "web", "env.RAILS_MASTER_KEY", "[redacted]", "[redacted]"),
		{Host: host, Role: "web", Step: "switch route", Field: "route", Was: "shop-web-v1", Want: "shop-web-v2"},
		replaced(host, "worker", "env.QUEUES", "", "mail,default"),
	}
}

func changing() release.Plan {
	p := release.Plan{
		Lane: shop, Revision: revision, Version: "v2", Image: "shop",
		Changes: append(append(onHost("web1"), onHost("web2")...), release.Change{Host: "web3", Role: "web", Step: "create container", Want: "shop-web-v2"}),
		Steps:   []string{"web1: pull shop:v2", "web1: create shop-web-v2", "web1: switch shop-web to shop-web-v2"},
	}
	for _, h := range []string{"web1", "web2", "web3", "web4"} {
		p.Units = append(p.Units, release.PlannedUnit{Host: h, Role: "web", Kind: "proxied"})
	}
	p.Units = append(p.Units, release.PlannedUnit{Host: "web1", Role: "worker", Kind: "stop-first", Why: "publishes a port"})
	return p
}

func TestAPlanSaysPerHostAndRoleWhatChangesAndWhichFieldIsWhy(t *testing.T) {
	p := changing()
	golden(t, "plan.txt", show.Style{}.Plan(p, false))
	golden(t, "plan-colour.txt", show.Style{Colour: true}.Plan(p, false))
	p.Waits = "held by ana since 2026-11-23 03:12 UTC"
	p.Warnings = []string{"config/deploy.yml:6:10: sshkit: not used by Fairlead"}
	p.Hooks = []string{"pre-deploy on web1: bin/rails db:migrate", "post-deploy on web1: bin/rails cache:clear"}
	golden(t, "plan-verbose.txt", show.Style{}.Plan(p, true))
}

func TestAPlanWithNothingToDoIsOneLine(t *testing.T) {
	p := release.Plan{Lane: shop, Revision: revision, Version: revision.SHA}
	if got := (show.Style{}).Plan(p, false); got != "shop-production: nothing to do; the servers run 9c1e0aa \"Fix the cart\"\n" {
		t.Errorf("got %q", got)
	}
}

func TestAPlanNamesWhatIsNewerAndWouldNotBeBrought(t *testing.T) {
	p := release.Plan{Lane: shop, Revision: revision, Version: revision.SHA, Newer: []string{"the tag v1 names another image now"}}
	if got := (show.Style{}).Plan(p, false); !strings.Contains(got, "nothing to do") || !strings.HasSuffix(got, "\nNewer available\n  the tag v1 names another image now\n") {
		t.Errorf("got %q", got)
	}
}

func TestWhatAnotherChangeExplainsIsFoldedAway(t *testing.T) {
	fields := func(list []release.Change) string {
		var names []string
		for _, c := range list {
			names = append(names, c.Role+" "+c.Field)
		}
		return strings.Join(names, ", ")
	}
	for name, tt := range map[string]struct {
		given []release.Change
		want  string
	}{
		"by the image": {onHost("h"), "web image, web env.RAILS_MASTER_KEY, web route, worker env.QUEUES"},
		"by the version": {[]release.Change{
			replaced("h", "web", "env.KAMAL_CONTAINER_NAME", "a", "b"), replaced("h", "web", "env.KAMAL_VERSION", "1", "2"),
		}, "web version"},
		"but not by another role's": {[]release.Change{
			replaced("h", "web", "image", "a", "b"), replaced("h", "worker", "env.KAMAL_CONTAINER_NAME", "1", "2"),
		}, "web image, worker env.KAMAL_CONTAINER_NAME"},
		"and not where nothing explains it": {[]release.Change{
			replaced("h", "web", "env.KAMAL_CONTAINER_NAME", "a", "b"),
		}, "web env.KAMAL_CONTAINER_NAME"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fields(show.Fold(tt.given)); got != tt.want {
				t.Errorf("got %s; want %s", got, tt.want)
			}
		})
	}
}

// failed is a release that died of hunger on one host.
func failed() release.Release {
	code := 137
	return release.Release{
		ID: "20261123-061502-9c1e0aa-3f2a", Lane: shop, Revision: revision, Cause: release.Cause{Kind: release.CauseWebhook},
		Status: release.RolledBack, Reason: "v2 failed; back on v1 on 2 hosts", Version: "v2", Image: "registry.example.com/shop",
		Digest: "sha256:1234", Previous: "v1", Queued: moment("06:15:02"), Started: moment("06:15:03"), Ended: moment("06:15:45"),
		Hosts:   []release.HostOutcome{{Host: "web1", State: "old"}, {Host: "web2", State: "old"}},
		Changes: onHost("web1"),
		Failure: &release.Failure{
			Class: release.Verdict, Step: "health", Host: "web1", Role: "web", Container: "shop-web-v2", Message: "it did not become healthy in 30s",
			ExitCode: &code, OOMKilled: true, Probes: []string{"GET /up: 503 in 2 ms (3x)"}, Logs: []string{"Booting", "out of \x1b[2Jmemory"},
		},
	}
}

func TestAnExplanationHoldsAllThatIsKnownAndTheOneThingToDo(t *testing.T) {
	r := failed()
	r.Hooks = []release.Hook{
		{Name: "pre-deploy", Part: 1, Command: "bin/rails db:migrate", Host: "web1", Started: moment("06:15:10"), Ended: moment("06:15:13"), Output: []string{"== 1 Add: migrating", "== 1 Add: migrated"}},
		{Name: "on-failure", Command: ".kamal/hooks/on-failure", Started: moment("06:15:40"), Ended: moment("06:15:41"), ExitCode: 3, Failed: "ended with exit status 3"},
	}
	events := []release.Event{
		{At: moment("06:15:02"), Kind: release.EventStatus, Message: "preparing v2 on all hosts", Release: &release.Release{Status: release.Preparing}},
		{At: moment("06:15:02"), Kind: release.EventStatus, Message: "preparing v2 on all hosts", Release: &release.Release{Status: release.Preparing}},
		{At: moment("06:15:45"), Kind: release.EventStatus, Message: r.Reason, Release: &r},
	}
	golden(t, "explain.txt", show.Style{}.Explain(r, events, ""))
	golden(t, "explain-held.txt", show.Style{}.Explain(release.Release{
		ID: "20261123-071502-9c1e0aa-3f2b", Lane: shop, Revision: revision, Status: release.Succeeded, Queued: moment("07:15:02"),
		Cause: release.Cause{Kind: release.CauseManual, Actor: "ana"},
	}, nil, "held by ana since 2026-11-23 07:15 UTC"))
}

func TestAHistoryIsALinePerRelease(t *testing.T) {
	ok := failed()
	ok.ID, ok.Status, ok.Version, ok.Failure = "20261122-061502-9c1e0aa-3f29", release.Succeeded, revision.SHA, nil
	waiting := failed()
	waiting.ID, waiting.Status, waiting.Started, waiting.Ended = "20261124-061502-9c1e0aa-3f30", release.Waiting, time.Time{}, time.Time{}
	waiting.Reason = strings.Repeat("a very long reason ", 10) + "\nover two lines"
	back := ok
	back.ID, back.Version, back.Reason = "20261123-071502-9c1e0aa-3f2c", "v41", "v41, rolled back to, is live on 2 hosts"
	back.Cause = release.Cause{Kind: release.CauseManual, Actor: "ana"}
	list := []release.Release{waiting, back, failed(), ok}
	golden(t, "history.txt", show.Style{}.History(list))
	golden(t, "history-colour.txt", show.Style{Colour: true}.History(list))
}

func TestEventsOfAllKindsAreOneLine(t *testing.T) {
	r := failed()
	var b strings.Builder
	for _, ev := range []release.Event{
		{At: moment("06:15:45"), Kind: release.EventStatus, Lane: shop, Message: r.Reason, Release: &r},
		{At: moment("06:16:00"), Kind: release.EventAlert, Lane: shop, Message: "waiting:\nweb1 does not answer"},
		{At: moment("06:17:00"), Kind: release.EventRecovered, Lane: shop, Message: "works again"},
		{At: moment("06:18:00"), Kind: release.EventProgress, Message: "\u202etest"},
	} {
		b.WriteString(show.Style{}.Event(ev) + "\n")
	}
	golden(t, "events.txt", b.String())
}

func TestWithoutColourNothingForeignReachesTheTerminal(t *testing.T) {
	evil := "\x1b]0;owned\x07\u202e\u2028"
	r := failed()
	r.Reason, r.Revision.Subject, r.Revision.Author, r.Version, r.Previous, r.Image = evil, evil, evil, evil, evil, evil
	r.Failure.Logs, r.Failure.Probes, r.Failure.Message, r.Failure.Next = []string{evil}, []string{evil}, evil, evil
	r.Hosts[0].Detail, r.Changes[0].Was = evil, evil
	r.Hooks = []release.Hook{{Name: evil, Command: evil, Host: evil, Failed: evil, Output: []string{evil}}}
	p := changing()
	p.Hooks = []string{evil}
	p.Waits, p.Warnings, p.Steps, p.Revision.Subject, p.Version = evil, []string{evil}, []string{evil}, evil, evil
	for _, text := range []string{
		show.Style{}.Explain(r, []release.Event{{Message: evil, Release: &r}}, evil), show.Style{}.History([]release.Release{r}),
		show.Style{}.Plan(p, true), show.Style{}.Event(release.Event{Message: evil, Release: &r}),
	} {
		if strings.ContainsAny(text, "\x1b\x07\u202e\u2028") {
			t.Errorf("it does in %q", text)
		}
	}
}

func TestATintedStatusSaysTheSame(t *testing.T) {
	text := "2 services: 1 on its commit, 1 needs a person\n\nshop  v1  waiting: no image\n            → push it\n"
	tinted := show.Style{Colour: true}.Tint(text)
	bare := tinted
	for _, code := range []string{"0", "31", "32", "33", "36"} {
		bare = strings.ReplaceAll(bare, "\x1b["+code+"m", "")
	}
	if bare != text || tinted == text || (show.Style{}).Tint(text) != text {
		t.Errorf("got %q", tinted)
	}
}
