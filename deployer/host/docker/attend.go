package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	wanted "github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// Streams are the standard streams of a command that somebody attends.
type Streams struct {
	// In may be nil. One that is an io.Closer is closed when the command ends.
	In       io.Reader
	Out, Err io.Writer // Out gets all where there is a terminal
	TTY      bool
	Size     operation.Size        // of the terminal at the beginning; zero: the engine's choice
	Resize   <-chan operation.Size // nil: it stays
}

// Attend runs a command in a running container, without a shell, and passes
// its streams as they are until it ends or ctx does. It returns the exit
// status. A command whose ctx ends runs on: the engine has no call to end it.
func (e *Engine) Attend(ctx context.Context, id string, argv, env []string, st Streams) (code int, err error) {
	err = e.open(ctx, "exec in "+short(id), func(ctx context.Context, s *session) error {
		made, err := s.cli.ExecCreate(ctx, id, client.ExecCreateOptions{Cmd: argv, Env: env, TTY: st.TTY,
			AttachStdin: st.In != nil, AttachStdout: true, AttachStderr: true})
		if err != nil {
			return err
		}
		conn, err := s.attach.ExecAttach(ctx, made.ID, client.ExecAttachOptions{TTY: st.TTY})
		if err != nil {
			return err
		}
		resize := func(ctx context.Context, to operation.Size) error {
			_, err := s.cli.ExecResize(ctx, made.ID, client.ExecResizeOptions{Height: to.Rows, Width: to.Cols})
			return err
		}
		if err := flow(ctx, conn.HijackedResponse, st, resize); err != nil {
			return err
		}
		done, err := s.cli.ExecInspect(ctx, made.ID, client.ExecInspectOptions{})
		if err == nil && done.Running {
			err = errStillRunning
		}
		code = done.ExitCode
		return err
	})
	return code, err
}

// RunAttended makes a container of a Spec, runs it to its end with its streams
// passed as they are, and returns the exit status. The container is removed at
// its end, and at ctx's; where this process dies, by the engine when it ends.
// The name must be used for nothing else. Errors are those of Create.
func (e *Engine) RunAttended(ctx context.Context, name string, spec wanted.Spec, st Streams) (code int, err error) {
	spec.TTY, spec.OpenStdin = st.TTY, st.In != nil
	options, err := passing(name, spec)
	if err != nil {
		return 0, e.onHost(ctx, "run container "+name, err)
	}
	options.Config.StdinOnce, options.Config.AttachStdin = st.In != nil, st.In != nil
	options.Config.AttachStdout, options.Config.AttachStderr = true, true
	err = e.open(ctx, "run container "+name, func(ctx context.Context, s *session) error {
		made, err := create(ctx, s, options)
		if err == nil {
			code, err = runAttended(ctx, s, made.ID, st)
		}
		if err == nil || errors.Is(err, ErrNameTaken) {
			return err
		}
		// By its name: it may have been made though its making failed for us.
		gone, cancel := context.WithTimeout(context.WithoutCancel(ctx), pipeClose)
		defer cancel()
		return errors.Join(err, e.Remove(gone, name))
	})
	return code, err
}

// Launch makes a container of a Spec and starts it; the engine removes it when
// it ends. Errors are those of Create.
func (e *Engine) Launch(ctx context.Context, name string, spec wanted.Spec) error {
	options, err := passing(name, spec)
	if err != nil {
		return e.onHost(ctx, "run container "+name, err)
	}
	return e.call(ctx, "run container "+name, 2*callTimeout, func(ctx context.Context, s *session) error {
		made, err := create(ctx, s, options)
		if err != nil {
			return err
		}
		if _, err = s.cli.ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
			err = errors.Join(err, e.Remove(context.WithoutCancel(ctx), made.ID))
		}
		return err
	})
}

// passing are the options of a container that goes when it ends.
func passing(name string, spec wanted.Spec) (client.ContainerCreateOptions, error) {
	options, err := createOptions(name, spec)
	if err == nil {
		options.HostConfig.AutoRemove = true
	}
	return options, err
}

// runAttended attaches, waits and starts in this order, so that neither output
// nor the end is missed.
func runAttended(ctx context.Context, s *session, id string, st Streams) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := s.attach.ContainerAttach(ctx, id, client.ContainerAttachOptions{Stream: true, Stdin: st.In != nil, Stdout: true, Stderr: true})
	if err != nil {
		return 0, err
	}
	end := s.cli.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
	if _, err := s.cli.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		conn.Close()
		cancel()
		_, _ = ended(end)
		return 0, err
	}
	flown := flow(ctx, conn.HijackedResponse, st, func(ctx context.Context, to operation.Size) error {
		_, err := s.cli.ContainerResize(ctx, id, client.ContainerResizeOptions{Height: to.Rows, Width: to.Cols})
		return err
	})
	if flown != nil {
		cancel()
	}
	code, err := ended(end)
	if flown != nil {
		err = flown
	}
	return code, err
}

// ended takes the one answer of a wait; the SDK's goroutine ends with it.
func ended(w client.ContainerWaitResult) (int, error) {
	select {
	case r := <-w.Result:
		if r.Error != nil {
			return 0, errors.New(r.Error.Message)
		}
		return int(r.StatusCode), nil
	case err := <-w.Error:
		return 0, err
	}
}

// flow passes the streams of a hijacked connection until the command's end.
// Channels through SSH know no deadlines, so the end of ctx closes it.
func flow(ctx context.Context, conn client.HijackedResponse, st Streams, resize func(context.Context, operation.Size) error) error {
	stop := context.AfterFunc(ctx, conn.Close)
	defer stop()
	sizing, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg abreast.Group
	if st.In != nil {
		wg.Go(func() {
			// A command that ends without reading it all breaks the pipe.
			_, _ = io.Copy(conn.Conn, st.In)
			_ = conn.CloseWrite()
		})
	}
	if st.TTY {
		wg.Go(func() { follow(sizing, st, resize) })
	}
	var err error
	if st.TTY {
		_, err = io.Copy(st.Out, conn.Reader)
	} else {
		_, err = stdcopy.StdCopy(st.Out, st.Err, conn.Reader)
	}
	conn.Close()
	cancel()
	if c, ok := st.In.(io.Closer); ok {
		_ = c.Close()
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("read its output: %w", err)
	}
	return nil
}

// follow gives a terminal the sizes that it is told. The first may come before
// the process has one, so what was not taken is said again.
func follow(ctx context.Context, st Streams, resize func(context.Context, operation.Size) error) {
	const first, last = 50 * time.Millisecond, time.Second
	want, told, pause := st.Size, st.Resize, first
	for {
		var again <-chan time.Time
		if want != (operation.Size{}) {
			if resize(ctx, want) == nil {
				want, pause = operation.Size{}, first
			} else {
				again, pause = time.After(pause), min(2*pause, last)
			}
		}
		select {
		case to, ok := <-told:
			if !ok {
				told = nil
				continue
			}
			want = to
		case <-again:
		case <-ctx.Done():
			return
		}
	}
}

// LogQuery chooses of what a container wrote.
type LogQuery struct {
	Tail   int       // how many of the last lines; below 0: all
	Since  time.Time // zero: from the beginning
	Follow bool      // go on until the container ends
}

// LogLines calls each with the lines that a container wrote, standard error
// among standard output, without control characters, and when by the host's
// clock. It returns at their end, or at ctx's.
func (e *Engine) LogLines(ctx context.Context, id string, q LogQuery, each func(at time.Time, text string)) error {
	o := client.ContainerLogsOptions{Tail: "all", Follow: q.Follow, Timestamps: true}
	if q.Tail >= 0 {
		o.Tail = strconv.Itoa(q.Tail)
	}
	if !q.Since.IsZero() {
		o.Since = q.Since.Format(time.RFC3339Nano)
	}
	return e.open(ctx, "read logs of "+short(id), func(ctx context.Context, s *session) error {
		return logs(ctx, s, id, o, 1<<62, func(line string) {
			stamp, text, _ := strings.Cut(line, " ")
			at, err := time.Parse(time.RFC3339Nano, stamp)
			if err != nil {
				text = line // the rest of a line that the engine cut
			}
			each(at, text)
		})
	})
}

// TryLogin asks the host's engine whether a registry takes an account; nothing
// is kept. ErrUnauthorized where it does not.
func (e *Engine) TryLogin(ctx context.Context, a Auth) error {
	return e.call(ctx, "log in to "+a.Server, 2*callTimeout, func(ctx context.Context, s *session) error {
		_, err := s.cli.RegistryLogin(ctx, client.RegistryLoginOptions{Username: a.Username, Password: a.Password.Reveal(), ServerAddress: a.Server})
		return translatePull(err)
	})
}
