package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/internal/schedule"
	dc "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

const (
	inspectsAtOnce = 8
	// seenFor is how long a container that looks the same in the list is not
	// inspected again; `docker update` by hand shows after it.
	seenFor = time.Hour
	maxSeen = 4096
)

// seen is the last inspect of a container and how the list showed it then.
type seen struct {
	observed container.Observed
	face     string
	at       time.Time
}

// Containers lists the containers that have all the given labels, running or
// not, by name. A value of "" asks only for the label's presence. A container
// whose entry in the list is as before is not inspected again: its exit code,
// restart count and times are then those of the last inspect, which Inspect
// renews. A container removed meanwhile is left out.
func (e *Engine) Containers(ctx context.Context, labels map[string]string) ([]container.Observed, error) {
	filters := client.Filters{}
	for k, v := range labels {
		if v != "" {
			k += "=" + v
		}
		filters.Add("label", k)
	}
	var list []dc.Summary
	err := e.call(ctx, "list containers", callTimeout, func(ctx context.Context, s *session) error {
		r, err := s.cli.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filters})
		list = r.Items
		return err
	})
	if err != nil {
		return nil, err
	}
	found := make([]*container.Observed, len(list))
	group, ctx := abreast.Trying(ctx, inspectsAtOnce)
	for i, summary := range list {
		if o, ok := e.recall(summary); ok {
			found[i] = &o
			continue
		}
		group.Go(func() error {
			o, err := e.inspect(ctx, summary.ID, face(summary))
			if errors.Is(err, ErrNotFound) {
				return nil
			}
			found[i] = &o
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var all []container.Observed
	for _, o := range found {
		if o != nil {
			all = append(all, *o)
		}
	}
	slices.SortFunc(all, func(a, b container.Observed) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// face is what of a list's entry must stay the same for the last inspect to
// hold: all but the "3 minutes" in "Up 3 minutes (healthy)".
func face(s dc.Summary) string {
	status := s.Status
	if open, shut := strings.Index(status, "("), strings.Index(status, ")"); open >= 0 && shut > open {
		status = status[open : shut+1]
	} else {
		status = ""
	}
	parts := []string{string(s.State), status, s.ImageID, strings.Join(s.Names, ",")}
	if s.NetworkSettings != nil {
		for _, name := range slices.Sorted(maps.Keys(s.NetworkSettings.Networks)) {
			if end := s.NetworkSettings.Networks[name]; end != nil {
				parts = append(parts, name+"="+end.IPAddress.String())
			}
		}
	}
	return strings.Join(parts, "|")
}

// upFor reads how long a container is up at least from "Up 5 seconds"; 0 for
// any other text.
func upFor(status string) time.Duration {
	var n int
	if _, err := fmt.Sscanf(status, "Up %d seconds", &n); err != nil || n < 0 {
		return 0
	}
	return time.Duration(n) * time.Second
}

func (e *Engine) recall(s dc.Summary) (container.Observed, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	last, ok := e.seen[s.ID]
	// "Up 5 seconds" may be another run than the one seen.
	young := s.State == dc.StateRunning && (strings.Contains(s.Status, "second") || strings.Contains(s.Status, "Less than"))
	if young && time.Now().Add(-upFor(s.Status)).Before(last.at) {
		young = false // it ran already when it was seen
	}
	if !ok || young || last.face != face(s) || time.Since(last.at) > seenFor {
		return container.Observed{}, false
	}
	return last.observed, true
}

// Inspect reads one container by id or name. ErrNotFound where there is none.
func (e *Engine) Inspect(ctx context.Context, idOrName string) (container.Observed, error) {
	return e.inspect(ctx, idOrName, "")
}

func (e *Engine) inspect(ctx context.Context, idOrName, face string) (container.Observed, error) {
	asked := time.Now()
	var answer dc.InspectResponse
	err := e.call(ctx, "inspect container "+idOrName, callTimeout, func(ctx context.Context, s *session) error {
		r, err := s.cli.ContainerInspect(ctx, idOrName, client.ContainerInspectOptions{})
		answer = r.Container
		return err
	})
	if err != nil {
		return container.Observed{}, err
	}
	image, err := e.imageOf(ctx, answer.Image)
	if err != nil {
		return container.Observed{}, err
	}
	o, err := observed(answer, image.Facts())
	if err != nil {
		return container.Observed{}, e.onHost(ctx, "inspect container "+idOrName, err)
	}
	if limited(o.Spec.Resources) {
		if o.Ignored, err = e.ignoredLimits(ctx); err != nil {
			return container.Observed{}, err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.seen) >= maxSeen {
		clear(e.seen)
	}
	if face == "" {
		delete(e.seen, o.ID)
	} else {
		e.seen[o.ID] = seen{observed: o, face: face, at: asked}
	}
	return o, nil
}

// limited tells whether any limit is set that some kernel lacks.
func limited(r container.Resources) bool {
	return r.Memory != 0 || r.MemoryReservation != 0 || r.MemorySwap != 0 || r.CPUShares != 0 || r.NanoCPUs != 0 ||
		r.CPUPeriod != 0 || r.CPUQuota != 0 || r.CPUSetCPUs != "" || r.CPUSetMems != "" || r.PidsLimit != 0
}

// ignoredLimits asks once what the machine's kernel cannot limit.
func (e *Engine) ignoredLimits(ctx context.Context) (container.Ignored, error) {
	e.mu.Lock()
	known := e.ignored
	e.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	info, err := e.Info(ctx)
	if err != nil {
		return container.Ignored{}, err
	}
	e.mu.Lock()
	e.ignored = &info.Ignored
	e.mu.Unlock()
	return info.Ignored, nil
}

// Create makes a container and returns its id. ErrNameTaken when another has
// the name, ErrNoImage when the image is not on the host, ErrInvalid when the
// engine refuses the spec. What the engine only warns of is logged.
func (e *Engine) Create(ctx context.Context, name string, spec container.Spec) (id string, err error) {
	options, err := createOptions(name, spec)
	if err != nil {
		return "", e.onHost(ctx, "create container "+name, err)
	}
	// Whoever looks at the container needs to know its image, and a pull may
	// have changed what that is called: read it beside.
	var reading abreast.Group
	reading.Go(func() { _, _ = e.Image(ctx, spec.Image) }) // what it misses is read later
	defer reading.Wait()
	err = e.call(ctx, "create container "+name, callTimeout, func(ctx context.Context, s *session) error {
		r, err := create(ctx, s, options)
		if err != nil {
			return err
		}
		id = r.ID
		for _, w := range r.Warnings {
			e.log.Warn("engine warned at creation", "host", e.host, "container", name, "warning", PlainText(w, 1024))
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	for _, n := range spec.ExtraNetworks {
		if err := e.connect(ctx, n, id, spec.NetworkAliases); err != nil {
			return id, err
		}
	}
	return id, nil
}

// connect joins a network after creation: API < 1.44 refuses more than one at
// creation, and all versions take it afterwards.
func (e *Engine) connect(ctx context.Context, name, id string, aliases []string) error {
	return e.call(ctx, "connect container to network "+name, callTimeout, func(ctx context.Context, s *session) error {
		_, err := s.cli.NetworkConnect(ctx, name, client.NetworkConnectOptions{Container: id,
			EndpointConfig: &network.EndpointSettings{Aliases: aliases}})
		return err
	})
}

// Start starts a container. One that runs already is success.
func (e *Engine) Start(ctx context.Context, id string) error {
	// A start pulls up networks and mounts: the engine's slowest local call.
	return e.living(ctx, "start container "+short(id), 2*callTimeout, func(ctx context.Context, s *session) error {
		_, err := s.cli.ContainerStart(ctx, id, client.ContainerStartOptions{})
		return err
	})
}

// Stop asks the process to end and kills it after the given time. One that is
// stopped already is success; one that is gone is ErrNotFound.
func (e *Engine) Stop(ctx context.Context, id string, timeout time.Duration) error {
	seconds := int(max(0, timeout+time.Second-1) / time.Second)
	return e.living(ctx, "stop container "+short(id), callTimeout+time.Duration(seconds)*time.Second, func(ctx context.Context, s *session) error {
		if err := e.unprotected(ctx, s, id); err != nil {
			return err
		}
		_, err := s.cli.ContainerStop(ctx, id, client.ContainerStopOptions{Timeout: &seconds})
		return err
	})
}

// Restart stops a container as Stop does and starts it.
func (e *Engine) Restart(ctx context.Context, id string, timeout time.Duration) error {
	seconds := int(max(0, timeout+time.Second-1) / time.Second)
	return e.living(ctx, "restart container "+short(id), 2*callTimeout+time.Duration(seconds)*time.Second, func(ctx context.Context, s *session) error {
		if err := e.unprotected(ctx, s, id); err != nil {
			return err
		}
		_, err := s.cli.ContainerRestart(ctx, id, client.ContainerRestartOptions{Timeout: &seconds})
		return err
	})
}

// Kill sends a signal, such as "SIGHUP" or "KILL". A container that does not
// run is success.
func (e *Engine) Kill(ctx context.Context, id, signal string) error {
	return e.call(ctx, "kill container "+short(id), callTimeout, func(ctx context.Context, s *session) error {
		if err := e.unprotected(ctx, s, id); err != nil {
			return err
		}
		_, err := s.cli.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: signal})
		if cerrdefs.IsConflict(err) { // "container … is not running"
			return nil
		}
		return err
	})
}

// Remove removes a container, running or not, and its anonymous volumes. One
// that is gone is success.
func (e *Engine) Remove(ctx context.Context, id string) error {
	return e.living(ctx, "remove container "+short(id), 2*callTimeout, func(ctx context.Context, s *session) error {
		if err := e.unprotected(ctx, s, id); err != nil {
			return err
		}
		_, err := s.cli.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if cerrdefs.IsNotFound(err) {
			return nil
		}
		// "removal of container … is already in progress": wait until it is gone.
		if cerrdefs.IsConflict(err) {
			return e.awaitGone(ctx, s, id)
		}
		return err
	})
}

func (e *Engine) awaitGone(ctx context.Context, s *session, id string) error {
	for {
		_, err := s.cli.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		if cerrdefs.IsNotFound(err) {
			return nil
		}
		if err == nil {
			err = schedule.Pause(ctx, 100*time.Millisecond)
		}
		if err != nil {
			return err
		}
	}
}

// Rename gives a container another name. One that has it already is success;
// ErrNameTaken when another container has it.
func (e *Engine) Rename(ctx context.Context, id, name string) error {
	return e.call(ctx, "rename container "+short(id), callTimeout, func(ctx context.Context, s *session) error {
		if err := e.unprotected(ctx, s, id); err != nil {
			return err
		}
		_, err := s.cli.ContainerRename(ctx, id, client.ContainerRenameOptions{NewName: name})
		if err == nil || cerrdefs.IsNotFound(err) {
			return err
		}
		r, lost := s.cli.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		if lost == nil && strings.TrimPrefix(r.Container.Name, "/") == name {
			return nil // engines answer 500 to a rename to the same name
		}
		if cerrdefs.IsConflict(err) {
			return classed(ErrNameTaken, err)
		}
		return err
	})
}

// short is an id as people write it; names stay.
func short(id string) string {
	if len(id) == 64 {
		if _, err := strconv.ParseUint(id[:12], 16, 64); err == nil {
			return id[:12]
		}
	}
	return id
}

var errRelativeBind = errors.New("the folder to mount is not an absolute path")

// checkMounts refuses what the engine would take for the name of a volume.
func checkMounts(mounts []container.Mount) error {
	for _, m := range mounts {
		if m.Kind == container.Bind && !strings.HasPrefix(m.Source, "/") {
			return fmt.Errorf("mount %q at %s: %w", m.Source, m.Target, errRelativeBind)
		}
	}
	return nil
}
