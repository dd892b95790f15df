// Package image finds out which image a revision means: what deploy.yml names,
// the version that a person asked for, or the newest commit whose image exists.
//
// Lives here: that choice, and each tag's digest, once per revision. May not
// live here: pulling, secrets, how a registry is spoken to.
package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/registry"
	"github.com/fairlead-deploy/fairlead/release"
)

// Registry answers which digest a reference has now. Errors are those of
// package registry.
type Registry interface {
	Resolve(ctx context.Context, ref string, auth registry.Auth) (digest string, err error)
}

// Pins keeps which digest a tag had when a revision first asked for it.
type Pins interface {
	Pin(ctx context.Context, lane release.Lane, sha, ref, digest string) error
	Pinned(ctx context.Context, lane release.Lane, sha, ref string) (digest string, ok bool, err error)
	// Repin is Pin for a tag that moved and is followed: it forgets the old one.
	Repin(ctx context.Context, lane release.Lane, sha, ref, digest string) error
}

// Historian is what the files of a revision may also be: the way back to its
// first parents, newest first, itself included.
type Historian interface {
	History(ctx context.Context, n int) ([]release.Revision, error)
}

// Archive is what the files of a revision may also be: those of the commits
// before it. What they are is as for the revision itself.
type Archive interface {
	At(ctx context.Context, earlier release.Revision) (fs.FS, error)
}

// askAgain bounds asking for a digest that is known, to see whether it is another.
const askAgain = 10 * time.Second

// depth is how far back an image is looked for.
const depth = 50

// Patience is how long a commit's own image is asked for every few seconds.
// Afterwards it is asked for at each look.
const Patience = 30 * time.Minute

// AbsentError says that a commit's image is not there: CI is building it, or
// never will.
type AbsentError struct {
	Name string
	Hint string // what else could be done, as the end of a sentence
}

func (e *AbsentError) Error() string {
	return fmt.Sprintf("no image %s yet: push it, or write a tag into image:%s", e.Name, e.Hint)
}

// GivenUp is the one line that ends the wait for it.
func (e *AbsentError) GivenUp(live, lane string) string {
	return fmt.Sprintf("no image %s within %s; %s stays live. It goes live when its image is pushed; `fairlead deploy %s` puts its deploy.yml on the newest image before it",
		e.Name, Patience, live, lane)
}

// Found is the image of a revision.
type Found struct {
	Version string // its tag, or 12 digits of its digest
	Digest  string // "sha256:…"
	// Awaits says that the commit's own image, which this is not, may still
	// come; nil when nothing is waited for.
	Awaits *AbsentError
	// Commit is the one whose image this is, where that is not the commit's own
	// and is not live yet: it goes first. Nil otherwise.
	Commit *release.Revision
	// Newer is the digest that the tag has now, where it moved since the
	// revision asked first and Digest is the old one. Moved says that Digest is
	// the new one.
	Newer string
	Moved bool
}

// Finder finds the image of one revision of a lane.
type Finder struct {
	Lane     release.Lane
	Revision release.Revision
	Image    spec.Image // deploy.yml's
	Pattern  string     // how CI names a commit's image, such as "sha-{sha7}"
	// Good are the lane's releases that succeeded, newest first; Followed those
	// of them that Git led to, and no person's choice of a version.
	Good, Followed []release.Release
	// Follow takes a tag that moved as it is now. Settled asks for none, since
	// something was begun with what it was; Dry notes nothing down.
	Follow, Settled, Dry bool

	Auth     registry.Auth
	Registry Registry
	Pins     Pins
	// Make makes the commit's own image under a tag, where it is not there, and
	// returns its digest; nil: it is waited for, and Hint ends what is said of it.
	Make func(ctx context.Context, tag string) (digest string, err error)
	Hint string
}

// Find decides on the image and asks the registry for its digest:
//
//  1. a version that was asked for
//  2. a tag or digest in deploy.yml's image:
//  3. the commit's own, which is made where it can be and is not there; else
//     the newest commit, from the tip back, whose image exists
//
// files may be a Historian. The error is an *AbsentError where no commit's
// image is there.
func (f Finder) Find(ctx context.Context, asked string, files fs.FS) (Found, error) {
	tag := f.Image.Tag
	if asked != "" {
		tag = asked
	} else if d := f.Image.Digest; d != "" {
		return Found{Version: strings.TrimPrefix(d, "sha256:")[:12], Digest: d}, nil
	}
	if tag == "" {
		return f.ofCommit(ctx, files)
	}
	digest, pinned, err := f.resolve(ctx, tag)
	found := Found{Version: tag, Digest: digest}
	if err != nil || !pinned {
		return found, err
	}
	return f.now(ctx, found)
}

// now looks whether the tag has moved since the revision asked first. A registry
// that does not say so is no reason not to go on with what is known.
func (f Finder) now(ctx context.Context, found Found) (Found, error) {
	if f.Settled {
		return found, nil
	}
	ref := f.Image.Ref(found.Version)
	asking, cancel := context.WithTimeoutCause(ctx, askAgain, errors.New("the registry did not answer in time"))
	defer cancel()
	digest, err := f.Registry.Resolve(asking, ref, f.Auth)
	switch {
	case err != nil || digest == found.Digest:
		return found, nil
	case !f.Follow:
		found.Newer = digest
		return found, nil
	}
	found.Digest, found.Moved = digest, true
	if f.Dry {
		return found, nil
	}
	return found, f.Pins.Repin(ctx, f.Lane, f.Revision.SHA, ref, digest)
}

// ofCommit walks from the tip back to what is deployed. What is deployed has an
// image whatever its own name says: a commit that only changed the
// configuration may have been put on the image before it.
func (f Finder) ofCommit(ctx context.Context, files fs.FS) (Found, error) {
	own := f.Revision.ImageTag(f.Pattern)
	digest, pinned, err := f.resolve(ctx, own)
	if err == nil && pinned {
		return f.now(ctx, Found{Version: own, Digest: digest})
	}
	if !errors.Is(err, registry.ErrNotFound) {
		return Found{Version: own, Digest: digest}, err
	}
	if f.Make != nil {
		return f.made(ctx, own)
	}
	absent := &AbsentError{f.Image.Ref(own), f.Hint}
	for _, c := range f.commits(ctx, files) {
		tag := c.ImageTag(f.Pattern)
		digest, pinned, err = f.resolve(ctx, tag)
		if errors.Is(err, registry.ErrNotFound) && c.SHA == f.deployed() {
			tag, digest, pinned, err = f.Followed[0].Version, f.Followed[0].Digest, false, nil
		}
		if errors.Is(err, registry.ErrNotFound) {
			continue
		}
		found := Found{Version: tag, Digest: digest, Awaits: absent}
		if c.SHA != f.Revision.SHA && (len(f.Good) == 0 || f.Good[0].Version != tag) {
			found.Commit = &c
			return found, err
		}
		if err == nil && pinned {
			return f.now(ctx, found)
		}
		return found, err
	}
	return Found{}, absent
}

// made makes the commit's own image, whose digest is noted down as if it had
// been asked for.
func (f Finder) made(ctx context.Context, tag string) (Found, error) {
	digest, err := f.Make(ctx, tag)
	if err == nil && digest != "" {
		err = f.Pins.Pin(ctx, f.Lane, f.Revision.SHA, f.Image.Ref(tag), digest)
	}
	return Found{Version: tag, Digest: digest}, err
}

// commits returns the commits from the tip back to the deployed one.
func (f Finder) commits(ctx context.Context, files fs.FS) []release.Revision {
	commits := []release.Revision{f.Revision}
	if h, ok := files.(Historian); ok {
		if more, err := h.History(ctx, depth); err == nil && len(more) > 0 {
			commits = more
		}
	}
	for i, c := range commits {
		if c.SHA == f.deployed() {
			return commits[:i+1]
		}
	}
	return commits
}

// deployed is the commit that Git led to last.
func (f Finder) deployed() string {
	if len(f.Followed) == 0 {
		return ""
	}
	return f.Followed[0].Revision.SHA
}

// resolve asks for a tag's digest, once per revision: a tag that moves later
// is news for the next commit. pinned says that it was asked for before.
func (f Finder) resolve(ctx context.Context, tag string) (digest string, pinned bool, err error) {
	ref := f.Image.Ref(tag)
	if digest, ok, err := f.Pins.Pinned(ctx, f.Lane, f.Revision.SHA, ref); err != nil || ok {
		return digest, ok, err
	}
	digest, err = f.Registry.Resolve(ctx, ref, f.Auth)
	if err != nil {
		return "", false, fmt.Errorf("find image: %w", err)
	}
	return digest, false, f.Pins.Pin(ctx, f.Lane, f.Revision.SHA, ref, digest)
}
