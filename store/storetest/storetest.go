// Package storetest is the contract of the memory: every store passes Run.
//
// Lives here: what any store must do, whatever it is made of. May not live
// here: files, locks and damage, which each store tests itself.
package storetest

import (
	"context"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// Store is all that a store does. The rooms ask for less, in their own words.
type Store interface {
	Releases
	Journal
	Alerts
	Effects
	Pins
	Configs
	Holds
	Cordons
	Quarantines
	Adoptions
	Looks
	Queue
	Refs
	Prune(ctx context.Context, keep store.Keep) (store.Pruned, error)
}

// Releases keeps releases, each change together with its event.
type Releases interface {
	Save(ctx context.Context, r release.Release, ev release.Event) (int64, error)
	Release(ctx context.Context, id release.ID) (release.Release, error)
	Releases(ctx context.Context, f store.Filter) ([]release.Release, error)
	Unfinished(ctx context.Context) ([]release.Release, error)
}

// Journal is the order of all events.
type Journal interface {
	Append(ctx context.Context, ev release.Event) (int64, error)
	Events(ctx context.Context, after int64, limit int) ([]release.Event, error)
	ReleaseEvents(ctx context.Context, id release.ID) ([]release.Event, error)
	Wait(ctx context.Context, after int64) error
}

// Alerts knows what is open.
type Alerts interface {
	Raise(ctx context.Context, ev release.Event) (bool, error)
	Clear(ctx context.Context, ev release.Event) (bool, error)
	Alerts(ctx context.Context) ([]release.Event, error)
	LastSucceeded(ctx context.Context, lane release.Lane) (release.Release, bool, error)
}

// Effects remembers intents and results.
type Effects interface {
	Intend(ctx context.Context, id release.ID, step string, payload []byte) error
	Done(ctx context.Context, id release.ID, step, result string) error
	Effects(ctx context.Context, id release.ID) ([]store.Effect, error)
}

// Pins remembers digests.
type Pins interface {
	Pin(ctx context.Context, lane release.Lane, sha, ref, digest string) error
	Repin(ctx context.Context, lane release.Lane, sha, ref, digest string) error
	Pinned(ctx context.Context, lane release.Lane, sha, ref string) (string, bool, error)
}

// Configs remembers what releases are made of.
type Configs interface {
	SaveConfig(ctx context.Context, id release.ID, body []byte) error
	Config(ctx context.Context, id release.ID) ([]byte, error)
}

// Holds remembers what people hold.
type Holds interface {
	Hold(ctx context.Context, h release.Hold) error
	Unhold(ctx context.Context, lane release.Lane) error
	Held(ctx context.Context, lane release.Lane) (*release.Hold, error)
	Holds(ctx context.Context) ([]release.Hold, error)
}

// Cordons remembers which hosts get no new release.
type Cordons interface {
	Cordon(ctx context.Context, c release.Cordon) error
	Uncordon(ctx context.Context, host string) error
	Cordons(ctx context.Context) ([]release.Cordon, error)
}

// Quarantines remembers what got a verdict.
type Quarantines interface {
	Quarantine(ctx context.Context, lane release.Lane, identity string, id release.ID) error
	Quarantined(ctx context.Context, lane release.Lane, identity string) (release.ID, bool, error)
	LiftQuarantine(ctx context.Context, lane release.Lane) error
}

// Adoptions remembers which lanes were taken over.
type Adoptions interface {
	Adopt(ctx context.Context, lane release.Lane, by string) error
	Adopted(ctx context.Context, lane release.Lane) (bool, error)
	Adoption(ctx context.Context, lane release.Lane) (store.Adoption, error)
}

// Looks remembers the last look at each repository.
type Looks interface {
	SaveLook(ctx context.Context, look release.Look) error
	Looks(ctx context.Context) ([]release.Look, error)
}

// Queue is what channels still have to send.
type Queue interface {
	Join(ctx context.Context, channels ...string) ([]string, error)
	Route(ctx context.Context, channel string, route func(release.Event) store.Route) (int64, bool, error)
	Heads(ctx context.Context, channel string) ([]release.Event, error)
	Settle(ctx context.Context, channel string, seq int64) error
}

// Refs remembers where edited messages live, and counts what is unsent.
type Refs interface {
	SetRef(ctx context.Context, channel, key, ref string) error
	Ref(ctx context.Context, channel, key string) (string, error)
	Backlogs(ctx context.Context) ([]store.Backlog, error)
}

// Run runs the contract. open returns a new, empty store each time and sees to
// its end.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s Store)
	}{
		{"a release comes back as it was saved", aReleaseComesBack},
		{"an ended release never changes again", anEndedReleaseStays},
		{"releases are filtered, newest first", releasesAreFiltered},
		{"events have one order without gaps", eventsHaveOneOrder},
		{"a follower is woken by the next event", aFollowerIsWoken},
		{"a follower goes when its context ends", aFollowerGoes},
		{"one trouble is one alert and one recovery", oneTroubleIsOneAlert},
		{"an effect is announced once and finished", effectsAreKept},
		{"a tag is resolved once per revision", pinsStay},
		{"a configuration comes back byte for byte", configsComeBack},
		{"a hold lasts until it is ended", holdsLast},
		{"a cordon lasts until it is ended", cordonsLast},
		{"a quarantine is of one lane and identity", quarantinesLast},
		{"an adoption stays with who did it first", adoptionsStay},
		{"a failed look keeps the last that worked", looksStay},
		{"a channel begins with the next event", channelsBeginNow},
		{"each lane is a queue of its own", lanesAreQueues},
		{"an edited message sends only its newest state", editedMessagesCompact},
		{"a channel no longer named is forgotten", channelsAreForgotten},
		{"a message reference is of one channel", refsAreKept},
		{"pruning leaves what is young, unfinished, unsent or last", pruningLeaves},
		{"many may write and read at once", manyAtOnce},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// must returns v, and ends the test on an error.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
