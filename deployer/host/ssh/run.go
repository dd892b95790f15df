package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// Command is a command line that a person typed, with its streams.
type Command struct {
	Line     string
	In       io.Reader // nil: none. One that is an io.Closer is closed at the end.
	Out, Err io.Writer // Out gets all where there is a terminal
	TTY      bool
	Size     operation.Size        // of the terminal at the beginning
	Resize   <-chan operation.Size // nil: it stays
}

// Run runs a person's own command line in the user's login shell on the host,
// until it ends (its exit status) or ctx does, which closes its session. Text
// from a repository must never come here.
func (c *Client) Run(ctx context.Context, cmd Command) (int, error) {
	s, release, err := c.session(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	code, err := run(ctx, s, cmd)
	_ = s.Close()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("run a command on %s: %w", c.target.Name, err)
	}
	return code, nil
}

func run(ctx context.Context, s *ssh.Session, cmd Command) (int, error) {
	s.Stdout, s.Stderr = cmd.Out, cmd.Err
	var in io.WriteCloser
	var err error
	if cmd.In != nil {
		if in, err = s.StdinPipe(); err != nil {
			return 0, err
		}
	}
	if cmd.TTY {
		rows, cols := max(cmd.Size.Rows, 1), max(cmd.Size.Cols, 1)
		if err := s.RequestPty("xterm-256color", int(rows), int(cols), ssh.TerminalModes{}); err != nil {
			return 0, err
		}
	}
	if err := s.Start(cmd.Line); err != nil {
		return 0, err
	}
	var wg abreast.Group
	defer wg.Wait()
	sizing, cancel := context.WithCancel(ctx)
	defer cancel()
	if in != nil {
		wg.Go(func() {
			_, _ = io.Copy(in, cmd.In) // a command may end before it has read it all
			_ = in.Close()
		})
	}
	wg.Go(func() {
		for {
			select {
			case to, ok := <-cmd.Resize:
				if !ok {
					return
				}
				_ = s.WindowChange(int(to.Rows), int(to.Cols))
			case <-sizing.Done():
				return
			}
		}
	})
	err = s.Wait()
	if c, ok := cmd.In.(io.Closer); ok {
		_ = c.Close()
	}
	if exit, ok := errors.AsType[*ssh.ExitError](err); ok {
		return exit.ExitStatus(), nil
	}
	return 0, err
}
