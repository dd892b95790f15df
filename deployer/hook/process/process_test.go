package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
)

// login is a server's login shell, as sshd starts it: what it runs lives on when
// the session ends, and hears of that by the end of its input.
func login(shell string) Remote {
	return Remote{Name: "server", Shell: func(ctx context.Context, line string, st docker.Streams) (int, error) {
		cmd := exec.Command(shell, "-c", line)
		cmd.Stdout, cmd.Stderr = st.Out, st.Err
		in, err := cmd.StdinPipe()
		if err != nil {
			return 0, err
		}
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		stop := context.AfterFunc(ctx, func() { _ = in.Close() })
		defer stop()
		fed := make(chan struct{})
		go func() {
			defer close(fed)
			buf := make([]byte, 1<<16)
			for {
				n, err := st.In.Read(buf)
				if _, werr := in.Write(buf[:n]); err != nil || werr != nil {
					_ = in.Close()
					return
				}
			}
		}()
		err = cmd.Wait()
		_ = st.In.(*feed).Close()
		<-fed
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return exit.ExitCode(), nil
		}
		return 0, err
	}}
}

func begin() error { return nil }

// gone waits until no process of a job is there.
func gone(t *testing.T, id string) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var left []string
		files, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), Mark+"="+id) {
				left = append(left, file)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(until) {
			for _, file := range left {
				if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
			t.Errorf("still there: %q", left)
			return
		}
	}
}

func job(t *testing.T, script string, limit time.Duration) Job {
	return Job{ID: fmt.Sprintf("%s-%d", strings.ReplaceAll(t.Name(), "/", "-"), time.Now().UnixNano()), Name: "pre-deploy", Script: []byte("#!/bin/sh\n" + script), Deadline: limit, Keep: 1 << 10}
}

func TestOnAServerAJobIsBoundedAndLeavesNothing(t *testing.T) {
	// One that holds the output, and one that has left the group.
	const leaves = "sleep 1000 &\nsetsid sleep 1000 &\n"
	for name, c := range map[string]struct {
		script string
		limit  time.Duration
		failed string
		exit   int
		last   string
	}{
		"works":           {leaves + "echo done", time.Minute, "", 0, "done"},
		"fails":           {leaves + "echo bad >&2; exit 3", time.Minute, "ended with exit status 3", 3, "bad"},
		"hangs":           {leaves + "echo here; sleep 1000", time.Second, "was stopped: it took longer than 1s", 143, "here"},
		"ignores SIGTERM": {leaves + "trap '' TERM\necho here; sleep 1000; sleep 1000", time.Second, "was stopped: it took longer than 1s", 137, "here"},
		"reads":           {"cat; echo nothing came", time.Minute, "", 0, "nothing came"},
		"prints a lot":    {"head -c 5000000 /dev/zero | tr '\\0' 'x'; echo; echo the end", time.Minute, "", 0, "the end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := job(t, c.script, c.limit)
			o, err := There(t.Context(), login("/bin/sh"), j, begin)
			if err != nil || o.Failed != c.failed || o.Code != c.exit || len(o.Lines) == 0 || o.Lines[len(o.Lines)-1] != c.last {
				t.Errorf("%v: %q, exit %d, %q", err, o.Failed, o.Code, o.Lines[max(0, len(o.Lines)-3):])
			}
			if n := len(strings.Join(o.Lines, "\n")); n > j.Keep {
				t.Errorf("%d bytes are kept", n)
			}
			gone(t, j.ID)
		})
	}
}

func TestNoShellOnAServerReadsAWordOfTheRepository(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	hostile := []string{"$(touch " + mark + ")", "`touch " + mark + "`", "; touch " + mark + " #", "'; touch " + mark + "; '", "\"\\ $HOME && x", "a\nb\n", "", " - ", "-n", `\c\0101\\`, "käse \u2028 \xff", "*", "%s%b"}
	for _, shell := range []string{"/bin/sh", "/bin/bash"} {
		j := Job{ID: "words", Argv: append([]string{"printf", "[%s]"}, hostile...), Env: map[string]string{"KAMAL_PERFORMER": hostile[0] + "\n'"}, Deadline: time.Minute, Keep: 1 << 12}
		o, err := There(t.Context(), login(shell), j, begin)
		want := strings.ToValidUTF8("["+strings.Join(hostile, "][")+"]", "\uFFFD")
		if got := strings.Join(o.Lines, "\n"); err != nil || got != want {
			t.Errorf("%s: %v: %s\n%q\nwant\n%q", shell, err, o.Failed, got, want)
		}
		j.Argv = []string{"sh", "-c", `printf %s "$KAMAL_PERFORMER"`}
		if o, err = There(t.Context(), login(shell), j, begin); err != nil || strings.Join(o.Lines, "\n") != j.Env["KAMAL_PERFORMER"] {
			t.Errorf("%s: %v: %q", shell, err, o.Lines)
		}
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("a shell ran what is a word")
	}
	if strings.Contains(keeper, "'") {
		t.Error("the keeper has a quote in it, which ends it for the login shell")
	}
}

func TestAFileArrivesOnAServerByteForByte(t *testing.T) {
	script := []byte("#!/bin/cat\n")
	for i := range 5000 {
		script = append(script, byte(i), byte(i>>3))
	}
	script = append(script, "\n\\ %s 'the end'"...)
	sum := filepath.Join(t.TempDir(), "copy")
	j := Job{ID: "bytes", Name: "pre-build", Script: append([]byte("#!/bin/sh\ncat \"$0\" > "+sum+"; exit 0\n"), script...), Deadline: time.Minute, Keep: 1 << 10}
	if o, err := There(t.Context(), login("/bin/sh"), j, begin); err != nil || o.Failed != "" {
		t.Fatalf("%v: %+v", err, o)
	}
	if got, err := os.ReadFile(sum); err != nil || string(got) != string(j.Script) {
		t.Errorf("%d bytes arrived of %d, %v", len(got), len(j.Script), err)
	}
}

func TestWhenTheConnectionEndsTheServerEndsTheJob(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	j := job(t, "setsid sleep 1000 &\ntouch "+ready+"\nsleep 1000", time.Hour)
	ctx, cancel := context.WithCancelCause(t.Context())
	lost := errors.New("the daemon ends")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := os.Stat(ready); err == nil || ctx.Err() != nil {
				cancel(lost)
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if o, err := There(ctx, login("/bin/sh"), j, begin); !errors.Is(err, lost) {
		t.Errorf("%v: %+v", err, o)
	}
	<-done
	gone(t, j.ID)
}

func TestWhatCannotBeWrittenDownIsNotRunOnAServer(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	no := errors.New("the store is full")
	if o, err := There(t.Context(), login("/bin/sh"), job(t, "touch "+mark, time.Minute), func() error { return no }); !errors.Is(err, no) {
		t.Errorf("%v: %+v", err, o)
	}
	away := Remote{Name: "server", Shell: func(context.Context, string, docker.Streams) (int, error) { return 0, errors.New("no route") }}
	began := false
	if o, err := There(t.Context(), away, job(t, "touch "+mark, time.Minute), func() error { began = true; return nil }); err == nil || began {
		t.Errorf("began %v, %v: %+v", began, err, o)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("it was run")
	}
}

// A file that another process has open for writing cannot be run, and a process
// that is forked just then has it.
func TestFilesRunHoweverManyProcessesAreStartedBesides(t *testing.T) {
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			for i := range 25 {
				o, err := Here(t.Context(), Job{
					ID: fmt.Sprintf("fork/%d-%d", n, i), Name: "pre-deploy", Script: []byte("#!/bin/sh\nexit 0\n"), Deadline: time.Minute, Keep: 100,
				})
				if err != nil || o.Failed != "" {
					t.Errorf("%v, %v", o, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
