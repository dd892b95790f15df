package accessory

import (
	"cmp"
	"context"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// Images brings images to a host: each accessory's from its own registry's
// account.
type Images struct {
	rollout.Images
	Auths map[string]docker.Auth // by what is pulled
	// Afresh pulls an image also where the host has one of its name.
	Afresh bool
}

// Image returns docker.ErrNotFound where an image is to be pulled.
func (i Images) Image(ctx context.Context, ref string) (docker.Image, error) {
	if _, mine := i.Auths[ref]; mine && i.Afresh {
		return docker.Image{}, docker.ErrNotFound
	}
	return i.Images.Image(ctx, ref)
}

// Pull pulls an image.
func (i Images) Pull(ctx context.Context, ref string, auth docker.Auth, progress func(string)) error {
	if own, ok := i.Auths[ref]; ok {
		auth = own
	}
	return i.Images.Pull(ctx, ref, auth, progress)
}

// Pulling lets hosts pull each accessory's image with its own account; afresh
// also where they have it.
func Pulling(hosts map[string]rollout.Host, d *spec.Deploy, credential func(spec.Credential) secret.Value, afresh bool) map[string]rollout.Host {
	if len(d.Accessories) == 0 {
		return hosts
	}
	auths := Auths(d, credential)
	for name, h := range hosts {
		h.Images = Images{Images: h.Images, Auths: auths, Afresh: afresh}
		hosts[name] = h
	}
	return hosts
}

// Auths are the accounts that the accessories' images are pulled with: those of
// their own registries, else the service's where the image is at its registry.
func Auths(d *spec.Deploy, credential func(spec.Credential) secret.Value) map[string]docker.Auth {
	auths := map[string]docker.Auth{}
	for _, a := range d.Accessories {
		r := a.Registry
		if r == nil && serverOf(a.Image) == cmp.Or(d.Registry.Server, hub) {
			r = &d.Registry
		}
		auth := docker.Auth{}
		if r != nil {
			auth = docker.Auth{Server: r.Server, Username: credential(r.Username).Reveal(), Password: credential(r.Password)}
		}
		auths[imageOf(a.Image).Pull()] = auth
	}
	return auths
}

const hub = "docker.io"

// serverOf is the registry of an image.
func serverOf(ref string) string {
	first, _, ok := strings.Cut(ref, "/")
	if ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		return first
	}
	return hub
}
