package deployer

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/build"
	"github.com/fairlead-deploy/fairlead/deployer/build/engine"
	"github.com/fairlead-deploy/fairlead/deployer/image"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
)

// builds tells whether Fairlead makes the images of the repository's commits.
func (a *attempt) builds() bool {
	return a.d.o.Yard != nil && a.deploy.Builder != nil && slices.Contains(a.settings.Allow, "build") && a.settings.Mode != ModeObserve
}

// loads tells whether images come from the builder, without a registry.
func (a *attempt) loads() bool { return a.d.o.Yard != nil && a.deploy.XFairlead.Load }

// registry is where images are looked up.
func (a *attempt) registry() image.Registry {
	if a.loads() {
		return a.d.o.Yard.Shelf(a.commit())
	}
	return a.d.o.Registry
}

// maker is how an image comes about that is not there; nil: it is waited for,
// and the words say what else could be done.
func (a *attempt) maker() (make func(context.Context, string) (string, error), hint string) {
	switch {
	case a.builds():
		return a.build, ""
	case a.deploy.Builder != nil && !slices.Contains(a.settings.Allow, "build"):
		return nil, "; or Fairlead builds it, with `allow: [build]` in fairlead.yml"
	}
	return nil, ""
}

func (a *attempt) commit() build.Commit {
	return build.Commit{
		Revision: a.r.Revision, Deploy: a.deploy, Files: a.s.files, Secrets: a.secrets, Auth: a.auth(),
		Version: a.r.Revision.ImageTag(a.pattern()),
	}
}

// build makes the commit's own image, once: what failed by the commit's fault
// is not built again unless a person wants it.
func (a *attempt) build(ctx context.Context, tag string) (digest string, err error) {
	c := a.commit()
	if a.dry {
		a.warnings = append(a.warnings, spec.Warning{
			Position: a.deploy.Pos("builder"), Path: "builder", Message: "there is no image " + a.deploy.Image.Ref(tag) + " yet; it is built first",
		})
		return "", nil
	}
	i := slices.IndexFunc(a.recent, func(r release.Release) bool { return r.Revision.SHA == a.r.Revision.SHA && r.Status.Terminal() })
	if i >= 0 && !commanded(a.s.req) && a.recent[i].Status == release.Failed && a.recent[i].Failure != nil && a.recent[i].Failure.Step == build.Step {
		f := a.recent[i].Failure
		return "", &badFileError{err: errors.New(f.Message), step: f.Step, next: f.Next, logs: f.Logs}
	}
	if err := a.save(ctx, release.Planning, "building "+a.deploy.Image.Ref(tag)); err != nil {
		return "", err
	}
	building, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	a.lane.queue.OnNews(a.r.Revision.SHA, func() { stop(errNewer) })
	defer a.lane.queue.OnNews("", nil)
	c.Told = a.steps(ctx)
	digest, err = a.d.o.Yard.Make(building, c)
	bad, ok := errors.AsType[*build.Error](err)
	switch {
	case err != nil && errors.Is(context.Cause(building), errNewer):
		a.quiet = true
		return "", &waitError{reason: "the build was ended: " + errNewer.Error()}
	case ok && bad.Class == release.Verdict:
		return "", &badFileError{err: bad, step: build.Step, next: bad.Next, logs: bad.Logs}
	}
	return digest, err
}

// maxSteps bounds what is told of one build.
const maxSteps = 200

// steps tells who follows which step of the build begins.
func (a *attempt) steps(ctx context.Context) func(engine.Line) {
	left := maxSteps
	return func(l engine.Line) {
		if left--; !l.Step || left < 0 {
			return
		}
		ev := release.Event{At: time.Now(), Kind: release.EventProgress, Message: l.Text}
		if _, err := a.d.o.Memory.Releases.Save(ctx, a.r, ev); err != nil {
			a.log.Warn("step of a build not told", "step", l.Text, "error", err)
		}
	}
}

// laden are hosts whose images come from the builder, where that is wanted.
func (a *attempt) laden(hosts map[string]rollout.Host) map[string]rollout.Host {
	if !a.loads() {
		return hosts
	}
	truck := a.d.o.Yard.Truck(a.commit())
	for name, h := range hosts {
		h.Images = truck.Images(h.Images, h.Loader)
		hosts[name] = h
	}
	return hosts
}
