package hook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/hook/process"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// BeforeBuild runs the hooks that come before the image of a release is built,
// each once; as their version they are told the image's tag. The error of one
// that failed is a verdict.
func (r *Run) BeforeBuild(ctx context.Context, d *spec.Deploy, files fs.FS, tag string) error {
	tasks, err := named(d, files, hooks.PreBuild)
	if err != nil {
		return err
	}
	r.Tasks, r.tag = tasks, tag
	return r.all(ctx, hooks.PreBuild)
}

// Beside runs the hooks of what a person does besides releases: of a build, of
// making hosts ready, of replacing proxies. Whether they may be run was asked
// before.
type Beside struct {
	Deploy *spec.Deploy
	Files  fs.FS // that Deploy was read from
	// Facts are all but Hosts and Now.
	Facts Facts
	// Host reaches a host, and Builder the builder, where a nil Remote is this
	// machine. A nil Builder: nothing is built.
	Host    func(ctx context.Context, name string) (*process.Remote, error)
	Builder func(ctx context.Context) (*process.Remote, error)
	// Folder and Environ are the person's own where it is their checkout.
	Folder  string
	Environ []string
	Hidden  []secret.Value // never told
	// Unique makes a word that was never used before.
	Unique func() string
	// Tell hears each line of what happens; host is "" for this machine.
	Tell func(host, line string) error
}

// FailedError is a hook that did not do its work.
type FailedError struct{ Hook, Command, Host, Why string }

func (e *FailedError) Error() string {
	return fmt.Sprintf("hook %s (%s)%s %s", e.Hook, e.Command, on(e.Host), e.Why)
}

// Run runs a hook that is about hosts, in the file's order up to the first that
// fails, which is a *FailedError. One that runs on hosts is run on each.
func (b Beside) Run(ctx context.Context, name string, about []string) error {
	tasks, err := named(b.Deploy, b.Files, name)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		places := []string{""}
		if t.Place == hooks.OnHost {
			places = about
		}
		for _, host := range places {
			if err := b.task(ctx, t, host, about); err != nil {
				return err
			}
		}
	}
	return nil
}

// remote is the server that a task runs on; nil is this machine. A place that is
// not there must not become this machine: who allowed the one did not allow the
// other.
func (b Beside) remote(ctx context.Context, t Task, host string) (*process.Remote, error) {
	switch t.Place {
	case hooks.OnHost:
		return b.Host(ctx, host)
	case hooks.OnBuilder:
		if b.Builder == nil {
			return nil, errors.New("no image is built now, so no builder is at hand; write `run: host` or `run: daemon`")
		}
		return b.Builder(ctx)
	case hooks.InContainer:
		return nil, errors.New("there is no container of a version now; write `run: host`, `run: builder` or `run: daemon`")
	}
	return nil, nil
}

func (b Beside) task(ctx context.Context, t Task, host string, about []string) error {
	remote, err := b.remote(ctx, t, host)
	if err != nil {
		return fmt.Errorf("run hook %s: %w", t, err)
	}
	facts := b.Facts
	facts.Hosts, facts.Now = about, time.Now()
	job := process.Job{
		ID: b.Unique(), Name: t.Hook, Argv: t.Argv, Script: t.Script, Env: facts.env(t), Deadline: t.Deadline, Keep: maxKept,
		Folder: b.Folder, Environ: b.Environ,
	}
	begin := func() error { return b.Tell(host, fmt.Sprintf("hook %s: %s", t, t.Shown)) }
	var o process.Outcome
	if remote == nil {
		if err := begin(); err != nil {
			return err
		}
		o, err = process.Here(ctx, job)
	} else {
		host = cmp.Or(host, remote.Name)
		o, err = process.There(ctx, *remote, job, begin)
	}
	if err != nil {
		return fmt.Errorf("run hook %s: %w", t, err)
	}
	var known secret.Scrubber
	known.Know("", b.Hidden...)
	for _, line := range o.Lines {
		if err := b.Tell(host, "  "+known.Scrub(line)); err != nil {
			return err
		}
	}
	if o.Failed != "" {
		return &FailedError{Hook: t.String(), Command: t.Shown, Host: host, Why: o.Failed}
	}
	return nil
}
