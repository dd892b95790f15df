// Package program runs the programs that secrets come from: argv and never a
// shell, a deadline for the whole process group, bounded output, and an
// environment that says what is in it.
//
// Lives here: running one program once. May not live here: which program, and
// what its output means.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// Limits of one run.
const (
	maxOutput = 1 << 20 // bytes on stdout
	maxErrors = 4 << 10 // bytes kept of stderr
	maxShown  = 200     // bytes of stderr in an error
)

// Command is one run of a program.
type Command struct {
	Argv []string
	Dir  string   // "" is the folder for temporary files
	Env  []string // all of the environment: "NAME=value"
	In   []byte   // for stdin
	// Deadline bounds the run; 0 leaves that to ctx.
	Deadline time.Duration
	// Mute keeps what the program says on stderr out of the error, for one that
	// prints secrets there.
	Mute bool
	// Attended is for a person at the terminal, whom the program may ask: it has
	// their stdin and stderr, and stays in their process group.
	Attended bool
}

// Output is what a program printed.
type Output struct{ Out, Err []byte }

// Error is that a program could not be run, or failed.
type Error struct {
	Program string
	Status  int    // its exit status, -1 where it has none
	Said    string // the last line on stderr, without known secrets
	Err     error
}

func (e *Error) Error() string {
	if e.Said == "" {
		return fmt.Sprintf("run %s: %v", e.Program, e.Err)
	}
	return fmt.Sprintf("run %s: %v: %s", e.Program, e.Err, e.Said)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Environ is PATH and HOME of this process, and these variables of it.
func Environ(names ...string) []string {
	var env []string
	for _, name := range append([]string{"PATH", "HOME"}, names...) {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// Run runs the program. It and all that it started are ended when ctx or the
// deadline ends. The error is a *Error.
func Run(ctx context.Context, c Command) (Output, error) {
	if c.Deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.Deadline, fmt.Errorf("it took longer than %s", c.Deadline))
		defer cancel()
	}
	failed := &Error{Program: filepath.Base(c.Argv[0]), Status: -1}
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = c.Dir, c.Env, time.Second
	if cmd.Dir == "" {
		cmd.Dir = os.TempDir()
	}
	if cmd.Env == nil {
		cmd.Env = []string{} // nil would be all of this process's
	}
	if c.In != nil {
		cmd.Stdin = bytes.NewReader(c.In)
	}
	out, errs := &bounded{max: maxOutput, whole: true}, &bounded{max: maxErrors}
	cmd.Stdout, cmd.Stderr = out, errs
	if c.Attended {
		if !c.Mute {
			cmd.Stderr = io.MultiWriter(errs, os.Stderr)
		}
		if c.In == nil {
			cmd.Stdin = os.Stdin
		}
	} else {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	}
	err := cmd.Run()
	switch {
	case out.over:
		failed.Err = fmt.Errorf("it printed more than %d bytes", maxOutput)
	case ctx.Err() != nil:
		failed.Err = context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		failed.Err = errors.New("there is no such program; install it, or name it by its whole path")
	case err != nil:
		failed.Err = err
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			failed.Status = exit.ExitCode()
		}
	default:
		return Output{out.text.Bytes(), errs.text.Bytes()}, nil
	}
	if !c.Mute {
		failed.Said = lastLine(errs.text.String(), c.Env)
	}
	return Output{}, failed
}

// lastLine is the last line with text, without the environment's values.
func lastLine(text string, env []string) string {
	var known secret.Scrubber
	var values []secret.Value
	for _, pair := range env {
		if name, v, _ := strings.Cut(pair, "="); name != "PATH" && name != "HOME" {
			values = append(values, secret.New(v))
		}
	}
	known.Know("", values...)
	lines := strings.Split(strings.TrimSpace(known.Scrub(text)), "\n")
	last := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.TrimSpace(lines[len(lines)-1]))
	if len(last) > maxShown {
		last = strings.ToValidUTF8(last[:maxShown], "") + "…"
	}
	return last
}

// bounded keeps the beginning of what is written. Where it must be whole, more
// than that ends the program that writes.
type bounded struct {
	text  bytes.Buffer
	max   int
	whole bool
	over  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.max - b.text.Len(); room < len(p) {
		b.over = true
		if b.whole {
			return 0, errors.New("too much output")
		}
		b.text.Write(p[:room])
		return len(p), nil
	}
	return b.text.Write(p)
}
