package builders

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/deployer/build"
	"github.com/fairlead-deploy/fairlead/deployer/build/engine"
	"github.com/fairlead-deploy/fairlead/deployer/hook"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/reach"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// Verb is what a person asks of builds.
type Verb string

// The verbs of `fairlead build`.
const (
	Build   Verb = "build"   // into the builder's own images
	Push    Verb = "push"    // and to the registry
	Pull    Verb = "pull"    // from there to every host
	Deliver Verb = "deliver" // Push, and then Pull
	Dev     Verb = "dev"     // Build, of the folder as it lies there
	Details Verb = "details" // which engines build, and whether they answer
	Remove  Verb = "remove"  // the service's images from the builders
)

// Ask is a verb with its flags.
type Ask struct {
	Verb    Verb
	Version string // the tag; "" is the commit's
	NoCache bool
	// SkipHooks runs no pre-build.
	SkipHooks bool
	Actor     string // who asks
}

// NeedsSecrets tells whether the registry's account and the secrets of builds
// are needed.
func (a Ask) NeedsSecrets() bool { return a.Verb != Details && a.Verb != Remove }

// Job is a person's work on the images of one checkout.
type Job struct {
	Ways     Ways
	Deploy   *spec.Deploy
	Revision release.Revision
	Commit   fs.FS // the commit's files, see build.Whole
	Folder   fs.FS // the files as they lie there
	Secrets  map[string]secret.Value
	Auth     docker.Auth
	// At is how deploy.yml reaches one of its hosts.
	At   func(name string) reach.Address
	Tell func(line string)
	// Beside runs hooks of the checkout; of its facts Release's Version and
	// Command are not known yet.
	Beside hook.Beside
}

// Failed is a build that did not come to its end, with the one thing to do.
type Failed struct {
	Next string
	Err  error
}

func (f *Failed) Error() string { return f.Err.Error() }

// Unwrap is what happened.
func (f *Failed) Unwrap() error { return f.Err }

// Do carries it out. The error is a *Failed where something is known to be done
// about it.
func (j Job) Do(ctx context.Context, a Ask) error {
	err := j.do(ctx, a)
	if bad, ok := errors.AsType[*build.Error](err); ok && bad.Next != "" {
		return &Failed{Next: bad.Next, Err: err}
	}
	return err
}

func (j Job) do(ctx context.Context, a Ask) error {
	version := a.Version
	if version == "" {
		version = j.Revision.ImageTag(j.Deploy.XFairlead.ImageTag)
	}
	switch a.Verb {
	case Details:
		return j.machines(ctx, j.details)
	case Remove:
		return j.machines(ctx, j.remove)
	case Pull:
		return j.pull(ctx, version)
	}
	c := build.Commit{
		Revision: j.Revision, Deploy: j.Deploy, Files: j.Commit, Secrets: j.Secrets, Auth: j.Auth, Version: version,
		NoCache: a.NoCache, Keep: a.Verb == Build || a.Verb == Dev, Told: func(l engine.Line) { j.tell(l) },
	}
	if a.Verb == Dev {
		c.Dirty, c.Files = true, j.Folder
	}
	if _, err := build.RecipeOf(j.Deploy, version, j.Ways.Yard().Arch); err != nil {
		return err // before any hook
	}
	if err := j.before(ctx, a, version); err != nil {
		return err
	}
	digest, err := j.Ways.Yard().Make(ctx, c)
	if err != nil {
		return err
	}
	ref := j.Deploy.Image.Ref(version)
	if c.Dirty {
		ref += "-dirty"
	}
	if c.Keep || j.Deploy.XFairlead.Load {
		j.Tell("built " + ref + " (" + digest + ")")
	} else {
		j.Tell("pushed " + ref + " (" + digest + ")")
	}
	if a.Verb == Deliver {
		return j.pull(ctx, version)
	}
	return nil
}

// before runs the hooks that come before a build.
func (j Job) before(ctx context.Context, a Ask, version string) error {
	if a.SkipHooks {
		return nil
	}
	b := j.Beside
	b.Files, b.Builder = j.Folder, j.Ways.Yard().Builder(j.Deploy)
	b.Facts.Release.Version, b.Facts.Release.Revision, b.Facts.Release.Cause.Actor = version, j.Revision, a.Actor
	b.Facts.Command, b.Facts.Subcommand, b.Facts.Unlocked = "build", string(a.Verb), true
	if a.Verb == Build {
		b.Facts.Subcommand = ""
	}
	for _, v := range j.Secrets {
		b.Hidden = append(b.Hidden, v)
	}
	b.Hidden = append(b.Hidden, j.Auth.Password)
	b.Tell = func(_, line string) error { j.Tell(line); return nil }
	err := b.Run(ctx, hooks.PreBuild, j.Deploy.Hosts())
	if failed, ok := errors.AsType[*hook.FailedError](err); ok {
		return &Failed{Next: "read what it printed and mend it; --skip-hooks builds without", Err: failed}
	}
	return err
}

func (j Job) tell(l engine.Line) {
	if l.Step {
		j.Tell(l.Text)
		return
	}
	j.Tell("  " + l.Text)
}

// machines does something on every engine that builds.
func (j Job) machines(ctx context.Context, do func(ctx context.Context, at string) error) error {
	recipe, err := build.RecipeOf(j.Deploy, "none", j.Ways.Yard().Arch)
	if err != nil {
		return err
	}
	var errs []error
	for _, at := range recipe.Machines() {
		errs = append(errs, do(ctx, at))
	}
	return errors.Join(errs...)
}

func (j Job) details(ctx context.Context, at string) error {
	h, err := j.Ways.host(ctx, at, j.Deploy.SSH)
	if err != nil {
		return err
	}
	info, err := h.Engine().Info(ctx)
	if err != nil {
		return err
	}
	j.Tell(fmt.Sprintf("%s: Docker %s (API %s), %s/%s, builds with its own BuildKit", h.Name(), info.ServerVersion, info.APIVersion, info.OS, info.Arch))
	return nil
}

// remove takes the service's images off a builder; what a container uses stays.
func (j Job) remove(ctx context.Context, at string) error {
	h, err := j.Ways.host(ctx, at, j.Deploy.SSH)
	if err != nil {
		return err
	}
	name := j.Deploy.Image.Name()
	list, err := h.Engine().Images(ctx, map[string][]string{"label": {"service=" + j.Deploy.Service}, "reference": {name}})
	if err != nil {
		return err
	}
	removed, used := 0, 0
	for _, i := range list {
		for _, ref := range slices.Clone(i.RepoTags) {
			if !strings.HasPrefix(ref, name+":") {
				continue
			}
			switch err := h.Engine().RemoveImage(ctx, ref); {
			case errors.Is(err, docker.ErrInUse):
				used++
			case err != nil:
				return err
			default:
				removed++
			}
		}
	}
	j.Tell(fmt.Sprintf("%s: removed %s, left %d that containers use; `docker builder prune` there frees the cache", h.Name(), release.Count(removed, "image"), used))
	return nil
}

// pull brings a version's image to all hosts.
func (j Job) pull(ctx context.Context, version string) error {
	ref := j.Deploy.Image.Ref(version)
	c := build.Commit{Revision: j.Revision, Deploy: j.Deploy, Files: j.Commit, Secrets: j.Secrets, Auth: j.Auth, Version: version}
	truck := j.Ways.Yard().Truck(c)
	hosts := j.Deploy.Hosts()
	errs := make([]error, len(hosts))
	var wg abreast.Group
	for i, name := range hosts {
		wg.Go(func() {
			if errs[i] = j.bring(ctx, name, ref, truck); errs[i] != nil {
				errs[i] = fmt.Errorf("%s: %w", name, errs[i])
			}
		})
	}
	wg.Wait()
	for i, name := range hosts {
		if errs[i] == nil {
			j.Tell(name + ": has " + ref)
		}
	}
	return errors.Join(errs...)
}

func (j Job) bring(ctx context.Context, name, ref string, truck *build.Truck) error {
	a, err := j.Ways.Address(j.At(name))
	if err != nil {
		return err
	}
	h, err := j.Ways.Pool.Get(ctx, a)
	if err != nil {
		return err
	}
	var images build.Host = h.Engine()
	if j.Deploy.XFairlead.Load {
		images = truck.Images(images, h.Engine())
	}
	return images.Pull(ctx, ref, j.Auth, nil)
}
