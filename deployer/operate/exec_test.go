package operate_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/ssh/sshtest"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

func exec(c operation.Command) operation.Ask {
	return operation.Ask{Verb: operation.Exec, Command: &c}
}

func TestACommandRunsInANewContainerLikeTheOneThatRunsOnEveryHost(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	s.run("v1")
	got, err := s.do(exec(operation.Command{Argv: []string{"env", "COLOUR"}}), nil)
	if err != nil || got.out.String() != "blue\nblue\n" || !maps.Equal(got.exits(), map[string]int{"web-1": 0, "web-2": 0}) {
		t.Errorf("%v; it says %q and ends with %v", err, got.out.String(), got.exits())
	}
	got, err = s.do(exec(operation.Command{Argv: []string{"env", "COLOUR"}, Env: map[string]string{"COLOUR": "red"}}), nil)
	if err != nil || got.out.String() != "red\nred\n" {
		t.Errorf("%v; it says %q", err, got.out.String())
	}
	list, err := s.engine.Containers(t.Context(), map[string]string{plan.LabelService: s.service.Deploy.Service})
	if err != nil || len(list) != 1 {
		t.Errorf("%d containers are left: %v", len(list), err)
	}
	s.oneConnection()
}

func TestStreamsAndTheStatusOfACommandAreItsOwn(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	s.run("v1")
	all := bytes.Repeat([]byte{0, '\r', '\n', 0xff, 0x1b, 'x'}, 40_000)
	for _, reuse := range []bool{false, true} {
		got, err := s.do(exec(operation.Command{Argv: []string{"/toy", "echo"}[b2i(!reuse):], Reuse: reuse, Input: true}), io.NopCloser(bytes.NewReader(all)))
		if err != nil || !bytes.Equal(got.out.Bytes(), all) || !maps.Equal(got.exits(), map[string]int{"web-1": 0}) {
			t.Errorf("reuse %v: %v, %d of %d bytes, %v", reuse, err, got.out.Len(), len(all), got.exits())
		}
		got, err = s.do(exec(operation.Command{Argv: []string{"/toy", "fail", "no\tway"}[b2i(!reuse):], Reuse: reuse}), nil)
		if err != nil || got.out.Len() != 0 || got.err.String() != "no\tway\nno\tway\n" || got.exits()["web-2"] != 3 {
			t.Errorf("reuse %v: %v, %q, %q, %v", reuse, err, got.out.String(), got.err.String(), got.exits())
		}
	}
	s.oneConnection()
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestATerminalGetsItsSizeAndItsChanges(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	s.run("v1")
	for _, reuse := range []bool{false, true} {
		sizes := make(chan operation.Size, 1)
		sizes <- operation.Size{Rows: 33, Cols: 99}
		in, typed := io.Pipe()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		got := &heard{}
		err := s.service.Do(ctx, exec(operation.Command{
			Argv: []string{"/toy", "size"}[b2i(!reuse):], Reuse: reuse, Input: true, TTY: true, Size: operation.Size{Rows: 20, Cols: 80},
		}), operation.Caller{Tell: got.tell, In: in, Resize: sizes})
		cancel()
		_ = typed.Close()
		if err != nil || got.out.String() != "33x99\r\n" {
			t.Errorf("reuse %v: %v, %q", reuse, err, got.out.String())
		}
	}
}

func TestACommandThatIsInterruptedLeavesNoContainer(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	s.run("v1")
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("Ctrl-C")
	ask := exec(operation.Command{Argv: []string{"sleep"}})
	ask.Hosts = []string{"web-1"}
	done := make(chan error, 1)
	go func() { done <- s.service.Do(ctx, ask, operation.Caller{Tell: (&heard{}).tell}) }()
	count := func() int {
		list, err := s.engine.Containers(t.Context(), map[string]string{plan.LabelService: s.service.Deploy.Service})
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	for until := time.Now().Add(20 * time.Second); count() < 2; {
		if time.Now().After(until) {
			t.Fatal("it does not run")
		}
	}
	cancel(stop)
	if err := <-done; !errors.Is(err, stop) {
		t.Errorf("it ends with %v", err)
	}
	if n := count(); n != 1 {
		t.Errorf("%d containers are left", n)
	}
}

func TestAnotherVersionsContainerOrImageIsUsedWhereItIsNamed(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	s.run("v1")
	ask := exec(operation.Command{Argv: []string{"print", "hello"}})
	ask.Hosts, ask.Version = []string{"web-1"}, "v2"
	_, err := s.do(ask, nil)
	if r, ok := errors.AsType[*operation.Refusal](err); !ok || !strings.Contains(r.Hint, "app images") {
		t.Errorf("a version that is not there: %v", err)
	}
	if err := s.engine.Tag(t.Context(), s.image, strings.TrimSuffix(s.image, "v1")+"v2"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = s.engine.RemoveImage(context.WithoutCancel(t.Context()), strings.TrimSuffix(s.image, "v1")+"v2")
	}()
	got, err := s.do(ask, nil)
	if err != nil || got.out.String() != "hello\n" {
		t.Errorf("%v, %q", err, got.out.String())
	}
}

func TestACommandWithoutAContainerSaysWhereToLook(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	_, err := s.do(exec(operation.Command{Argv: []string{"ls"}}), nil)
	if err == nil || !strings.Contains(err.Error(), "on 2 of 2 hosts") || !strings.Contains(err.Error(), "app containers") {
		t.Errorf("%v", err)
	}
}

func TestACommandOfAPersonRunsOnTheHostsThemselves(t *testing.T) {
	s := newStage(t, sshtest.Options{Commands: map[string]func(io.Reader, io.Writer, io.Writer) int{
		"uptime": func(_ io.Reader, out, errs io.Writer) int {
			_, _ = io.WriteString(out, "up\n")
			_, _ = io.WriteString(errs, "well\n")
			return 4
		},
	}})
	got, err := s.do(operation.Ask{Verb: operation.ServerExec, Command: &operation.Command{Line: "uptime"}}, nil)
	if err != nil || got.out.String() != "up\nup\n" || got.err.String() != "well\nwell\n" || got.exits()["web-1"] != 4 {
		t.Errorf("%v, %q, %q, %v", err, got.out.String(), got.err.String(), got.exits())
	}
	s.oneConnection()
}
