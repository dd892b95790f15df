package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// Ended are the statuses of releases that have ended.
func Ended() []release.Status {
	return []release.Status{release.Succeeded, release.RolledBack, release.Failed, release.NeedsHuman, release.Unchanged, release.Superseded}
}

// Told waits until the webhook tells that a commit has one of the statuses.
func (s *Service) Told(sha string, any ...release.Status) release.Event {
	s.Helper()
	return s.ToldThat(fmt.Sprintf("%.7s is %v", sha, any), func(ev release.Event) bool {
		return ev.Release != nil && ev.Release.Revision.SHA == sha && slices.Contains(any, ev.Release.Status)
	})
}

// Ends waits for the end of a commit's release, which must be as wanted.
func (s *Service) Ends(sha string, want release.Status) release.Event {
	s.Helper()
	ev := s.Told(sha, Ended()...)
	if ev.Release.Status != want {
		s.Fatalf("%.7s is %s, want %s: %s", sha, ev.Release.Status, want, ev.Message)
	}
	return ev
}

// Waits checks that a commit waits, and that the reason holds the words.
func (s *Service) Waits(sha string, words ...string) release.Event {
	s.Helper()
	ev := s.Told(sha, append(Ended(), release.Waiting)...)
	if ev.Release.Status != release.Waiting {
		s.Fatalf("it should wait; it says %s", Shown(ev))
	}
	for _, word := range words {
		if !strings.Contains(ev.Message, word) {
			s.Errorf("the reason %q does not hold %q", ev.Message, word)
		}
	}
	return ev
}

// ToldThat waits for an event. The test ends when the daemon does, or when
// Patience does.
func (s *Service) ToldThat(what string, wanted func(release.Event) bool) release.Event {
	s.Helper()
	ctx, cancel := context.WithTimeoutCause(s.Context(), Patience, fmt.Errorf("within %s", Patience))
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	if s.Daemon.Running() {
		gone := s.Daemon.Ended()
		go func() {
			select {
			case <-gone:
				end(errors.New("fairlead has ended"))
			case <-ctx.Done():
			}
		}()
	}
	ev, err := s.Inbox.AwaitEvent(ctx, wanted)
	if err != nil {
		s.Fatalf("no message that %s: %v", what, err)
	}
	return ev
}

// EndedOnce fails the test unless exactly one end was told of a commit.
func (s *Service) EndedOnce(sha string) {
	s.Helper()
	ends := map[release.ID][]string{}
	for _, ev := range s.Inbox.Events() {
		if ev.Kind == release.EventStatus && ev.Release != nil && ev.Release.Revision.SHA == sha && ev.Release.Status.Terminal() {
			ends[ev.Release.ID] = append(ends[ev.Release.ID], Shown(ev))
		}
	}
	if len(ends) != 1 {
		s.Errorf("releases of %.7s that ended: %v", sha, ends)
	}
	for id, told := range ends {
		if len(told) != 1 {
			s.Errorf("ends told of %s: %q", id, told)
		}
	}
}

func (s *Service) said() string {
	var lines []string
	for _, ev := range s.Inbox.Events() {
		lines = append(lines, ev.At.Format("15:04:05.0 ")+Shown(ev))
	}
	return strings.Join(lines, "\n")
}

// Shown is an event on one line.
func Shown(ev release.Event) string {
	if ev.Release == nil {
		return fmt.Sprintf("%s %s: %s", ev.Kind, ev.Key, ev.Message)
	}
	return fmt.Sprintf("%s %s %s: %s", ev.Kind, ev.Release.Revision.Short(), ev.Release.Status, ev.Message)
}

// Until waits for a condition of the world that nobody tells of.
func (s *Service) Until(what string, holds func() bool) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), Patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.Fatalf("%s: not within %s", what, Patience)
		}
	}
}
