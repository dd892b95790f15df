package docker

import (
	"context"
	"errors"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// ErrProtected: the call would have ended or changed the container that
// Fairlead itself runs in.
var ErrProtected = errors.New("this is the container that Fairlead itself runs in, which it leaves alone; change it from another machine, or by hand")

// Protect makes Stop, Restart, Kill, Remove and Rename refuse a container with
// ErrProtected, by its id or the beginning of it. Call it before the first use.
func (e *Engine) Protect(ids ...string) { e.protected = append(e.protected, ids...) }

// unprotected errs when a call must not be made on a container.
func (e *Engine) unprotected(ctx context.Context, s *session, idOrName string) error {
	if len(e.protected) == 0 {
		return nil
	}
	id := idOrName
	if len(id) != 64 { // a name, or the beginning of an id
		r, err := s.cli.ContainerInspect(ctx, idOrName, client.ContainerInspectOptions{})
		if cerrdefs.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		id = r.Container.ID
	}
	if slices.ContainsFunc(e.protected, func(p string) bool { return strings.HasPrefix(id, p) }) {
		return ErrProtected
	}
	return nil
}
