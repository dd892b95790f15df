package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// maxProgram bounds a program, in bytes.
const maxProgram = 512 << 20

// upgrade is run in the proxy's container, whose program it replaces.
func (c *commands) upgrade() *cobra.Command {
	return &cobra.Command{
		Use: "upgrade", Short: "Run the program on standard input in this one's place; no connection is refused", Args: cobra.NoArgs,
		Long: "Replace the program of the running proxy by the one on standard input. New connections are served by it at once;\nrequests under way have ten seconds to end. When it cannot serve, all stays as it was.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			said, err := c.become(cmd.Context(), cmd.InOrStdin())
			if err != nil {
				return fmt.Errorf("upgrade: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), said)
			return err
		},
	}
}

// become puts a program in this one's place and waits until the proxy runs it.
func (c *commands) become(ctx context.Context, program io.Reader) (said string, err error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	next, before := path+".next", path+".before"
	defer func() { _ = os.Remove(next) }()
	same, err := store(program, next, path)
	if err != nil {
		return "", err
	}
	if same {
		return "it is this program already", nil
	}
	version, err := askVersion(ctx, next)
	if err != nil {
		return "", err
	}
	// The name holds a program at any moment, and the old one until the new serves.
	_ = os.Remove(before)
	if err := errors.Join(os.Link(path, before), os.Rename(next, path)); err != nil {
		return "", err
	}
	was, err := c.client().Upgrade(ctx)
	if err != nil {
		return "", errors.Join(err, os.Rename(before, path))
	}
	if err := c.succeeded(ctx, was.Instance); err != nil {
		return "", err
	}
	return "it is " + version + " now", os.Remove(before)
}

// succeeded waits until another process than was takes commands.
func (c *commands) succeeded(ctx context.Context, was string) error {
	const limit = drainForSuccessor + interimTime
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the new program takes no commands after %s; see the proxy's log", limit))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if now, err := c.client().About(ctx); err == nil && now.Instance != was {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// store writes a program to a file, and tells whether it is the one at path.
func store(program io.Reader, file, path string) (same bool, err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return false, err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(program, maxProgram+1))
	err = errors.Join(err, f.Sync(), f.Close())
	switch {
	case err != nil:
		return false, err
	case n == 0:
		return false, errors.New("there is no program on standard input")
	case n > maxProgram:
		return false, fmt.Errorf("the program on standard input is larger than %d MiB", maxProgram>>20)
	}
	running, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = running.Close() }()
	mine := sha256.New()
	_, err = io.Copy(mine, running)
	return bytes.Equal(mine.Sum(nil), sum.Sum(nil)), err
}

// askVersion finds out whether a program is a proxy that runs here.
func askVersion(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, interimTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "version")
	cmd.Args[0] = "kamal-proxy"
	out, err := cmd.Output()
	if version := strings.TrimSpace(string(out)); err == nil && strings.HasPrefix(version, "v") {
		return version, nil
	}
	return "", fmt.Errorf("what is on standard input is not a proxy that runs here: %w", errors.Join(err, fmt.Errorf("it says %.60q", out)))
}
