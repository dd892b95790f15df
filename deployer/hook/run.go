package hook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/hook/process"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

const postDeploy = "post-deploy"

// Run runs the hooks of one release. Its methods do nothing where there is
// none of the hooks in question, and nothing on a nil Run.
type Run struct {
	// Work has the hosts, the journal and the guard of the rollout.
	Work *rollout.Run
	// Like is the unit that hooks' containers are made like, as Place gives it.
	Like  plan.Unit
	Tasks []Task
	// Release is the release itself: what ran is added to its Hooks.
	Release *release.Release
	// Note stores the release, with what there is to say about it.
	Note func(ctx context.Context, message string) error
	// Hosts, Roles and Rollback are as in Facts.
	Hosts, Roles []string
	Rollback     bool
	// Secrets are the values that hooks on Fairlead's machine are given, by
	// their name in deploy.yml.
	Secrets map[string]secret.Value
	// Builder reaches the machine where images are built; a nil Remote is this
	// one. nil: nothing is built.
	Builder func(ctx context.Context) (*process.Remote, error)
	// Skip runs none.
	Skip bool

	tag string // of the image that is built; "" in a rollout
}

// Before runs what comes after all pulls and before any start. The error of
// one that failed is a verdict.
func (r *Run) Before(ctx context.Context) error {
	return r.all(ctx, "pre-connect", "pre-deploy", "pre-app-boot")
}

// After runs what comes when everything has started and has its traffic. The
// error of one that failed is a verdict.
func (r *Run) After(ctx context.Context) error { return r.all(ctx, "post-app-boot") }

// Finish runs what comes when the release is there to stay: one that fails
// takes nothing back, and is told by what it returns, "" for nothing.
func (r *Run) Finish(ctx context.Context) (string, error) {
	names := []string{postDeploy}
	if r != nil && r.Rollback {
		names = append(names, onRollback)
	}
	return r.told(ctx, names...)
}

// Failed runs what comes when a release did not make it; back tells that
// something else runs again in its place. It returns what to tell as Finish
// does.
func (r *Run) Failed(ctx context.Context, back bool) (string, error) {
	if !back {
		return r.told(ctx, onFailure)
	}
	return r.told(ctx, onFailure, onRollback)
}

// told runs hooks whose failure changes nothing but what is said. The error is
// that nothing could be stored, or the end of ctx.
func (r *Run) told(ctx context.Context, names ...string) (string, error) {
	err := r.all(ctx, names...)
	if err == nil || ctx.Err() != nil || errors.As(err, new(*noteError)) {
		return "", err
	}
	return "; " + rollout.Explain(err).Error(), nil
}

// noteError is that the release could not be stored.
type noteError struct{ err error }

func (e *noteError) Error() string { return e.err.Error() }
func (e *noteError) Unwrap() error { return e.err }

// all runs the tasks of some hooks, one after another, up to the first that
// fails.
func (r *Run) all(ctx context.Context, names ...string) error {
	if r == nil || r.Skip {
		return nil
	}
	for _, hook := range names {
		for _, t := range r.Tasks {
			if t.Hook != hook || r.Rollback && t.forward() {
				continue
			}
			if err := r.task(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Run) task(ctx context.Context, t Task) error {
	had := r.ran(t)
	var err error
	switch {
	case had != nil && !had.Ended.IsZero():
		if had.Host != "" {
			r.remove(ctx, had.Host, had.Container)
		}
	case t.Place == hooks.InContainer:
		err = r.contained(ctx, t)
	default:
		err = r.process(ctx, t)
	}
	if had = r.ran(t); err == nil && had != nil && had.Failed != "" {
		err = verdict(t, *had)
	}
	if err == nil || ctx.Err() != nil || errors.As(err, new(*noteError)) {
		return err
	}
	step := &rollout.StepError{Step: "run hook " + t.String(), Err: err}
	if had != nil {
		step.Host = had.Host
	} else if t.Place == hooks.InContainer || t.Place == hooks.OnHost {
		step.Host = r.Like.Host
	}
	return step
}

// ran returns what is known of a task that began, nil for nothing.
func (r *Run) ran(t Task) *release.Hook {
	i := slices.IndexFunc(r.Release.Hooks, func(h release.Hook) bool { return h.Name == t.Hook && h.Part == t.Part })
	if i < 0 {
		return nil
	}
	return &r.Release.Hooks[i]
}

// begin writes down that a task begins now.
func (r *Run) begin(ctx context.Context, t Task, host, container string) error {
	list := slices.Clone(r.Release.Hooks)
	h := release.Hook{Name: t.Hook, Part: t.Part, Command: t.Shown, Host: host, Container: container, Started: time.Now()}
	if had := r.ran(t); had != nil {
		list[slices.IndexFunc(list, func(o release.Hook) bool { return o.Name == t.Hook && o.Part == t.Part })] = h
	} else {
		list = append(list, h)
	}
	r.Release.Hooks = list
	return r.note(ctx, fmt.Sprintf("hook %s begins%s: %s", t, on(host), t.Shown))
}

// end writes down how a task ended. failed is why it did not do its work.
func (r *Run) end(ctx context.Context, t Task, exit int, failed string, output []string) error {
	r.Release.Hooks = slices.Clone(r.Release.Hooks)
	h := r.ran(t)
	h.Ended, h.ExitCode, h.Failed = time.Now(), exit, failed
	room := maxKept
	for _, other := range r.Release.Hooks {
		room -= size(other.Output)
	}
	h.Output = last(r.scrubbed(output), room)
	message := fmt.Sprintf("hook %s has done its work", t)
	if failed != "" {
		message = fmt.Sprintf("hook %s %s", t, failed)
	}
	return r.note(ctx, message)
}

func (r *Run) note(ctx context.Context, message string) error {
	if r.Work != nil {
		r.Work.Log.Info("hook moved", "reason", message)
	}
	if err := r.Note(ctx, message); err != nil {
		return &noteError{err}
	}
	return nil
}

func on(host string) string {
	if host == "" {
		return " on Fairlead's machine"
	}
	return " on " + host
}

// verdict is the failure of a task as people are told it.
func verdict(t Task, h release.Hook) error {
	e := &health.Error{
		Container: "hook " + t.String(), Message: h.Failed + " (" + h.Command + ")", Exited: h.ExitCode != 0, ExitCode: h.ExitCode,
		Logs:   h.Output[max(0, len(h.Output)-shownLines):],
		Remedy: "read what it printed, mend the hook and push; what it did is not undone; `fairlead retry` runs it again",
	}
	return e
}

// shownLines is how many lines of a hook's output go with its failure.
const shownLines = 20

// facts are what a hook is told now.
func (r *Run) facts() Facts {
	f := Facts{Release: *r.Release, Hosts: r.Hosts, Roles: r.Roles, Rollback: r.Rollback, Unlocked: r.tag != "", Now: time.Now()}
	f.Release.Version = cmp.Or(r.tag, f.Release.Version)
	return f
}
