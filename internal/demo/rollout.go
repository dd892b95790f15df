package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// takesOver is the step in which the daemon meets what runs, and leaves it.
func (s *stage) takesOver(ctx context.Context) (string, error) {
	before, err := s.containers(ctx)
	if err != nil {
		return "", err
	}
	ev, err := s.told(ctx, release.Unchanged, release.Waiting, release.Failed, release.Succeeded)
	if err != nil {
		return "", err
	}
	if ev.Release.Status != release.Unchanged {
		return "", fmt.Errorf("it should change nothing; it says %s: %s", ev.Release.Status, ev.Message)
	}
	after, err := s.containers(ctx)
	if err != nil {
		return "", err
	}
	if before != after {
		return "", fmt.Errorf("the containers should be the same; they were\n%s\nand are\n%s", before, after)
	}
	return ev.Message, nil
}

// containers lists the app's containers on all servers, by id.
func (s *stage) containers(ctx context.Context) (string, error) {
	var all []string
	for _, h := range s.ground.servers() {
		out, err := h.docker(ctx, "ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}}", "--filter", "label=service="+service)
		if err != nil {
			return "", err
		}
		all = append(all, h.name+": "+strings.TrimSpace(out))
	}
	return strings.Join(all, "\n"), nil
}

// told waits for a message about the newest commit.
func (s *stage) told(ctx context.Context, any ...release.Status) (release.Event, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 90*time.Second, errors.New("for 90 s"))
	defer cancel()
	ctx, ended := context.WithCancelCause(ctx)
	defer ended(nil)
	if s.daemon.Running() {
		go func(done <-chan struct{}) {
			select {
			case <-done:
				ended(errors.New("fairlead has ended"))
			case <-ctx.Done():
			}
		}(s.daemon.Ended())
	}
	ev, err := s.inbox.Await(ctx, s.head, any...)
	if err != nil {
		return ev, fmt.Errorf("%w; the end of the daemon's log:\n%s", err, s.daemon.LastLines())
	}
	return ev, nil
}

// killMidway ends the daemon without a warning while it rolls out.
func (s *stage) killMidway(ctx context.Context) (string, error) {
	ev, err := s.told(ctx, release.Preparing)
	if err != nil {
		return "", err
	}
	return "while it was " + string(ev.Release.Status) + ": kill -9", s.daemon.Kill()
}

// succeeds waits until the newest commit is live.
func (s *stage) succeeds(ctx context.Context) (string, error) {
	ev, err := s.told(ctx, release.Succeeded, release.Failed, release.RolledBack, release.NeedsHuman)
	if err != nil {
		return "", err
	}
	if ev.Release.Status != release.Succeeded {
		return "", fmt.Errorf("it should succeed; it says %s: %s", ev.Release.Status, ev.Message)
	}
	return "webhook: " + ev.Message + planned(ev), s.inbox.Err()
}

// goesBack waits until the newest commit was taken back.
func (s *stage) goesBack(ctx context.Context) (string, error) {
	ev, err := s.told(ctx, release.Succeeded, release.Failed, release.RolledBack, release.NeedsHuman)
	if err != nil {
		return "", err
	}
	if ev.Release.Status != release.RolledBack {
		return "", fmt.Errorf("it should go back; it says %s: %s", ev.Release.Status, ev.Message)
	}
	f := ev.Release.Failure
	if f == nil || len(f.Probes) == 0 {
		return "", fmt.Errorf("the message should tell what the health check answered; it holds %+v", f)
	}
	return fmt.Sprintf("webhook: %s\n       %s\n       next: %s", ev.Message, strings.Join(f.Probes, "; "), f.Next), nil
}

// planned shows what the plan of a release changed, and why.
func planned(ev release.Event) string {
	var b strings.Builder
	for _, c := range ev.Release.Changes {
		fmt.Fprintf(&b, "\n       %s %s: %s, %s: %s → %s", c.Host, c.Role, c.Step, c.Field, short(c.Was), short(c.Want))
	}
	return b.String()
}

func short(s string) string {
	if len(s) > 40 {
		return s[:37] + "…"
	}
	return s
}
