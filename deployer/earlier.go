package deployer

import (
	"context"
	"slices"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/image"
	"github.com/fairlead-deploy/fairlead/release"
)

// earlierError ends an attempt before it begins: the newest commit whose image
// exists goes first.
type earlierError struct{ submission }

func (e *earlierError) Error() string {
	return e.req.Revision.Short() + ", whose image is there, goes first"
}

// turn looks whether an earlier commit goes first: one whose image is not there
// never holds up one that has it. What keeps it from knowing is met again, and
// told, by the attempt itself.
func (a *attempt) turn(ctx context.Context, name release.Lane) error {
	req := a.s.req
	archive, ok := a.s.files.(image.Archive)
	if !ok || a.deploy == nil || a.tip != "" || req.Chooses() || commanded(req) && !req.Resume && !req.Retry ||
		a.deploy.Image.Tag != "" || a.deploy.Image.Digest != "" || a.builds().Builds() {
		return nil
	}
	if h, err := a.d.o.Memory.Wishes.Held(ctx, name); err != nil || h != nil && !req.Resume {
		return err
	}
	a.r = release.Release{Lane: name, Revision: req.Revision}
	if a.openSecrets(ctx) != nil {
		return nil
	}
	found, err := a.image(ctx)
	if err != nil {
		return nil
	}
	a.ahead = &found
	if found.Commit == nil || slices.ContainsFunc(a.recent, func(r release.Release) bool {
		return !r.Status.Terminal() && commanded(release.Request{Cause: r.Cause}) && r.Revision.SHA != found.Commit.SHA
	}) {
		return nil // a person's order is gone on with
	}
	files, err := archive.At(ctx, *found.Commit)
	if err != nil {
		a.log.Warn("earlier commit not read", "service", name.String(), "revision", found.Commit.Short(), "error", err)
		return nil
	}
	req.Revision = *found.Commit
	return &earlierError{submission{req, files}}
}

// soon tells whether the image of the tip, for which this attempt went first,
// is asked for again in a moment.
func (a *attempt) soon() bool {
	last, _ := a.newest()
	if a.recorded {
		last = a.r
	}
	return a.tip != "" && time.Since(last.Queued) < image.Patience
}

// patient says that the commit's own image may still come. What is live stays
// as it is meanwhile, unless a person wants this very deploy.yml.
func (a *attempt) patient() error {
	if a.found.Awaits == nil || commanded(a.s.req) && !a.s.req.Resume || len(a.followed) > 0 && a.followed[0].Revision.SHA == a.r.Revision.SHA {
		return nil
	}
	return a.found.Awaits
}

// awaits waits for a commit's image, without a word to anybody. After a while
// one line ends that where something is live; it is looked for at each look.
func (a *attempt) awaits(ctx context.Context, e *image.AbsentError) (retry bool, err error) {
	a.r.Failure, a.quiet = nil, true
	late := time.Since(a.r.Queued) > image.Patience
	switch {
	case !a.recorded && a.known() && !commanded(a.s.req):
		return false, nil
	case late && len(a.good) > 0:
		return false, a.save(ctx, release.Unchanged, e.GivenUp(a.good[0].Revision.Short(), a.r.Lane.String()))
	case a.recorded && a.r.Status == release.Waiting && a.r.Reason == e.Error():
		return !late, nil
	}
	return !late, a.save(ctx, release.Waiting, e.Error())
}
