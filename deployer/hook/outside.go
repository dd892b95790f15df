package hook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/hook/process"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
)

// cutOff is what became of a process that Fairlead did not see to its end:
// nobody can tell how far it came.
const cutOff = "is not known to have ended well: Fairlead ended while it ran"

// process runs a task as a process: on the machine that Fairlead runs on, in an
// empty folder, or on a server over SSH.
func (r *Run) process(ctx context.Context, t Task) error {
	job := r.job(t)
	if r.ran(t) != nil {
		process.End(job.ID)
		return r.end(ctx, t, 0, cutOff, nil)
	}
	on, err := r.remote(ctx, t)
	if err != nil {
		return err
	}
	var o process.Outcome
	if on == nil {
		if err := r.begin(ctx, t, "", ""); err != nil {
			return err
		}
		o, err = process.Here(ctx, job)
	} else {
		o, err = process.There(ctx, *on, job, func() error { return r.begin(ctx, t, on.Name, "") })
	}
	if err != nil {
		return err
	}
	return r.end(ctx, t, o.Code, o.Failed, o.Lines)
}

// remote is the server that a task runs on as a process; nil is this machine.
func (r *Run) remote(ctx context.Context, t Task) (*process.Remote, error) {
	switch t.Place {
	case hooks.OnHost:
		h, ok := r.Work.Hosts[r.Like.Host]
		if !ok {
			return nil, fmt.Errorf("%s is left out now: %w", r.Like.Host, docker.ErrUnavailable)
		}
		if err := r.Work.Guard(ctx, h.Name); err != nil {
			return nil, err
		}
		return &process.Remote{Name: h.Name, Shell: h.Shell}, nil
	case hooks.OnBuilder:
		if r.Builder == nil {
			return nil, errors.New("there is no builder: nothing is built here")
		}
		return r.Builder(ctx)
	}
	return nil, nil
}

// job is a task as a process: it has none of Fairlead's own secrets, and the
// service's only here, for the hooks that have them with Kamal 2.12.
func (r *Run) job(t Task) process.Job {
	j := process.Job{
		ID: string(r.Release.ID) + "/" + t.Hook + "-" + fmt.Sprint(t.Part), Name: t.Hook, Argv: t.Argv, Script: t.Script,
		Env: maps.Clone(r.facts().env(t)), Deadline: t.Deadline, Keep: maxKept,
	}
	if t.Place == hooks.OnDaemon && slices.Contains([]string{"pre-connect", "pre-deploy", postDeploy}, t.Hook) {
		for name, v := range r.Secrets {
			j.Env[name] = v.Reveal()
		}
	}
	return j
}
