package build

import (
	"context"
	"errors"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/build/engine"
	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/registry"
	"github.com/fairlead-deploy/fairlead/release"
)

// ErrNewer ends a build: something newer was asked for meanwhile.
var ErrNewer = errors.New("something newer was asked for")

// Turn is what one attempt of a lane may build.
type Turn struct {
	Yard   *Yard // nil: nothing is built or loaded
	Commit Commit
	// Allowed is the operator's word; Wanted says that a person asked; Dry that
	// nothing is to be done.
	Allowed, Wanted, Dry bool
	Recent               []release.Release // the lane's, newest first

	Warn  func(spec.Warning)                           // tells a preview what would be done first
	Begin func(ctx context.Context, what string) error // notes down that a build begins
	Tell  func(ctx context.Context, step string)       // of a step of it
	// Before runs the hooks that come before the build of a tag. An error with a
	// health.Error in it is a verdict.
	Before func(ctx context.Context, tag string) error
	// News calls stop once something newer is asked for, until it is ended.
	News func(stop func()) (end func())
}

// Builds tells whether Fairlead makes the images of the repository's commits.
func (t Turn) Builds() bool { return t.Yard != nil && t.Commit.Deploy.Builder != nil && t.Allowed }

// Loads tells whether images come from the builder, without a registry.
func (t Turn) Loads() bool { return t.Yard != nil && t.Commit.Deploy.XFairlead.Load }

// Registry is where images are looked up: the builder, or else the registry.
func (t Turn) Registry(besides Resolver) Resolver {
	if t.Loads() {
		return t.Yard.Shelf(t.Commit)
	}
	return besides
}

// Resolver answers which digest a reference has now (registry.Client).
type Resolver interface {
	Resolve(ctx context.Context, ref string, auth registry.Auth) (digest string, err error)
}

// Maker is how an image comes about that is not there; nil: it is waited for,
// and hint says what else could be done.
func (t Turn) Maker() (build func(ctx context.Context, tag string) (string, error), hint string) {
	switch {
	case t.Builds():
		return t.make, ""
	case t.Commit.Deploy.Builder != nil && !t.Allowed:
		return nil, "; or Fairlead builds it, with `allow: [build]` in fairlead.yml"
	}
	return nil, ""
}

// make makes the commit's own image, once: what failed by the commit's fault is
// not built again unless a person wants it.
func (t Turn) make(ctx context.Context, tag string) (digest string, err error) {
	c := t.Commit
	if t.Dry {
		t.Warn(spec.Warning{
			Position: c.Deploy.Pos("builder"), Path: "builder", Message: "there is no image " + c.Deploy.Image.Ref(tag) + " yet; it is built first",
		})
		return "", nil
	}
	if f := t.broken(); f != nil && !t.Wanted {
		return "", &Error{Class: release.Verdict, Message: f.Message, Logs: f.Logs, Next: f.Next}
	}
	if _, err := RecipeOf(c.Deploy, tag, t.Yard.Arch); err != nil {
		return "", err
	}
	if err := t.Begin(ctx, "building "+c.Deploy.Image.Ref(tag)); err != nil {
		return "", err
	}
	if err := t.Before(ctx, tag); err != nil {
		return "", hooked(err)
	}
	building, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer t.News(func() { stop(ErrNewer) })()
	left := maxSteps
	c.Told = func(l engine.Line) {
		if left--; l.Step && left >= 0 {
			t.Tell(ctx, l.Text)
		}
	}
	digest, err = t.Yard.Make(building, c)
	if err != nil && errors.Is(context.Cause(building), ErrNewer) {
		err = ErrNewer
	}
	return digest, err
}

// hooked is how a hook that failed ends the build before it begins.
func hooked(err error) error {
	if e, ok := errors.AsType[*health.Error](err); ok {
		return &Error{Class: release.Verdict, Message: e.Container + " " + e.Message, Logs: e.Logs, Next: e.Remedy}
	}
	return err
}

// maxSteps bounds what is told of one build.
const maxSteps = 200

// broken is how the last release of the commit failed to be built; nil: it did
// not.
func (t Turn) broken() *release.Failure {
	i := slices.IndexFunc(t.Recent, func(r release.Release) bool { return r.Revision.SHA == t.Commit.Revision.SHA && r.Status.Terminal() })
	if i < 0 || t.Recent[i].Status != release.Failed || t.Recent[i].Failure == nil || t.Recent[i].Failure.Step != Step {
		return nil
	}
	return t.Recent[i].Failure
}

// Laden are hosts whose images come from the builder, where that is wanted.
func (t Turn) Laden(hosts map[string]rollout.Host) map[string]rollout.Host {
	if !t.Loads() {
		return hosts
	}
	truck := t.Yard.Truck(t.Commit)
	for name, h := range hosts {
		h.Images = truck.Images(h.Images, h.Loader)
		hosts[name] = h
	}
	return hosts
}
