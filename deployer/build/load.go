package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/build/engine"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/internal/registry"
)

// Loader is a host that takes images as a stream (docker.Engine).
type Loader interface {
	Load(ctx context.Context, tar io.Reader) error
}

// Host is what a host's images are asked for.
type Host interface {
	Image(ctx context.Context, ref string) (docker.Image, error)
	Pull(ctx context.Context, ref string, auth docker.Auth, progress func(string)) error
	Tag(ctx context.Context, id, ref string) error
}

// Bounds of a load.
const (
	streams = 4 // to hosts, at once
	// Stall is how long a stream to a host may stand still.
	Stall = time.Minute
)

// Truck brings the image of one commit from its builder to hosts.
type Truck struct {
	yard   *Yard
	commit Commit
	turn   chan struct{}

	mu   sync.Mutex
	from *Machine // that has the image; nil until known
}

// Truck makes one.
func (y *Yard) Truck(c Commit) *Truck {
	return &Truck{yard: y, commit: c, turn: make(chan struct{}, streams)}
}

// Images are a host's, whose pulls come from the builder.
func (t *Truck) Images(of Host, to Loader) Host { return laden{of, to, t} }

// laden is a host whose images come by a truck.
type laden struct {
	Host
	to    Loader
	truck *Truck
}

// Pull streams the service's image from its builder; others, such as those of
// accessories, come from their registries.
func (l laden) Pull(ctx context.Context, ref string, auth docker.Auth, progress func(string)) error {
	if !strings.HasPrefix(ref, l.truck.commit.Deploy.Image.Name()+":") {
		return l.Host.Pull(ctx, ref, auth, progress)
	}
	return l.truck.bring(ctx, ref, l.to)
}

// bring streams an image to a host.
func (t *Truck) bring(ctx context.Context, ref string, to Loader) error {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	m, err := t.source(ctx, ref)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(Stall, func() { cancel(fmt.Errorf("%w: the image %s stood still for %s", docker.ErrStalled, ref, Stall)) })
	defer stall.Stop()
	e := engine.New(m.Name, m.Dial)
	defer e.Close()
	body, err := e.Save(ctx, ref)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := to.Load(ctx, moving{body, stall}); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("load %s: %w", ref, err)
	}
	return nil
}

// moving is a stream whose every byte puts off the end.
type moving struct {
	from  io.Reader
	stall *time.Timer
}

// Read reads what comes next.
func (m moving) Read(p []byte) (int, error) {
	n, err := m.from.Read(p)
	m.stall.Reset(Stall)
	return n, err
}

// source finds the engine that has the image; where the commit's own is
// gone from there, it is built again.
func (t *Truck) source(ctx context.Context, ref string) (Machine, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.from != nil {
		return *t.from, nil
	}
	m, err := t.yard.machine(ctx, t.commit)
	if err != nil {
		return m, err
	}
	_, err = m.Images.Image(ctx, ref)
	if errors.Is(err, docker.ErrNotFound) {
		if t.commit.Deploy.Builder == nil || ref != t.commit.Deploy.Image.Ref(t.commit.Version) {
			return m, fmt.Errorf("the builder %s has no image %s any more: %w", m.Name, ref, docker.ErrNotFound)
		}
		_, err = t.yard.Make(ctx, t.commit)
	}
	if err != nil {
		return m, err
	}
	t.from = &m
	return m, nil
}

// machine is the one engine of a commit whose images are loaded.
func (y *Yard) machine(ctx context.Context, c Commit) (Machine, error) {
	at := ""
	if c.Deploy.Builder != nil {
		recipe, err := RecipeOf(c.Deploy, c.Version, y.Arch)
		if err != nil {
			return Machine{}, err
		}
		at = recipe.Parts[0].At
	}
	m, err := y.Machines.Machine(ctx, at, c.Deploy.SSH)
	if err != nil {
		return m, fmt.Errorf("reach the builder: %w", err)
	}
	return m, nil
}

// Shelf is the builder of a commit in the place of a registry.
type Shelf struct {
	yard   *Yard
	commit Commit
}

// Shelf makes one.
func (y *Yard) Shelf(c Commit) Shelf { return Shelf{y, c} }

// Resolve returns the id of the builder's image.
func (s Shelf) Resolve(ctx context.Context, ref string, _ registry.Auth) (string, error) {
	m, err := s.yard.machine(ctx, s.commit)
	if err != nil {
		return "", err
	}
	img, err := m.Images.Image(ctx, ref)
	if errors.Is(err, docker.ErrNotFound) {
		return "", &registry.Error{Kind: registry.ErrNotFound, Ref: ref, Err: err}
	}
	return img.ID, err
}
