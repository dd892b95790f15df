// Package mirrored brings images to a host by way of the mirror that
// fairlead.yml names for their registry.
//
// A host's engine can have a mirror of its own, for Docker Hub alone and in a
// file of the host. So the mirror's name is asked for explicitly, for every
// registry, and the image gets the name that deploy.yml says: containers, plans
// and Kamal know no other. What the mirror cannot give comes from the registry
// itself, by the engine's own way.
//
// Lives here: those names. May not live here: which image, when, and whose turn
// it is.
package mirrored

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/internal/registry"
)

// Mirrors tells where an image is besides its own registry: the reference
// there, and the account that may pull it. ok is false where there is no mirror.
type Mirrors func(ref string) (there string, auth docker.Auth, ok bool)

// By are the mirrors that a registry client was told of.
func By(c *registry.Client) Mirrors {
	return func(ref string) (string, docker.Auth, bool) {
		there, auth, server, ok := c.Mirrored(ref)
		return there, docker.Auth{Username: auth.Username, Password: auth.Password, Server: server}, ok
	}
}

// Images are a host's images (docker.Engine).
type Images interface {
	// Image returns docker.ErrNotFound when the host has no such image.
	Image(ctx context.Context, ref string) (docker.Image, error)
	Pull(ctx context.Context, ref string, auth docker.Auth, progress func(string)) error
	Tag(ctx context.Context, id, ref string) error
}

// Cleaner removes what a host has (docker.Engine).
type Cleaner interface {
	Remove(ctx context.Context, id string) error
	RemoveImage(ctx context.Context, ref string) error
}

// Host is a host's images by the names of their own registries, whatever way
// they came. It is Images and Cleaner itself.
type Host struct {
	images  Images
	cleaner Cleaner
	mirrors Mirrors
}

// New lays mirrors over a host's engine.
func New(images Images, cleaner Cleaner, mirrors Mirrors) Host {
	return Host{images: images, cleaner: cleaner, mirrors: mirrors}
}

// Image reads an image. One that came by the mirror is found by its digest
// under its own name, which the engine does not know it by.
func (h Host) Image(ctx context.Context, ref string) (docker.Image, error) {
	found, err := h.images.Image(ctx, ref)
	if !errors.Is(err, docker.ErrNotFound) || !strings.Contains(ref, "@") {
		return found, err
	}
	if there, _, ok := h.mirrors(ref); ok {
		if mirrored, err := h.images.Image(ctx, there); err == nil {
			return mirrored, nil
		}
	}
	return found, err
}

// Pull asks the mirror, and the registry itself where that has no answer. auth
// is for the registry alone.
func (h Host) Pull(ctx context.Context, ref string, auth docker.Auth, progress func(string)) error {
	there, account, ok := h.mirrors(ref)
	if !ok {
		return h.images.Pull(ctx, ref, auth, progress)
	}
	first := h.images.Pull(ctx, there, account, progress)
	if first == nil {
		if strings.Contains(ref, "@") {
			return nil // Image finds it; a tag follows
		}
		return h.images.Tag(ctx, there, ref)
	}
	if ctx.Err() != nil || errors.Is(first, docker.ErrDiskFull) {
		return first
	}
	if err := h.images.Pull(ctx, ref, auth, progress); err != nil {
		return fmt.Errorf("%w (and from the mirror that fairlead.yml names: %v)", err, first)
	}
	return nil
}

// Tag gives an image another reference. One that came by the mirror is known
// by the mirror's digest.
func (h Host) Tag(ctx context.Context, id, ref string) error {
	if _, _, ok := h.mirrors(id); ok && strings.Contains(id, "@") { // else one round trip for nothing
		found, err := h.Image(ctx, id)
		if err != nil {
			return err
		}
		id = found.ID
	}
	return h.images.Tag(ctx, id, ref)
}

// Remove removes a container.
func (h Host) Remove(ctx context.Context, id string) error { return h.cleaner.Remove(ctx, id) }

// RemoveImage removes a reference, and with the last one of its repository what
// the mirror called the image: the engine would keep it for that.
func (h Host) RemoveImage(ctx context.Context, ref string) error {
	there, _, ok := h.mirrors(ref)
	if !ok {
		return h.cleaner.RemoveImage(ctx, ref)
	}
	before, err := h.images.Image(ctx, ref)
	if err != nil && !errors.Is(err, docker.ErrNotFound) {
		return err
	}
	if err := h.cleaner.RemoveImage(ctx, ref); err != nil {
		return err
	}
	mirrors := repository(there)
	if slices.ContainsFunc(before.RepoTags, func(tag string) bool { return tag != ref && repository(tag) == repository(ref) }) {
		return nil
	}
	var errs []error
	for _, name := range slices.Concat(before.RepoTags, before.RepoDigests) {
		if repository(name) == mirrors {
			errs = append(errs, h.cleaner.RemoveImage(ctx, name))
		}
	}
	return errors.Join(errs...)
}

// repository is a reference without its tag or digest.
func repository(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if colon := strings.LastIndex(ref, ":"); colon > strings.LastIndex(ref, "/") {
		ref = ref[:colon]
	}
	return ref
}
