package operate_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/ssh/sshtest"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

func logs(l operation.Log) operation.Ask { return operation.Ask{Verb: operation.Logs, Log: &l} }

// ended waits until a container has ended.
func (s *stage) ended(id string) {
	s.Helper()
	for until := time.Now().Add(20 * time.Second); ; {
		c, err := s.engine.Inspect(s.Context(), id)
		if err != nil {
			s.Fatal(err)
		}
		if !c.State.IsUp() && !c.State.FinishedAt.IsZero() {
			return
		}
		if time.Now().After(until) {
			s.Fatalf("%s runs on", c.Name)
		}
	}
}

func TestLogsOfAllHostsAreToldInTheOrderOfTime(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	s.ended(s.run("v1", "print", "one", "two \x1b[31mred", "three"))
	got, err := s.do(logs(operation.Log{}), nil)
	want := []string{"web-1 one", "web-1 three", "web-1 two red", "web-2 one", "web-2 three", "web-2 two red"}
	lines := got.lines()
	ordered := slices.IsSortedFunc(got.told, func(a, b operation.Told) int { return a.Line.At.Compare(b.Line.At) })
	slices.Sort(lines)
	if err != nil || !slices.Equal(lines, want) || !ordered {
		t.Errorf("%v, in order %v: %q", err, ordered, lines)
	}
	for ask, want := range map[operation.Log]string{
		{Lines: 1}:                       "web-1 three",
		{Grep: "^t"}:                     "web-1 two red|web-1 three",
		{Grep: "TWO", Options: "-i -A1"}: "web-1 two red|web-1 three",
		{Grep: "t", Options: "-v"}:       "web-1 one",
		{Since: "2199-01-01"}:            "",
		{Container: s.service.Deploy.Service + "-web-v1", Lines: 1}: "web-1 three",
	} {
		a := logs(ask)
		a.Hosts = []string{"web-1"}
		if got, err := s.do(a, nil); err != nil || strings.Join(got.lines(), "|") != want {
			t.Errorf("%+v: %v, %q, want %q", ask, err, got.lines(), want)
		}
	}
	s.oneConnection()
}

func TestLogsThatAreFollowedGoOnWithTheNextRelease(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	s.ended(s.run("v0", "print", "of before"))
	s.run("v1", "print", "old")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Second, errors.New("not everything came"))
	defer cancel()
	seen := map[string]int{}
	got := &heard{}
	begun := make(chan bool)
	enough, stop := context.WithCancel(ctx)
	defer stop()
	got.each = func(told operation.Told) {
		if told.Line == nil {
			return
		}
		seen[told.Host+" "+told.Name[strings.LastIndex(told.Name, "-")+1:]+" "+told.Line.Text]++
		if len(seen) == 2 && begun != nil {
			close(begun)
			begun = nil
		}
		if len(seen) == 4 {
			stop()
		}
	}
	done := make(chan error, 1)
	ready := begun
	go func() {
		done <- s.service.Do(enough, logs(operation.Log{Follow: true, Lines: 10}), operation.Caller{Tell: got.tell})
	}()
	select {
	case <-ready:
	case <-ctx.Done():
		t.Fatal(context.Cause(ctx))
	}
	s.run("v2", "print", "new")
	err := <-done
	if ctx.Err() != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", err, context.Cause(ctx))
	}
	if len(seen) != 4 {
		t.Errorf("told %v", seen)
	}
	for _, want := range []string{"web-1 v1 old", "web-2 v1 old", "web-1 v2 new", "web-2 v2 new"} {
		if seen[want] != 1 {
			t.Errorf("%q was told %d times; there were %v", want, seen[want], seen)
		}
	}
	s.oneConnection()
}

func TestLogsThatAreFollowedSurviveALostConnection(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	s.run("v1", "print", "before")
	ask := logs(operation.Log{Follow: true})
	ask.Hosts = []string{"web-1"}
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("it did not come back"))
	defer cancel()
	got := &heard{}
	lost, lines := make(chan bool, 64), make(chan string, 64)
	got.each = func(told operation.Told) {
		if told.Warning != "" {
			lost <- true
		}
		if told.Line != nil {
			lines <- told.Line.Text
		}
	}
	done := make(chan error, 1)
	go func() { done <- s.service.Do(ctx, ask, operation.Caller{Tell: got.tell}) }()
	line := func() string {
		select {
		case text := <-lines:
			return text
		case <-ctx.Done():
			t.Fatal(context.Cause(ctx))
			return ""
		}
	}
	if text := line(); text != "before" {
		t.Errorf("heard %q", text)
	}
	s.run("v2", "serve") // which is listened to soon
	for tick := time.Tick(200 * time.Millisecond); ; {
		select {
		case <-lost:
		case <-tick:
			s.servers["web-1"].Drop()
			continue
		case <-ctx.Done():
			t.Fatal(context.Cause(ctx))
		}
		break
	}
	s.run("v3", "print", "after")
	if text := line(); text != "after" {
		t.Errorf("heard %q", text)
	}
	cancel()
	<-done
}
