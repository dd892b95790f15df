package fleettest

import (
	"context"
	"fmt"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
)

func (e engine) Image(ctx context.Context, ref string) (docker.Image, error) {
	var img docker.Image
	err := e.p.read(ctx, e.h, "image "+ref, func() error {
		digest, ok := e.h.images[ref]
		if _, sum, by := strings.Cut(ref, "@"); by {
			digest, ok = sum, e.h.hasDigest(sum)
		}
		if !ok {
			return fmt.Errorf("image %s: %w", ref, docker.ErrNotFound)
		}
		img = docker.Image{ID: e.h.w.imageID(digest)}
		return nil
	})
	return img, err
}

func (h *Host) hasDigest(digest string) bool {
	for _, d := range h.images {
		if d == digest {
			return true
		}
	}
	return false
}

func (e engine) Pull(ctx context.Context, ref string, _ docker.Auth, _ func(string)) error {
	return e.p.change(ctx, e.h, "pull "+ref, func() error {
		w := e.h.w
		if !w.registryUp {
			return fmt.Errorf("pull %s: %w: no route to registry", ref, docker.ErrUnavailable)
		}
		digest, ok := w.images[ref]
		if _, sum, by := strings.Cut(ref, "@"); by {
			_, ok = w.apps[sum]
			digest = sum
		}
		if !ok {
			return fmt.Errorf("pull %s: %w", ref, docker.ErrImageNotFound)
		}
		e.h.images[ref] = digest
		return nil
	})
}

func (e engine) Tag(ctx context.Context, id, ref string) error {
	return e.p.change(ctx, e.h, "tag "+ref, func() error {
		if digest, ok := e.h.images[id]; ok {
			e.h.images[ref] = digest
			return nil
		}
		for _, digest := range e.h.images {
			if e.h.w.imageID(digest) == id {
				e.h.images[ref] = digest
				return nil
			}
		}
		return fmt.Errorf("tag %s: %w", id, docker.ErrNotFound)
	})
}

func (e engine) RemoveImage(ctx context.Context, ref string) error {
	return e.p.change(ctx, e.h, "remove image "+ref, func() error {
		if e.h.needed(ref) {
			return fmt.Errorf("remove image %s: %w", ref, docker.ErrInUse)
		}
		delete(e.h.images, ref)
		return nil
	})
}

// needed tells whether a tag is the last one of an image that a container was
// made of.
func (h *Host) needed(ref string) bool {
	digest, ok := h.images[ref]
	for other, d := range h.images {
		if other != ref && d == digest && !strings.Contains(other, "@") {
			return false
		}
	}
	for _, b := range h.containers {
		if ok && b.digest == digest {
			return true
		}
	}
	return false
}
