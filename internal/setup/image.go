package setup

import (
	"cmp"
	"context"
	"errors"

	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/registry"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// imageDepth is how many commits back an image is looked for here; the daemon
// goes further.
const imageDepth = 10

// image is what the question for an image depends on.
type image struct {
	look    daemon.Look
	repo    config.Repository
	deploy  *spec.Deploy
	secrets secret.Source
}

// checkImage asks the registry for the image that would be deployed: the one
// that deploy.yml names, or that of the newest commit that has one.
func checkImage(ctx context.Context, reg *registry.Client, fs *Findings, subject string, i image) {
	auth, err := registryAuth(i.deploy, i.secrets)
	if err != nil {
		fs.failed(subject, err)
		return
	}
	refs := i.candidates(ctx)
	for _, ref := range refs {
		_, err = reg.Resolve(ctx, ref, auth)
		if err == nil {
			fs.ok(subject, "image %s exists", ref)
			return
		}
		if !errors.Is(err, registry.ErrNotFound) {
			break
		}
	}
	switch {
	case errors.Is(err, registry.ErrNotFound):
		fs.fail(subject, "push it, or set image_tag to how CI names images", "no image %s, nor one of the %s before", refs[0], release.Count(len(refs)-1, "commit"))
	case errors.Is(err, registry.ErrUnauthorized):
		fs.fail(subject, "check registry.username and registry.password, and that the account may pull", "%v", err)
	default:
		fs.failed(subject, err)
	}
}

// candidates are the references that would do, best first.
func (i image) candidates(ctx context.Context) []string {
	img := i.deploy.Image
	if img.Tag != "" || img.Digest != "" {
		return []string{img.String()}
	}
	shas, err := i.look.History(ctx, imageDepth)
	if err != nil || len(shas) == 0 {
		shas = []string{i.look.Tip.SHA} // the tip alone is worth a question
	}
	pattern := cmp.Or(i.repo.ImageTag, i.deploy.XFairlead.ImageTag)
	var refs []string
	for _, sha := range shas {
		refs = append(refs, img.Ref(release.Revision{SHA: sha}.ImageTag(pattern)))
	}
	return refs
}
