package release_test

import (
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

func TestAnIDSortsByTimeAndNamesTheCommit(t *testing.T) {
	r := release.Revision{SHA: "9c1e0aa5d2f0000000000000000000000000abcd"}
	at := time.Date(2026, 11, 23, 6, 15, 2, 0, time.FixedZone("CET", 3600))
	if id := release.NewID(at, r, 0x3f2a); id != "20261123-051502-9c1e0aa-3f2a" {
		t.Errorf("id = %s", id)
	}
	if release.NewID(at, r, 0) >= release.NewID(at.Add(time.Second), r, 0) {
		t.Error("a later id does not sort later")
	}
}

func TestOnlyEndedStatusesAreTerminal(t *testing.T) {
	want := map[release.Status]bool{
		release.Queued: false, release.Planning: false, release.Waiting: false, release.Preparing: false,
		release.Switching: false, release.Watching: false, release.RollingBack: false,
		release.Succeeded: true, release.RolledBack: true, release.Failed: true,
		release.Superseded: true, release.NeedsHuman: true, release.Unchanged: true,
	}
	for status, terminal := range want {
		if status.Terminal() != terminal {
			t.Errorf("%s.Terminal() = %t", status, !terminal)
		}
	}
}

func TestALaneIsSpelledAsKamalSpellsIt(t *testing.T) {
	if s := (release.Lane{Service: "shop"}).String(); s != "shop" {
		t.Error(s)
	}
	if s := (release.Lane{Service: "shop", Destination: "production"}).String(); s != "shop-production" {
		t.Error(s)
	}
}

func TestAnImageTagHoldsTheCommitOrItsBeginning(t *testing.T) {
	r := release.Revision{SHA: "9c1e0aa5d2f0000000000000000000000000abcd"}
	for pattern, want := range map[string]string{"{sha}": r.SHA, "sha-{sha7}": "sha-9c1e0aa", "{sha12}-web": "9c1e0aa5d2f0-web", "latest": "latest"} {
		if got := r.ImageTag(pattern); got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
}

func TestAWishIsWhatWasTyped(t *testing.T) {
	for want, r := range map[string]release.Request{
		"rollback":             {Rollback: true},
		"rollback v41":         {Rollback: true, Version: "v41"},
		"deploy --version v41": {Version: "v41"},
	} {
		if got := r.Wish(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
