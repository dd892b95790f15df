package program_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret/program"
)

func sh(script string, env ...string) program.Command {
	return program.Command{Argv: []string{"sh", "-c", script}, Env: append([]string{"PATH=" + os.Getenv("PATH")}, env...), Deadline: time.Minute}
}

func TestAProgramGetsItsWordsAsTheyAreAndOnlyItsEnvironment(t *testing.T) {
	t.Setenv("DAEMONS_TOKEN", "s3cr3t")
	t.Setenv("LISTED", "yes")
	out, err := program.Run(t.Context(), program.Command{Argv: []string{"printf", "%s|", "$HOME", "; id", "`id`"}, Env: program.Environ()})
	if err != nil || string(out.Out) != "$HOME|; id|`id`|" {
		t.Errorf("argv: %q, %v", out.Out, err)
	}
	c := sh(`echo "[$DAEMONS_TOKEN$LISTED]"; cat; echo kept >&2`)
	c.Env, c.In = program.Environ("LISTED", "UNSET"), []byte("from stdin")
	out, err = program.Run(t.Context(), c)
	if err != nil || string(out.Out) != "[yes]\nfrom stdin" || string(out.Err) != "kept\n" {
		t.Errorf("environment: %q, %q, %v", out.Out, out.Err, err)
	}
	if out, err := program.Run(t.Context(), program.Command{Argv: []string{"/usr/bin/env"}}); err != nil || len(out.Out) > 0 {
		t.Errorf("without an environment it has %q, %v", out.Out, err)
	}
}

func TestWhatAProgramSaysWhenItFailsIsOneLineWithoutWhatItWasGiven(t *testing.T) {
	_, err := program.Run(t.Context(), sh(`echo first >&2; printf 'the token %s is \033[31mbad\n\n' "$TOKEN" >&2; exit 7`, "TOKEN=ops_s3cr3t"))
	failed, ok := errors.AsType[*program.Error](err)
	if !ok || failed.Status != 7 || failed.Said != "the token [redacted] is [31mbad" || failed.Program != "sh" {
		t.Errorf("it is %#v", err)
	}
	c := sh("echo hunter2 >&2; exit 1")
	c.Mute = true
	if _, err := program.Run(t.Context(), c); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("muted: %v", err)
	}
	if _, err := program.Run(t.Context(), sh("head -c 2000000 /dev/zero")); err == nil || !strings.Contains(err.Error(), "printed more than") {
		t.Errorf("much output: %v", err)
	}
	if _, err := program.Run(t.Context(), program.Command{Argv: []string{"no-such-program-here"}}); err == nil || !strings.Contains(err.Error(), "no such program") {
		t.Errorf("no program: %v", err)
	}
	if out, err := program.Run(t.Context(), sh("head -c 100000 /dev/zero >&2")); err != nil || len(out.Err) > 4<<10 {
		t.Errorf("much on stderr: %d bytes, %v", len(out.Err), err)
	}
}

func TestADeadlineEndsAProgramAndAllThatItStarted(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	c := sh("sleep 600 & echo $! > " + pid + "; wait")
	c.Deadline = time.Second
	start := time.Now()
	_, err := program.Run(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "took longer than 1s") || time.Since(start) > time.Minute {
		t.Fatalf("after %s: %v", time.Since(start), err)
	}
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for gone := time.Now().Add(time.Minute); ended(child) != nil; {
		if time.Now().After(gone) {
			t.Fatal("what it started lives on")
		}
	}
}

// ended is nil when a process is gone, or waits only for its parent to notice.
func ended(pid int) error {
	if syscall.Kill(pid, 0) != nil {
		return nil
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil || strings.Contains(string(stat), ") Z ") {
		return nil
	}
	return errors.New("it runs")
}
