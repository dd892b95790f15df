package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
)

// asideName is what the name of a proxy has behind while its successor starts.
const asideName = "_before_"

// Succession puts one proxy in the place of another that runs: they cannot run
// side by side, since they have the same ports. When the new one does not
// serve, the old is put back.
type Succession struct {
	Engine  Engine
	Machine Machine
	Old     container.Observed
	Name    string // of the new container
	// Create makes it under a name, not started.
	Create func(ctx context.Context, name string) (id string, err error)
	// Serve returns when the new one, which was started, has all routes, Back
	// when the old one has, which was started again.
	Serve, Back func(ctx context.Context) error
}

// Do returns for how long nobody listened, at most.
func (s Succession) Do(ctx context.Context) (gap time.Duration, err error) {
	next := s.Name + "_next"
	if err := s.Machine.Remove(ctx, next); err != nil { // one that an earlier attempt left
		return 0, err
	}
	id, err := s.Create(ctx, next)
	if err != nil {
		return 0, fmt.Errorf("make the new proxy: %w", err)
	}
	err = errors.Join(s.Machine.Rename(ctx, s.Old.ID, s.Old.Name+asideName+s.Old.ID[:12]), s.Machine.Rename(ctx, id, s.Name))
	began := time.Now()
	if err == nil {
		err = s.Machine.Stop(ctx, s.Old.ID, endTime)
	}
	if err == nil {
		err = s.Engine.Start(ctx, id)
	}
	if err == nil {
		err = s.Serve(ctx)
	}
	gap = time.Since(began)
	if err != nil {
		return gap, s.restore(context.WithoutCancel(ctx), id, err)
	}
	return gap, s.Machine.Remove(ctx, s.Old.ID)
}

// Starter starts a container that was made before.
type Starter interface {
	Start(ctx context.Context, id string) error
}

// Settle ends a Succession in whose midst Fairlead was killed: of the proxies by
// these names one that runs stays, else the one before has its name again and is
// started. It returns the host's containers as they are then.
func Settle(ctx context.Context, e Starter, m Machine, names ...string) ([]container.Observed, error) {
	all, err := m.Containers(ctx, nil)
	i := slices.IndexFunc(all, func(c container.Observed) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(c.Name, name+asideName) })
	})
	if err != nil || i < 0 {
		return all, err
	}
	aside := all[i]
	if slices.ContainsFunc(all, func(c container.Observed) bool { return slices.Contains(names, c.Name) && c.State.IsUp() }) {
		err = m.Remove(ctx, aside.ID)
	} else {
		name, _, _ := strings.Cut(aside.Name, asideName)
		if err = m.Remove(ctx, name); err == nil {
			err = errors.Join(m.Rename(ctx, aside.ID, name), e.Start(ctx, aside.ID))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("end a replacement of the proxy that was cut off: %w", err)
	}
	return m.Containers(ctx, nil)
}

// restore puts the proxy back that was there before.
func (s Succession) restore(ctx context.Context, id string, why error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("putting the old proxy back took over 2 minutes"))
	defer cancel()
	back := errors.Join(s.Machine.Remove(ctx, id), s.Machine.Rename(ctx, s.Old.ID, s.Old.Name), s.Engine.Start(ctx, s.Old.ID))
	if back == nil {
		back = s.Back(ctx)
	}
	if back != nil {
		return errors.Join(fmt.Errorf("replace proxy: %w", why), fmt.Errorf("and the one before does not run, so start it: docker start %s: %w", s.Old.Name, back))
	}
	return fmt.Errorf("replace proxy: %w; the one before serves again", why)
}
