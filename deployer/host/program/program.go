package program

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
)

// The image's name. Kamal reads the tag as the version of its proxy and wants
// at least v0.9.2 (Kamal 2.12, Kamal::Configuration::Proxy::Run).
const (
	ImageName = "fairlead/proxy"
	ImageTag  = "v0.9.2.1"
	Image     = ImageName + ":" + ImageTag
)

// Engine is what bringing the image asks of a host's engine.
type Engine interface {
	// Image returns docker.ErrNotFound when the host has no such image.
	Image(ctx context.Context, ref string) (docker.Image, error)
	Load(ctx context.Context, tar io.Reader) error
}

// Binary gives the static fairlead program for an architecture, as Go names
// it, and the CA roots that go with it. It errs with the remedy when there is
// none.
type Binary func(arch string) (program Content, roots []byte, err error)

// Ensure makes Image exist on a host of the given architecture. One that is
// there stays as it is.
func Ensure(ctx context.Context, e Engine, arch string, binary Binary) error {
	_, err := e.Image(ctx, Image)
	if err == nil || !errors.Is(err, docker.ErrNotFound) {
		return err
	}
	_, err = Bring(ctx, e, arch, binary)
	return err
}

// Bring loads Image of today's program, whatever has its name until now, and
// returns the program.
func Bring(ctx context.Context, e Engine, arch string, binary Binary) (Content, error) {
	program, roots, err := binary(arch)
	if err != nil {
		return Content{}, err
	}
	archive, err := Archive(Proxy(arch, program, roots))
	if err != nil {
		return Content{}, fmt.Errorf("make image %s: %w", Image, err)
	}
	r, err := archive.Open()
	if err != nil {
		return Content{}, fmt.Errorf("make image %s: %w", Image, err)
	}
	defer r.Close()
	if err := e.Load(ctx, r); err != nil {
		return Content{}, fmt.Errorf("load image %s: %w", Image, err)
	}
	return program, nil
}
