package hook

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/hook/process"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/internal/schedule"
)

// Bounds of looking after a container.
const (
	firstLook = 50 * time.Millisecond
	lastLook  = time.Second
	// silence is how long a host may give no answer before it is the world's
	// fault. One call that hangs until its deadline is outlived.
	silence = 45 * time.Second
	// grace is how long a hook has between SIGTERM and SIGKILL.
	grace    = 10 * time.Second
	tries    = 3
	logLines = 4000
)

// errForeign is that somebody else has the name of a hook's container.
var errForeign = fmt.Errorf("%w, which is no hook of this release", docker.ErrNameTaken)

// attended is a hook's container being looked after.
type attended struct {
	*Run
	t      Task
	h      rollout.Host
	name   string
	starts int // that failed
}

// contained runs a task in its container, or waits for the one that was
// started before a death. It returns when the end is written down.
func (r *Run) contained(ctx context.Context, t Task) error {
	at := r.Like.Host
	if had := r.ran(t); had != nil {
		at = had.Host
	}
	h, ok := r.Work.Hosts[at]
	if !ok {
		return fmt.Errorf("it began on %s, which is left out now: %w", at, docker.ErrUnavailable)
	}
	a := &attended{Run: r, t: t, h: h, name: name(*r.Release, t)}
	heard, pause, bad := time.Now(), firstLook, 0
	for {
		done, waits, err := a.step(ctx)
		switch {
		case done || errors.As(err, new(*noteError)):
			return err
		case err == nil:
			heard, bad = time.Now(), 0
		case !rollout.Passes(err) || time.Since(heard) > silence && bad >= tries:
			return err
		default:
			waits = true
			bad++
		}
		if !waits {
			pause = firstLook
			continue
		}
		if err := schedule.Pause(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, lastLook)
	}
}

// step looks at the container and does the one thing that is to do now. waits
// tells that there is nothing to do yet.
func (a *attended) step(ctx context.Context) (done, waits bool, err error) {
	c, err := a.h.Engine.Inspect(ctx, a.name)
	had := a.ran(a.t)
	switch {
	case errors.Is(err, docker.ErrNotFound) && had != nil && had.Container != "":
		return true, false, a.end(ctx, a.t, 0, "is not known to have ended well: somebody removed its container", nil)
	case errors.Is(err, docker.ErrNotFound):
		return false, false, a.create(ctx)
	case err != nil:
		return false, false, err
	case c.Spec.Labels[label] != a.t.String() || c.Spec.Labels[plan.LabelRelease] != string(a.Release.ID):
		return true, false, errForeign
	case c.State.Status == container.Created && c.State.StartedAt.IsZero():
		if a.starts > 0 {
			return false, false, a.again(ctx, c.ID)
		}
		done, err = a.start(ctx, c.ID)
		return done, false, err
	case c.State.IsUp() || c.State.Status == container.Restarting:
		if had != nil && time.Since(had.Started) >= a.t.Deadline {
			return false, false, a.effect(ctx, "stop "+a.name, func() error { return a.h.Containers.Stop(ctx, c.ID, grace) })
		}
		return false, true, nil
	}
	return true, false, a.finish(ctx, c)
}

// create makes the container, not started. A lost reply shows at the next look.
func (a *attended) create(ctx context.Context) error {
	return a.effect(ctx, "create "+a.name, func() error {
		_, err := a.h.Containers.Create(ctx, a.name, specOf(a.Like, a.facts(), a.t))
		if errors.Is(err, docker.ErrNameTaken) {
			return nil
		}
		return err
	})
}

// start writes down that the hook begins, and starts it. One that the engine
// will not start has failed.
func (a *attended) start(ctx context.Context, id string) (done bool, err error) {
	if a.t.Script != nil {
		err := a.effect(ctx, "put "+a.t.Shown+" into "+a.name, func() error {
			return a.h.Archives.CopyTo(ctx, id, "/", archive(a.t.Script))
		})
		if err != nil {
			return false, err
		}
	}
	if err := a.begin(ctx, a.t, a.h.Name, id); err != nil {
		return false, err
	}
	err = a.effect(ctx, "start "+a.name, func() error { return a.h.Containers.Start(ctx, id) })
	if errors.Is(err, docker.ErrInvalid) {
		if err := a.end(ctx, a.t, process.NotFound, "cannot be started: "+err.Error(), nil); err != nil {
			return true, err
		}
		a.remove(ctx, a.h.Name, id)
		return true, nil
	}
	if err != nil {
		a.starts++
	}
	return false, err
}

// again takes away a container that the engine did not start, so that another
// is made: what breaks off a first start may leave one that never will.
func (a *attended) again(ctx context.Context, id string) error {
	if a.starts >= tries {
		return fmt.Errorf("the engine did not start it, %d times", a.starts)
	}
	if err := a.begin(ctx, a.t, a.h.Name, ""); err != nil {
		return err
	}
	return a.effect(ctx, "remove "+a.name, func() error { return a.h.Cleaner.Remove(ctx, id) })
}

// finish writes down how the container ended, and removes it.
func (a *attended) finish(ctx context.Context, c container.Observed) error {
	var lines []string
	for n := range tries {
		var err error
		if lines, err = a.h.Engine.Logs(ctx, c.ID, logLines); err == nil {
			break
		}
		lines = []string{"(its output could not be read: " + err.Error() + ")"}
		if n+1 < tries {
			if err := schedule.Pause(ctx, lastLook); err != nil {
				return err
			}
		}
	}
	if err := a.end(ctx, a.t, c.State.ExitCode, ending(a.t, c.State), lines); err != nil {
		return err
	}
	a.remove(ctx, a.h.Name, c.ID)
	return nil
}

// ending says why a container that ended did not do its work, "" where it did.
// Both times are the host's.
func ending(t Task, s container.State) string {
	took := s.FinishedAt.Sub(s.StartedAt)
	switch {
	case !s.FinishedAt.IsZero() && took >= t.Deadline:
		return fmt.Sprintf("was stopped: it took longer than %s", t.Deadline)
	case s.OOMKilled:
		return "was killed: out of memory"
	case s.ExitCode != 0:
		return fmt.Sprintf("ended with exit status %d", s.ExitCode)
	case s.Status == container.Dead || s.Status == container.Removing:
		return "is not known to have ended well: somebody removed its container"
	}
	return ""
}

// remove takes a container away whose end is written down. What does not work
// is swept by a later release.
func (r *Run) remove(ctx context.Context, host, id string) {
	h, ok := r.Work.Hosts[host]
	if !ok || id == "" {
		return
	}
	var err error
	for n := range tries {
		err = effect(ctx, r.Work, host, "remove hook "+id[:min(12, len(id))], func() error { return h.Cleaner.Remove(ctx, id) })
		if err == nil || !rollout.Passes(err) || n+1 < tries && schedule.Pause(ctx, lastLook) != nil {
			break
		}
	}
	if err != nil {
		r.Work.Log.Warn("a hook's container is left", "host", host, "container", id, "error", err)
	}
}

func (a *attended) effect(ctx context.Context, what string, do func() error) error {
	return effect(ctx, a.Work, a.h.Name, what, do)
}

// effect does one thing to a host, between its two journal entries and under
// the guard.
func effect(ctx context.Context, w *rollout.Run, host, what string, do func() error) error {
	if err := w.Guard(ctx, host); err != nil {
		return err
	}
	key := host + ": " + what
	if err := w.Journal.Intend(ctx, key); err != nil {
		return &noteError{fmt.Errorf("write intent: %w", err)}
	}
	err := do()
	result := "ok"
	if err != nil {
		result = err.Error()
	}
	if jerr := w.Journal.Done(ctx, key, result); jerr != nil {
		return &noteError{errors.Join(err, fmt.Errorf("write result: %w", jerr))}
	}
	return err
}

// archive is a hook's file as a container takes it.
func archive(script []byte) io.Reader {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	// Writing into memory cannot fail.
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: scriptPath[1:], Mode: 0o755, Size: int64(len(script))})
	_, _ = w.Write(script)
	_ = w.Close()
	return &b
}
