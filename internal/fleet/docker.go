package fleet

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
	"time"
)

// maxOutput bounds what is kept of a command's output, in bytes.
const maxOutput = 4 << 20

// commandTimeout bounds a command whose caller set no earlier deadline.
const commandTimeout = 2 * time.Minute

// docker runs the command line client against this machine's engine.
func docker(ctx context.Context, args ...string) (string, error) {
	return command(ctx, nil, append([]string{"docker"}, args...)...)
}

// command runs a program and returns what it printed. The error holds what the
// program complained about.
func command(ctx context.Context, stdin io.Reader, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTimeout, fmt.Errorf("no end within %s", commandTimeout))
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = 2 * time.Second
	var stdout, stderr tail
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	err := cmd.Run()
	if err == nil {
		return stdout.String(), nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	said := strings.TrimSpace(stderr.String())
	if said == "" {
		said = strings.TrimSpace(stdout.String())
	}
	shown := strings.Join(argv[:min(len(argv), 4)], " ")
	return stdout.String(), fmt.Errorf("%s: %w: %s", shown, err, said)
}

// tail keeps the last maxOutput bytes written to it.
type tail struct{ buf bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	n, err := t.buf.Write(p)
	if over := t.buf.Len() - maxOutput; over > 0 {
		t.buf.Next(over)
	}
	return n, err
}

func (t *tail) String() string { return t.buf.String() }

// Compile builds a program of this module without cgo, so that it runs in an
// empty image; ldflags are more flags for the linker. The working folder must be
// in the module. When ctx ends the go command is interrupted, not killed, so that
// it ends its compilers; what it leaves then is in a folder that goes too.
func Compile(ctx context.Context, pkg, out, ldflags string) (err error) {
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("build " + pkg + ": the Go toolchain is not in PATH")
	}
	err = os.MkdirAll(filepath.Dir(out), 0o755)
	var work string
	if err == nil {
		work, err = os.MkdirTemp(filepath.Dir(out), ".go-")
	}
	if err != nil {
		return fmt.Errorf("build %s: %w", pkg, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", strings.TrimSpace("-ldflags=-s -w "+ldflags), "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOTMPDIR="+work)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var said tail
	cmd.Stdout, cmd.Stderr = &said, &said
	err = cmd.Run()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, strings.TrimSpace(said.String()))
	}
	return nil
}

func goBuild(ctx context.Context, pkg, out string) error { return Compile(ctx, pkg, out, "") }

// modulePath is the module that the fleet's own programs are built from.
const modulePath = "github.com/fairlead-deploy/fairlead"
