package deployer

import (
	"cmp"
	"context"
	"errors"

	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/deployer/image"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/registry"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// image decides which image the attempt is about. What goes back, or to an
// earlier release, has it already.
func (a *attempt) image(ctx context.Context) (found image.Found, err error) {
	if a.backs() && a.r.Version != "" {
		return image.Found{Version: a.r.Version, Digest: a.r.Digest}, nil
	}
	if a.target != nil && a.target.ID != "" {
		return image.Found{Version: a.target.Version, Digest: a.target.Digest}, nil
	}
	if a.ahead != nil && a.s.req.Version == "" {
		return *a.ahead, nil
	}
	turn := a.builds()
	make, hint := turn.Maker()
	found, err = image.Finder{
		Lane: a.r.Lane, Revision: a.r.Revision, Image: a.deploy.Image, Good: a.good, Followed: a.followed,
		Follow: a.deploy.XFairlead.FollowTag || commanded(a.s.req), Settled: a.resumed || a.begun, Dry: a.dry,
		Pattern: a.pattern(), Make: make, Hint: hint,
		Auth:     registry.Auth{Username: a.credential(a.deploy.Registry.Username).Reveal(), Password: a.credential(a.deploy.Registry.Password)},
		Registry: turn.Registry(a.d.o.Registry), Pins: a.d.o.Memory.Pins,
	}.Find(ctx, a.s.req.Version, a.s.files)
	if a.s.req.Version != "" && errors.Is(err, registry.ErrNotFound) {
		err = history.Unknown(a.s.req, a.r.Lane, a.deploy.Image.Ref(a.s.req.Version))
		err = &badFileError{err: err, step: "find the version", next: history.Instead(a.s.req, a.r.Lane, a.good)}
	}
	if turn.Loads() {
		found.Digest, found.Newer, found.Moved = "", "", false // no registry has it
	}
	return found, a.built(err)
}

// pattern is how a commit's image is named.
func (a *attempt) pattern() string { return cmp.Or(a.settings.ImageTag, a.deploy.XFairlead.ImageTag) }

func (a *attempt) credential(c spec.Credential) secret.Value {
	if c.Secret != "" {
		return a.secrets[c.Secret]
	}
	return c.Literal
}
