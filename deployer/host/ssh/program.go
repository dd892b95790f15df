package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Program is a connection: what it reads and writes goes to and comes from
// the server. No shell reads its words.
type Program struct {
	Argv []string
	Dir  string   // "" is this process's
	Env  []string // NAME=value; all that it gets
	// Attended: a person is at the terminal, whom it may ask. Else it gets a
	// process group of its own, which ends with the connection.
	Attended bool
}

// Dial starts the program.
func (p Program) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	c := &piped{program: p.Argv[0], cmd: exec.Command(p.Argv[0], p.Argv[1:]...), ended: make(chan struct{})}
	c.cmd.Dir, c.cmd.Env, c.cmd.Stderr, c.cmd.WaitDelay = p.Dir, append([]string{}, p.Env...), &c.said, time.Second
	if !p.Attended {
		c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", c.program, err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("run %s: %w", c.program, err), theirIn.Close(), in.Close())
	}
	c.in, c.out, c.cmd.Stdin, c.cmd.Stdout = in, out, theirIn, theirOut
	err = c.cmd.Start()
	_, _ = theirIn.Close(), theirOut.Close()
	if err != nil {
		_, _ = in.Close(), out.Close()
		return nil, fmt.Errorf("%w: run %s: %w", ErrUnreachable, c.program, err)
	}
	go func() {
		defer close(c.ended)
		c.err = c.cmd.Wait()
	}()
	return c, nil
}

// piped is a connection by way of a program's standard input and output.
type piped struct {
	program string
	cmd     *exec.Cmd
	in, out *os.File
	said    lastWords
	once    sync.Once
	ended   chan struct{} // closed once the program was waited for, which sets err
	err     error
}

// grace is how long a program that closed its output has to end.
const grace = time.Second

// Read reads what the server sent. At the end it says how the program ended.
func (c *piped) Read(p []byte) (int, error) {
	n, err := c.out.Read(p)
	if n == 0 && errors.Is(err, io.EOF) {
		err = c.why()
	}
	return n, err
}

// Write sends to the server.
func (c *piped) Write(p []byte) (int, error) {
	n, err := c.in.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		err = c.why()
	}
	return n, err
}

// why says why there is nobody at the other end.
func (c *piped) why() error {
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-c.ended:
		return fmt.Errorf("%w: %s ended (%w): %s", ErrUnreachable, c.program, orDone(c.err), c.said.last())
	case <-t.C:
		return fmt.Errorf("%w: %s closed the connection", ErrUnreachable, c.program)
	}
}

var errDone = errors.New("exit status 0")

func orDone(err error) error {
	if err == nil {
		return errDone
	}
	return err
}

// Close ends the program and waits for it.
func (c *piped) Close() error {
	c.once.Do(func() {
		_, _ = c.in.Close(), c.out.Close()
		if c.cmd.SysProcAttr != nil {
			_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
		} else {
			_ = c.cmd.Process.Kill()
		}
	})
	<-c.ended
	return nil
}

// nowhere is the address of what is no socket; known_hosts wants one of this form.
func nowhere() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }

// LocalAddr says nothing.
func (c *piped) LocalAddr() net.Addr { return nowhere() }

// RemoteAddr says nothing.
func (c *piped) RemoteAddr() net.Addr { return nowhere() }

// SetDeadline is not supported.
func (c *piped) SetDeadline(time.Time) error { return errors.ErrUnsupported }

// SetReadDeadline is not supported.
func (c *piped) SetReadDeadline(time.Time) error { return errors.ErrUnsupported }

// SetWriteDeadline is not supported.
func (c *piped) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

// last is the last line of it, without control characters.
func (w *lastWords) last() string {
	lines := strings.Split(strings.TrimSpace(w.String()), "\n")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(lines[len(lines)-1], ""))
}
