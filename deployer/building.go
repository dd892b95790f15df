package deployer

import (
	"context"
	"errors"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/build"
	"github.com/fairlead-deploy/fairlead/deployer/hook"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
)

// builds is what this attempt may build.
func (a *attempt) builds() build.Turn {
	return build.Turn{
		Yard: a.d.o.Yard, Allowed: slices.Contains(a.settings.Allow, "build") && a.settings.Mode != ModeObserve,
		Commit: build.Commit{
			Revision: a.r.Revision, Deploy: a.deploy, Files: a.s.files, Secrets: a.secrets, Auth: a.auth(),
			Version: a.r.Revision.ImageTag(a.pattern()),
		},
		Wanted: commanded(a.s.req), Dry: a.dry, Recent: a.recent,
		Warn:  func(w spec.Warning) { a.warnings = append(a.warnings, w) },
		Begin: func(ctx context.Context, what string) error { return a.save(ctx, release.Planning, what) },
		Tell: func(ctx context.Context, step string) {
			if err := a.progress(ctx, step); err != nil {
				a.log.Warn("step of a build not told", "step", step, "error", err)
			}
		},
		Before: func(ctx context.Context, tag string) error {
			r := &hook.Run{Release: &a.r, Note: a.progress, Hosts: a.deploy.Hosts(), Roles: a.s.req.Roles, Builder: a.d.o.Yard.Builder(a.deploy), Skip: a.s.req.SkipHooks}
			return r.BeforeBuild(ctx, a.deploy, a.s.files, tag)
		},
		News: func(stop func()) (end func()) {
			a.lane.queue.OnNews(a.r.Revision.SHA, stop)
			return func() { a.lane.queue.OnNews("", nil) }
		},
	}
}

// built is how a build that failed ends the attempt.
func (a *attempt) built(err error) error {
	bad, ok := errors.AsType[*build.Error](err)
	switch {
	case errors.Is(err, build.ErrNewer):
		a.quiet = true
		return &waitError{reason: "the build was ended: " + err.Error()}
	case ok && bad.Class == release.Verdict:
		return &badFileError{err: bad, step: build.Step, next: bad.Next, logs: bad.Logs}
	}
	return err
}
