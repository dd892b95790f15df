package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
)

// Where the engine gives containers no more rights than any, as one without
// --privileged does, machines boot and find that they may not.
const givesNoRights = `#!/bin/bash
argv=()
while [ $# -gt 0 ]; do
	case $1 in
	--cap-add | --cap-drop | --security-opt | --device-cgroup-rule) shift ;;
	*) argv+=("$1") ;;
	esac
	shift
done
exec DOCKER "${argv[@]}"
`

// An engine that takes the order to start a server, and does not come to it.
const startsNoServer = `#!/bin/bash
for word; do
	[ "$word" != --cap-add ] || exec sleep 600
done
exec DOCKER "$@"
`

// engineThat makes a folder whose docker is a script before the real one, and
// returns it for the head of $PATH.
func engineThat(t *testing.T, script string) string {
	t.Helper()
	docker, err := exec.LookPath("docker")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(strings.ReplaceAll(script, "DOCKER", docker)), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// asCommand runs the program that `make demo ONCE=1` runs, where engines cannot
// run inside containers, and returns its exit status and what it printed.
func asCommand(t *testing.T, env ...string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 8*time.Minute, errors.New("it took over 8 minutes"))
	defer cancel()
	program := filepath.Join(t.TempDir(), "demo")
	if err := fleet.Compile(ctx, "github.com/fairlead-deploy/fairlead/internal/demo", program, ""); err != nil {
		t.Fatal(err)
	}
	tmp, err := os.MkdirTemp("", "demo-") // t.TempDir is too long for the daemon's socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(append(os.Environ(), "ONCE=1", "TMPDIR="+tmp, "PATH="+engineThat(t, givesNoRights)+":"+os.Getenv("PATH")), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it cleans up then
	cmd.WaitDelay = 2 * time.Minute
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v\n%s%s", err, &out, &complaint)
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
	nothingOnTheEngine(t)
	return cmd.ProcessState.ExitCode(), out.String(), complaint.String()
}

// nothingOnTheEngine looks for what a story on this machine's engine makes.
func nothingOnTheEngine(t *testing.T) {
	t.Helper()
	for _, look := range []string{
		"ps -aq --filter label=service=" + service, "ps -aq --filter name=^kamal-proxy$",
		"network ls -q --filter name=^kamal$", "volume ls -q --filter name=^kamal-proxy-config$", "images -q basecamp/kamal-proxy", "images -q --filter reference=*/" + service,
	} {
		out, err := exec.CommandContext(t.Context(), "docker", strings.Fields(look)...).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("left behind (docker %s): %s, %v", look, out, err)
		}
	}
}

// onLocalEngine is the one line of a demo that could not start servers.
func onLocalEngine(t *testing.T, printed string) string {
	t.Helper()
	var found []string
	for line := range strings.Lines(printed) {
		if strings.Contains(line, "this machine's own engine plays the one server") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d lines say that the local engine is used, want one:\n%s", len(found), printed)
	}
	return found[0]
}

func TestWhereEnginesCannotBeNestedTheProgramTellsItsStoryOnTheLocalOneAndEndsWithZero(t *testing.T) {
	status, out, complaint := asCommand(t, "FAIRLEAD=")
	if status != 0 || complaint != "" {
		t.Fatalf("status %d\n%s%s", status, out, complaint)
	}
	line := onLocalEngine(t, out)
	if !strings.Contains(line, "engines cannot run inside containers here (start fleet: boot ") {
		t.Errorf("it does not say why: %s", line)
	}
	for _, want := range []string{"Not one request has failed", " 0 of "} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not tell %q:\n%s", want, out)
		}
	}
}

func TestTheProgramEndsWithOneWhenAStepDoesNotDoWhatItSays(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "fairlead")
	if err := os.WriteFile(broken, []byte("this is no program\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	status, out, complaint := asCommand(t, "FAIRLEAD="+broken)
	if status != 1 {
		t.Errorf("status %d, want 1\n%s%s", status, out, complaint)
	}
	if !strings.Contains(out, "Start v1 behind a proxy on both servers, as Kamal leaves them  FAILED\n") ||
		!strings.Contains(complaint, `The demo did not come out: step 5, "Start v1 behind a proxy`) {
		t.Errorf("it does not say which step:\n%s%s", out, complaint)
	}
}

func TestServersThatDoNotStartInTimeGiveWayToTheLocalEngine(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("PATH", engineThat(t, startsNoServer)+":"+os.Getenv("PATH"))
	var out bytes.Buffer
	s := &stage{out: &out}
	begun := time.Now()
	err := tell(t.Context(), &out, []step{{"Look", s.prepare}, {"Start servers", s.startFleet}})
	took := time.Since(begun)
	if err := s.clear(); err != nil {
		t.Error(err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if line := onLocalEngine(t, out.String()); !strings.Contains(line, "they did not start within 20s") {
		t.Errorf("it does not say why: %s", line)
	}
	if took < nestTime || took > 2*time.Minute {
		t.Errorf("it took %s", took)
	}
	nothingOnTheEngine(t)
}
