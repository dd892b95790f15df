package registry

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Join puts one index over images of several architectures that the registry
// has in one repository ("ghcr.io/acme/shop"), by their digests, under all the
// tags. It returns the index's digest.
func (c *Client) Join(ctx context.Context, repository string, tags, digests []string, auth Auth) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errNoAnswer)
	defer cancel()
	digest, err := c.join(ctx, repository, tags, digests, auth)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return "", fmt.Errorf("join %s: %w", repository, err)
	}
	return digest, nil
}

func (c *Client) join(ctx context.Context, repository string, tags, digests []string, auth Auth) (string, error) {
	index := mutate.IndexMediaType(empty.Index, types.DockerManifestList)
	var options []remote.Option
	for _, d := range digests {
		e, ref, err := c.parse(repository + "@" + d)
		if err != nil {
			return "", err
		}
		login := authn.Anonymous
		if auth.Username != "" || !auth.Password.IsZero() {
			login = authn.FromConfig(authn.AuthConfig{Username: auth.Username, Password: auth.Password.Reveal()})
		}
		options = []remote.Option{remote.WithContext(ctx), remote.WithAuth(login), remote.WithTransport(e.transport), remote.WithUserAgent("fairlead")}
		img, err := remote.Image(ref, options...)
		if err != nil {
			return "", err
		}
		config, err := img.ConfigFile()
		if err != nil {
			return "", err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: config.Platform()}})
	}
	for _, tag := range tags {
		_, ref, err := c.parse(repository + ":" + tag)
		if err != nil {
			return "", err
		}
		if err := remote.WriteIndex(ref, index, options...); err != nil {
			return "", err
		}
	}
	digest, err := index.Digest()
	return digest.String(), err
}
