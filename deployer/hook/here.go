package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
)

// graceHere is how long a process has between SIGTERM and SIGKILL.
const graceHere = 2 * time.Second

// mark is the variable by which the processes of a hook are known, those that
// left its group too.
const mark = "FAIRLEAD_HOOK_RUN"

// here runs a task on the machine that Fairlead runs on, in an empty folder.
// One that was cut off by the end of a Fairlead has failed: nobody can tell how
// far it came.
func (r *Run) here(ctx context.Context, t Task) error {
	id := mark + "=" + string(r.Release.ID) + "/" + t.String()
	defer reap(id)
	if r.ran(t) != nil {
		return r.end(ctx, t, 0, "is not known to have ended well: Fairlead ended while it ran", nil)
	}
	if err := r.begin(ctx, t, "", ""); err != nil {
		return err
	}
	code, lines, err := r.process(ctx, t, id)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	failed := ""
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		failed = fmt.Sprintf("was stopped: it took longer than %s", t.Deadline)
	case err != nil:
		failed, code = "cannot be started: "+err.Error(), notFound
	case code != 0:
		failed = fmt.Sprintf("ended with exit status %d", code)
	}
	return r.end(ctx, t, code, failed, lines)
}

// process runs the task and returns its exit status and the end of what it
// printed. The error is that it did not start, or its deadline.
func (r *Run) process(ctx context.Context, t Task, id string) (int, []string, error) {
	dir, err := os.MkdirTemp("", "fairlead-hook-")
	if err != nil {
		return 0, nil, err
	}
	defer os.RemoveAll(dir)
	argv := t.Argv
	if t.Script != nil {
		file := filepath.Join(dir, t.Hook)
		if err := os.WriteFile(file, t.Script, 0o700); err != nil {
			return 0, nil, err
		}
		argv = []string{file}
	}
	ctx, cancel := context.WithTimeout(ctx, t.Deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	out := &tail{}
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = dir, r.environ(t, dir, id), out, out, graceHere
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return 0, nil, err
	}
	_ = cmd.Wait() // how it ended is in its state
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if ctx.Err() != nil {
		return cmd.ProcessState.ExitCode(), out.lines(), ctx.Err()
	}
	return cmd.ProcessState.ExitCode(), out.lines(), nil
}

// environ is all that the process has of an environment: none of Fairlead's own
// secrets, and the service's for the hooks that have them with Kamal 2.12.
func (r *Run) environ(t Task, home, id string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, id}
	for name, value := range r.facts().env(t) {
		env = append(env, name+"="+value)
	}
	if slices.Contains([]string{"pre-connect", "pre-deploy", postDeploy}, t.Hook) {
		for name, v := range r.Secrets {
			env = append(env, name+"="+v.Reveal())
		}
	}
	return env
}

// reap ends what a hook left behind, whatever group it is in by now.
func reap(id string) {
	entries, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range entries {
		text, err := os.ReadFile(file)
		if err != nil || !slices.ContainsFunc(bytes.Split(text, []byte{0}), func(pair []byte) bool { return string(pair) == id }) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended meanwhile
		}
	}
}

// tail keeps the last maxKept bytes written.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p[max(0, len(p)-maxKept):]...)
	if over := len(t.buf) - maxKept; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

// lines are plain text: no control characters.
func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.ToValidUTF8(strings.TrimRight(string(t.buf), "\r\n"), "\uFFFD")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.Map(func(r rune) rune {
			if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
				return -1
			}
			return r
		}, l)
	}
	return lines
}
