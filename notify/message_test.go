package notify_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/release"
)

// update writes the golden files anew: go test ./notify -update
var update = flag.Bool("update", false, "write the golden files anew")

func shop(status release.Status) release.Release {
	at := time.Date(2026, 11, 23, 6, 15, 2, 0, time.UTC)
	return release.Release{
		ID: "20261123-061502-9c1e0aa-3f2a", Lane: release.Lane{Service: "shop", Destination: "production"},
		Revision: release.Revision{Repo: "shop", Ref: "refs/heads/main", SHA: "9c1e0aa5d2f0000000000000000000000000abcd",
			Author: "Ana Lee <ana@example.com>", Subject: "Make the basket <b>bigger</b>", Time: at},
		Cause: release.Cause{Kind: release.CausePush, Actor: "ana"}, Status: status, Version: "9c1e0aa",
		Image: "registry.example.com/acme/shop", Digest: "sha256:0123456789abcdef0123456789abcdef", Previous: "1b2c3d4",
		Queued: at, Started: at, Ended: at.Add(41250 * time.Millisecond),
		Hosts: []release.HostOutcome{{Host: "web1", State: "old"}, {Host: "web2", State: "old"}, {Host: "web3", State: "unreachable"}},
	}
}

func unhealthy(r release.Release) release.Release {
	code := 137
	r.Failure = &release.Failure{Class: release.Verdict, Step: "health", Host: "web2", Role: "web", Container: "shop-web-9c1e0aa",
		Message: "not healthy after 30 s", ExitCode: &code, OOMKilled: true,
		Probes: []string{"GET /up: 503 in 2 ms (3x)", "GET /up: connection refused (12x)"},
		Logs:   []string{"\x1b[32mPuma starting\x1b[0m", "basket: out of memory"},
		Next:   "raise the memory limit or fix the leak, then push; `fairlead retry shop` tries the same again"}
	r.Hooks = []release.Hook{
		{Name: "pre-deploy", Part: 1, Command: "bin/migrate", Started: r.Started, Ended: r.Started.Add(3 * time.Second), Output: []string{"\x1b[32mmigrated"}},
		{Name: "on-failure", Command: "bin/tell", Started: r.Started, Ended: r.Ended, ExitCode: 1, Failed: "ended with exit status 1"},
	}
	r.Reason = "web2: health: not healthy after 30 s"
	return r
}

// text writes a message as people would read it.
func text(m notify.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "id: %s\nkey: %s\nlevel: %s\ntitle: %s\n", m.ID, m.Key, m.Level, m.Title)
	if m.Text != "" {
		fmt.Fprintf(&b, "text: %s\n", strings.ReplaceAll(m.Text, "\n", "\n      "))
	}
	for _, f := range m.Fields {
		fmt.Fprintf(&b, "- %s: %s\n", f.Name, f.Value)
	}
	for _, d := range m.Details {
		fmt.Fprintf(&b, "%s:\n  %s\n", d.Name, strings.Join(d.Lines, "\n  "))
	}
	if m.Next != "" {
		fmt.Fprintf(&b, "next: %s\n", m.Next)
	}
	return b.String()
}

func TestEachEventReadsAsItShould(t *testing.T) {
	live := shop(release.Succeeded)
	for i := range live.Hosts {
		live.Hosts[i].State = "new"
	}
	waiting := shop(release.Waiting)
	waiting.Reason, waiting.Ended = "the registry does not answer: dial tcp: i/o timeout", time.Time{}
	waiting.Changes = []release.Change{{Host: "web1", Role: "web", Step: "replace container", Field: "image", Was: "1b2c3d4", Want: "9c1e0aa"},
		{Host: "web2", Step: "boot proxy"}}
	superseded := shop(release.Superseded)
	superseded.Reason = "2c3d4e5 was pushed"
	world := shop(release.Failed)
	world.Failure = &release.Failure{Class: release.World, Step: "hook", Message: "pre-deploy exited with 1", Next: "read the hook's output"}
	world.Hosts = []release.HostOutcome{{Host: "web1", State: "old"}, {Host: "web2", State: "prepared"}}
	human := unhealthy(shop(release.NeedsHuman))
	human.Failure.Next = ""
	events := map[string]release.Event{
		"succeeded":   {Release: &live},
		"rolled_back": {Release: new(unhealthy(shop(release.RolledBack)))},
		"failed":      {Release: &world},
		"needs_human": {Release: &human},
		"waiting":     {Release: &waiting, Message: "the registry does not answer"},
		"superseded":  {Release: &superseded},
		"switching":   {Release: new(shop(release.Switching))},
		"alert":       {Kind: release.EventAlert, Key: "ssh:web1", Message: "web1 does not answer: no route to host"},
		"recovered":   {Kind: release.EventRecovered, Key: "ssh:web1", Lane: release.Lane{Service: "shop"}, Message: "web1 answers again"},
	}
	for name, ev := range events {
		t.Run(name, func(t *testing.T) {
			ev.Seq, ev.At = 42, time.Date(2026, 11, 23, 6, 15, 43, 0, time.UTC)
			if ev.Release != nil {
				ev.Kind, ev.Lane = release.EventStatus, ev.Release.Lane
			}
			golden(t, name, text(notify.Make(ev)))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("message\n%s\nwant\n%s", got, want)
	}
}

func TestAMessageIsAsDifferentAsItsEvent(t *testing.T) {
	ev := release.Event{Seq: 1, At: time.Unix(1, 0), Kind: release.EventAlert, Key: "k", Message: "m"}
	again, rebuilt := ev, ev
	rebuilt.At = time.Unix(2, 0) // a store that began anew counts from 1 again
	if notify.Make(ev).ID != notify.Make(again).ID || notify.Make(ev).ID == notify.Make(rebuilt).ID {
		t.Error("ids do not tell events apart")
	}
}

func TestMakingAMessageLeavesTheEventAlone(t *testing.T) {
	r := unhealthy(shop(release.Failed))
	r.Changes = []release.Change{{Want: "\x1b[31m"}}
	notify.Make(release.Event{Kind: release.EventStatus, Release: &r})
	if r.Failure.Logs[0] != "\x1b[32mPuma starting\x1b[0m" || r.Hooks[0].Output[0] != "\x1b[32mmigrated" || r.Changes[0].Want != "\x1b[31m" {
		t.Error("the caller's release was changed")
	}
}
