package docker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/fairlead-deploy/fairlead/deployer/container"
)

const (
	maxLine   = 8 << 10  // bytes of a log line; the rest of it is dropped
	maxLogs   = 4 << 20  // bytes that Logs reads
	maxOutput = 64 << 10 // bytes of each output that Exec keeps
)

// Logs returns the last lines of a container's output, standard error among
// standard output, without control characters.
func (e *Engine) Logs(ctx context.Context, id string, tail int) ([]string, error) {
	var lines []string
	err := e.call(ctx, "read logs of "+short(id), callTimeout, func(ctx context.Context, s *session) error {
		keep := func(line string) {
			if len(lines) == tail {
				lines = lines[:copy(lines, lines[1:])]
			}
			lines = append(lines, line)
		}
		return logs(ctx, s, id, client.ContainerLogsOptions{Tail: strconv.Itoa(max(0, tail))}, maxLogs, keep)
	})
	return lines, err
}

// FollowLogs calls line with each line that the container writes from the last
// tail ones on, until it ends (nil) or ctx does (its cause).
func (e *Engine) FollowLogs(ctx context.Context, id string, tail int, line func(string)) error {
	return e.open(ctx, "follow logs of "+short(id), func(ctx context.Context, s *session) error {
		return logs(ctx, s, id, client.ContainerLogsOptions{Tail: strconv.Itoa(max(0, tail)), Follow: true}, 1<<62, line)
	})
}

func logs(ctx context.Context, s *session, id string, options client.ContainerLogsOptions, limit int64, line func(string)) error {
	c, err := s.cli.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	options.ShowStdout, options.ShowStderr = true, true
	r, err := s.cli.ContainerLogs(ctx, id, options)
	if err != nil {
		return err
	}
	defer r.Close()
	out := &lineWriter{line: line}
	defer out.flush()
	body := &io.LimitedReader{R: r, N: limit}
	if c.Container.Config != nil && c.Container.Config.Tty {
		_, err = io.Copy(out, body)
	} else {
		_, err = stdcopy.StdCopy(out, out, body)
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) && body.N <= 0:
		return nil // cut at the limit, not by the loss of the connection
	case errors.Is(err, io.ErrUnexpectedEOF) && ctx.Err() == nil:
		return classed(ErrUnavailable, err)
	}
	return err
}

// lineWriter cuts what is written into bounded, plain lines.
type lineWriter struct {
	line func(string)
	part []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		chunk := p
		if end >= 0 {
			chunk = p[:end]
		}
		w.part = append(w.part, chunk[:min(len(chunk), maxLine-len(w.part))]...)
		if end < 0 {
			break
		}
		w.emit()
		p = p[end+1:]
	}
	return n, nil
}

func (w *lineWriter) emit() {
	w.line(strings.TrimRight(PlainText(string(w.part), maxLine), "\r\n"))
	w.part = w.part[:0]
}

func (w *lineWriter) flush() {
	if len(w.part) > 0 {
		w.emit()
	}
}

// Exec runs a command in a running container, without a shell, and waits for
// its end or ctx's. stdin may be nil. A command that ends with another code
// than 0 is no error; ctx must carry the caller's deadline.
func (e *Engine) Exec(ctx context.Context, id string, argv []string, stdin io.Reader) (ExecResult, error) {
	out, errs := &tail{}, &tail{}
	code, err := e.Attend(ctx, id, argv, nil, Streams{In: stdin, Out: out, Err: errs})
	if err != nil {
		return ExecResult{}, err
	}
	return ExecResult{ExitCode: code, Stdout: out.String(), Stderr: errs.String()}, nil
}

var errStillRunning = errors.New("the connection to the command was lost; it may still run")

// tail keeps the last maxOutput bytes written.
type tail struct{ buf []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - maxOutput; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.buf) }

// Events calls each with what happens to containers that have all the labels,
// from now on until ctx ends (its cause) or the connection is lost. The
// engine's stream has no sign of life of its own: the connection's keepalive
// ends it.
func (e *Engine) Events(ctx context.Context, labels map[string]string, each func(Event)) error {
	filters := client.Filters{}.Add("type", "container").Add("event", "create", "start", "die", "oom", "stop", "destroy", "rename", "health_status")
	for k, v := range labels {
		if v != "" {
			k += "=" + v
		}
		filters.Add("label", k)
	}
	return e.open(ctx, "follow events", func(ctx context.Context, s *session) error {
		stream := s.cli.Events(ctx, client.EventsListOptions{Filters: filters})
		for {
			select {
			case m := <-stream.Messages:
				each(Event{Container: m.Actor.ID, Name: m.Actor.Attributes["name"], Action: string(m.Action),
					ExitCode: m.Actor.Attributes["exitCode"], Labels: m.Actor.Attributes, Time: time.Unix(0, m.TimeNano)})
			case err := <-stream.Err:
				if errors.Is(err, io.EOF) {
					return classed(ErrUnavailable, io.ErrUnexpectedEOF)
				}
				return err
			}
		}
	})
}

// lateOOM is how much later than an end an engine may tell that it was for want
// of memory (0.05 to 0.4 s seen of a busy Docker 20.10, whose inspect never does).
const lateOOM = time.Second

// LastEnd returns how the process of a container ended that finished at an
// instant on the host's clock, which inspect forgets once it runs again. ok is
// false where the engine, which keeps a few hundred events, has forgotten it too.
func (e *Engine) LastEnd(ctx context.Context, id string, finished time.Time) (end container.Ending, ok bool, err error) {
	filters := client.Filters{}.Add("container", id).Add("event", "die", "oom")
	err = e.call(ctx, "read events of "+short(id), callTimeout, func(ctx context.Context, s *session) error {
		stream := s.cli.Events(ctx, client.EventsListOptions{Since: "1", Until: finished.Add(lateOOM).Format(time.RFC3339Nano), Filters: filters})
		for {
			select {
			case m := <-stream.Messages:
				switch {
				case m.Action == "oom":
					end.OOMKilled = true
				case time.Unix(0, m.TimeNano).Before(finished):
					end.OOMKilled = false // of an end before
				case !ok:
					code, err := strconv.Atoi(m.Actor.Attributes["exitCode"])
					end.ExitCode, ok = code, err == nil
				}
				if ok && (end.OOMKilled || end.ExitCode != container.Killed) {
					return nil
				}
			case err := <-stream.Err:
				if errors.Is(err, io.EOF) {
					return nil
				}
				return err
			}
		}
	})
	return end, ok, err
}
