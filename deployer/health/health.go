package health

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/internal/schedule"
)

// Engine is what health asks of a host's engine.
type Engine interface {
	Inspect(ctx context.Context, idOrName string) (container.Observed, error)
	Logs(ctx context.Context, id string, tail int) ([]string, error)
	// LastEnd tells how a container's process ended that finished at an
	// instant: of one that runs again, or that may be found to have been out of
	// memory a moment later. ok is false where that is not known any more.
	LastEnd(ctx context.Context, id string, finished time.Time) (end container.Ending, ok bool, err error)
	// Redial fails where the engine takes no new connection.
	Redial(ctx context.Context) error
}

// Prober asks a container on its host. Each call has its own deadline in ctx.
type Prober interface {
	// HTTP asks for path on address:port and returns the status code.
	HTTP(ctx context.Context, id, address string, port int, path string) (status int, err error)
	// TCP connects to address:port.
	TCP(ctx context.Context, id, address string, port int) error
	// Cmd runs argv in the container and returns its exit code and the end of
	// what it printed.
	Cmd(ctx context.Context, id string, argv []string) (exit int, output string, err error)
}

// ErrNoDoor is what a Prober returns when the host lets it reach the container
// in no way. The engine's own view must then do.
var ErrNoDoor = errors.New("the host gives no way to reach the container")

const (
	logLines  = 20
	firstWait = 50 * time.Millisecond
)

// silence is how long an engine may give no answer before Await ends with
// that. One call that hangs until its deadline is outlived.
const silence = 45 * time.Second

// Await waits until a started container works, at most h.Deadline. up tells
// that it ran before: then its earlier restarts do not count, and where it does
// not run at the first look the error is ErrOutdated. Else the error is an
// *Error when the container was seen not to work, anything else when the host
// could not be asked. Time in which it could not be asked does not count: no
// verdict comes from silence.
func Await(ctx context.Context, e Engine, p Prober, id string, h plan.Health, up bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, h.Deadline+h.Timeout+2*silence, errors.New("the host did not answer in time"))
	defer cancel()
	var answers tally
	begin, wait, restarts := time.Now(), firstWait, 0
	heard, deaf := begin, false
	if up {
		restarts = RestartsUnknown
	}
	for {
		first := restarts == RestartsUnknown
		c, v, err := inspect(ctx, e, id, &restarts)
		if err != nil {
			if errors.Is(err, docker.ErrNotFound) || time.Since(heard) > silence || schedule.Pause(ctx, h.Interval) != nil {
				return fmt.Errorf("await health: %w", errors.Join(err, ended(ctx)))
			}
			deaf = true
			continue
		}
		if deaf {
			begin, deaf = begin.Add(time.Since(heard)), false
		}
		heard = time.Now()
		if first && v != nil && v.rests {
			return ErrOutdated
		}
		if v != nil {
			return withLogs(ctx, e, v, c, &answers)
		}
		ok, answer, err := look(ctx, p, c, h, time.Since(begin))
		if ok {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("await health: %w", errors.Join(context.Cause(ctx), err))
		}
		if err != nil {
			if deaf = true; schedule.Pause(ctx, h.Interval) != nil {
				return fmt.Errorf("await health: %w", errors.Join(err, ended(ctx)))
			}
			continue
		}
		answers.add(answer)
		if time.Since(begin) >= h.Deadline || c.State.Health == container.Unhealthy {
			v := &Error{Container: c.Name, Message: "was not healthy after " + seconds(time.Since(begin))}
			return withLogs(ctx, e, v, c, &answers)
		}
		wait = min(wait*2, h.Interval)
		if err := schedule.Pause(ctx, min(wait, max(h.Deadline-time.Since(begin), time.Millisecond))); err != nil {
			return fmt.Errorf("await health: %w", err)
		}
	}
}

// RestartsUnknown stands for the restart count of a container that was not yet
// looked at.
const RestartsUnknown = -1

// Check looks once at a live container. restarts is the restart count that it
// had at the first look, which fills it in. A failed probe is not yet a
// verdict: the answer is returned for the caller to count.
func Check(ctx context.Context, e Engine, p Prober, id string, h plan.Health, restarts *int) (answer string, err error) {
	c, v, err := inspect(ctx, e, id, restarts)
	if err != nil {
		return "", fmt.Errorf("check health: %w", err)
	}
	if v != nil {
		return "", withLogs(ctx, e, v, c, nil)
	}
	if c.State.Health == container.Unhealthy {
		return "", withLogs(ctx, e, &Error{Container: c.Name, Message: "became unhealthy"}, c, nil)
	}
	h.Readiness = 0
	ok, answer, err := look(ctx, p, c, h, 0)
	if err != nil {
		return "", fmt.Errorf("check health: %w", err)
	}
	if ok {
		answer = ""
	}
	return answer, nil
}

// Failed makes the verdict on a live container whose probes failed too often.
func Failed(ctx context.Context, e Engine, id string, answers []string) error {
	c, err := e.Inspect(ctx, id)
	if err != nil {
		return fmt.Errorf("check health: %w", err)
	}
	var t tally
	for _, a := range answers {
		t.add(a)
	}
	return withLogs(ctx, e, &Error{Container: c.Name, Message: "stopped answering its health check"}, c, &t)
}

// inspect reads a container, and tells whether its process ended, and how.
// What a stopping engine says of its containers is true and nobody's fault but
// its own: an end counts only when the engine still takes connections, and
// says so again over what came of them.
func inspect(ctx context.Context, e Engine, id string, restarts *int) (container.Observed, *Error, error) {
	c, err := e.Inspect(ctx, id)
	if err != nil {
		return c, nil, err
	}
	before := *restarts
	if crashed(c, restarts) == nil {
		return c, nil, nil
	}
	if err := e.Redial(ctx); err != nil {
		return c, nil, err
	}
	if c, err = e.Inspect(ctx, id); err != nil {
		return c, nil, err
	}
	*restarts = before
	return c, crashed(c, restarts), nil
}

// crashed tells whether the container's process ended, and how.
func crashed(c container.Observed, restarts *int) *Error {
	s := c.State
	if *restarts == RestartsUnknown {
		*restarts = s.RestartCount
	}
	switch {
	case s.Status == container.Exited || s.Status == container.Dead || s.Status == container.Restarting || s.RestartCount > *restarts:
		v := &Error{Container: c.Name, rests: s.Status == container.Exited || s.Status == container.Dead}
		if s.Status == container.Running {
			v.again, v.Message = true, "ended and was started again"
			return v
		}
		v.ended(container.Ending{ExitCode: s.ExitCode, OOMKilled: s.OOMKilled})
		if s.Error != "" && !s.OOMKilled {
			v.Message = "did not start: " + s.Error
		}
		return v
	case s.Status == container.Removing:
		return &Error{Container: c.Name, Message: "is being removed"}
	}
	return nil
}

// look asks a running container once. An error tells that it was not asked:
// the host on the way was not heard.
func look(ctx context.Context, p Prober, c container.Observed, h plan.Health, up time.Duration) (ok bool, answer string, err error) {
	if c.State.Status != container.Running {
		return false, "container is " + string(c.State.Status), nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	switch {
	case h.HTTP != "":
		ok, answer, err = lookHTTP(ctx, p, c, h)
	case h.TCP != 0:
		if err = p.TCP(ctx, c.ID, address(c), h.TCP); err == nil {
			return true, "", nil
		}
		answer = fmt.Sprintf("connect :%d: %s", h.TCP, reason(err))
	case len(h.Cmd) > 0:
		code, out, cmdErr := p.Cmd(ctx, c.ID, h.Cmd)
		if err = cmdErr; err == nil {
			return code == 0, fmt.Sprintf("%s: exit %d %s", h.Cmd[0], code, out), nil
		}
		answer = h.Cmd[0] + ": " + reason(err)
	default:
		err = ErrNoDoor
	}
	switch {
	case errors.Is(err, ErrNoDoor):
		ok, answer = lookEngine(c, h, up)
	case unheard(err):
		return false, "", err
	}
	return ok, answer, nil
}

// unheard tells of a failed probe that it never got to the container, nor was
// turned away there: the way to its host broke.
func unheard(err error) bool {
	return errors.Is(err, ssh.ErrLost) || errors.Is(err, ssh.ErrUnreachable) || errors.Is(err, ssh.ErrClosed) ||
		errors.Is(err, docker.ErrUnavailable)
}

func lookHTTP(ctx context.Context, p Prober, c container.Observed, h plan.Health) (bool, string, error) {
	what := fmt.Sprintf("GET :%d%s", h.Port, h.HTTP)
	status, err := p.HTTP(ctx, c.ID, address(c), h.Port, h.HTTP)
	if err != nil {
		return false, what + ": " + reason(err), err
	}
	return status >= 200 && status < 300, fmt.Sprintf("%s: %d", what, status), nil
}

// lookEngine takes the engine's word: its health check where there is one,
// else that the process has run long enough.
func lookEngine(c container.Observed, h plan.Health, up time.Duration) (bool, string) {
	switch c.State.Health {
	case container.Healthy:
		return true, ""
	case container.Starting, container.Unhealthy:
		answer := "HEALTHCHECK: " + string(c.State.Health)
		if n := len(c.State.HealthLog); n > 0 {
			answer += fmt.Sprintf(", exit %d %s", c.State.HealthLog[n-1].ExitCode, c.State.HealthLog[n-1].Output)
		}
		return false, answer
	}
	return up >= h.Readiness, "running, not yet for " + seconds(h.Readiness)
}

func address(c container.Observed) string {
	if a := c.Addresses[plan.Network]; a != "" {
		return a
	}
	for _, a := range c.Addresses {
		if a != "" {
			return a
		}
	}
	if c.Spec.Network == "host" {
		return "127.0.0.1"
	}
	return ""
}

func withLogs(ctx context.Context, e Engine, v *Error, c container.Observed, t *tally) error {
	if t != nil {
		v.Probes = t.list()
	}
	killed := v.ExitCode == container.Killed && !v.OOMKilled && c.Spec.Resources.Memory > 0
	if v.again || killed {
		if end, ok, err := e.LastEnd(ctx, c.ID, c.State.FinishedAt); err == nil && ok {
			v.ended(end)
		}
	}
	if lines, err := e.Logs(ctx, c.ID, logLines); err == nil {
		v.Logs = lines
	}
	return v
}

func ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}
