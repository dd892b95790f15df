package follow_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/follow"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server/client"
)

// told is a stream that tells some events and then ends with an error; each
// call takes the next part.
func told(parts ...part) follow.Stream {
	return func(ctx context.Context, after int64) iter.Seq2[release.Event, error] {
		return func(yield func(release.Event, error) bool) {
			var p part
			p, parts = parts[0], parts[1:]
			for _, ev := range p.events {
				if ev.Seq > after && !yield(ev, nil) {
					return
				}
			}
			yield(release.Event{}, p.end)
		}
	}
}

type part struct {
	events []release.Event
	end    error
}

// moved is an event of a release.
func moved(seq int64, id release.ID, status release.Status) release.Event {
	return release.Event{
		Seq: seq, Kind: release.EventStatus, Message: fmt.Sprintf("%s is %s", id, status),
		Release: &release.Release{
			ID: id, Status: status, Cause: release.Cause{Kind: release.CauseManual, Actor: "ana"},
		},
	}
}

// followed follows the release "r" and returns what is told, how often the
// daemon was away, and how it ends.
func followed(events follow.Stream, patient bool) (out string, away int, last release.Release, err error) {
	o := &follow.Order{
		Release: "r", Patient: patient,
		Tell: func(ev release.Event) error { out += ev.Message + "\n"; return nil },
		Away: func(error) { away++ },
	}
	last, err = o.Follow(context.Background(), events, 0)
	return out, away, last, err
}

func failing(class release.Class) release.Event {
	ev := moved(2, "r", release.Waiting)
	ev.Release.Failure = &release.Failure{Class: class, Step: "pull image", Message: "no route"}
	return ev
}

func TestFollowingEndsAsTheReleaseDoes(t *testing.T) {
	for name, tt := range map[string]struct {
		last        release.Event
		impatient   bool
		goesOn, bad bool
	}{
		"a success is good":                    {last: moved(2, "r", release.Succeeded)},
		"nothing to do is good":                {last: moved(2, "r", release.Unchanged)},
		"a rollback is not":                    {last: moved(2, "r", release.RolledBack), bad: true},
		"what a newer order replaced is not":   {last: moved(2, "r", release.Superseded), bad: true},
		"waiting for a person is the end":      {last: moved(2, "r", release.Waiting), bad: true},
		"the world is waited for":              {last: failing(release.World), goesOn: true},
		"unless nobody would go on":            {last: failing(release.World), impatient: true, bad: true},
		"a verdict is not waited out":          {last: failing(release.Verdict), bad: true},
		"on the way nothing is decided as yet": {last: moved(2, "r", release.Switching), goesOn: true},
	} {
		t.Run(name, func(t *testing.T) {
			over := errors.New("the stream is over")
			out, _, last, err := followed(told(part{[]release.Event{moved(1, "r", release.Queued), tt.last}, over}), !tt.impatient)
			switch {
			case tt.goesOn && !errors.Is(err, over), !tt.goesOn && err != nil:
				t.Errorf("ends with %v", err)
			case !tt.goesOn && follow.Good(last) == tt.bad:
				t.Errorf("%s is good: %t", last.Status, follow.Good(last))
			}
			if strings.Count(out, "\n") != 2 {
				t.Errorf("tells %q", out)
			}
		})
	}
}

func TestOnlyWhatWasOrderedIsFollowed(t *testing.T) {
	out, _, _, err := followed(told(part{[]release.Event{
		moved(1, "a", release.Failed), {Seq: 2, Kind: release.EventAlert, Message: "alert"},
		moved(3, "r", release.Queued), moved(4, "r2", release.Failed), moved(5, "r", release.Succeeded),
	}, io.EOF}), true)
	if err != nil || strings.Count(out, "\n") != 2 || !strings.Contains(out, "r is queued") || !strings.Contains(out, "r is succeeded") {
		t.Errorf("got %v and %q", err, out)
	}
}

func TestADaemonThatRestartsIsWaitedForAndNothingIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		all := []release.Event{moved(1, "r", release.Queued), moved(2, "r", release.Preparing), moved(3, "r", release.Succeeded)}
		out, away, last, err := followed(told(
			part{all[:1], io.ErrUnexpectedEOF}, part{nil, client.ErrNoDaemon}, part{nil, client.ErrNoDaemon}, part{all, io.EOF},
		), true)
		if err != nil || !follow.Good(last) || strings.Count(out, "\n") != 3 {
			t.Errorf("got %v and %q", err, out)
		}
		if away != 1 {
			t.Errorf("the absence is told %d times", away)
		}
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestADaemonThatStaysAwayIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		never := func(context.Context, int64) iter.Seq2[release.Event, error] {
			return func(yield func(release.Event, error) bool) { yield(release.Event{}, client.ErrNoDaemon) }
		}
		_, _, _, err := followed(never, true)
		if took := time.Since(begin); !errors.Is(err, client.ErrNoDaemon) || took < 2*time.Minute || took > 2*time.Minute+2*time.Second {
			t.Errorf("got %v after %s", err, took)
		}
	})
}
