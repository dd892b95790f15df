package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// exec runs a command in a new container of each target, made as the one that
// runs was, or in the one that runs. One that reads goes to the first alone.
func (w *work) exec(ctx context.Context, _ []string) error {
	chosen := w.chosen
	if w.ask.Command.Input && len(chosen) > 1 {
		chosen = chosen[:1]
	}
	if len(chosen) == 0 {
		return &operation.Refusal{Message: "no role runs on these hosts", Hint: "leave --roles or --hosts out"}
	}
	if err := w.tell(operation.Told{Places: len(chosen)}); err != nil {
		return err
	}
	errs := make([]error, len(chosen))
	var wg sync.WaitGroup
	for i, t := range chosen {
		wg.Go(func() {
			h, err := w.connect(ctx, t.host)
			if err == nil {
				err = w.execOn(ctx, h, t)
			}
			errs[i] = named(t.host, err)
		})
	}
	wg.Wait()
	return together(errs)
}

func (w *work) execOn(ctx context.Context, h Host, t target) error {
	all, err := h.Reader.Containers(ctx, w.labels())
	if err != nil {
		return err
	}
	c, cmd := w.ask.Command, w.ask.Command.Argv
	list := of(w.Lane(), t, all)
	if c.Reuse {
		running := slices.DeleteFunc(slices.Clone(list), func(c container.Observed) bool { return c.State.Status != container.Running })
		in, ok := pick(w.Lane(), running, w.ask.Version)
		if !ok {
			return nothingRuns(t, w.ask.Version)
		}
		src := t.source(in)
		code, err := h.Runner.Attend(ctx, in.ID, cmd, environment(c.Env), w.streams(src))
		return w.ended(src, code, err)
	}
	like, ok := pick(w.Lane(), list, w.ask.Version)
	if !ok && w.ask.Version != "" {
		like, ok = pick(w.Lane(), list, "")
	}
	if !ok {
		return nothingRuns(t, "")
	}
	name := strings.Join([]string{plan.RouteName(w.Lane(), t.role), "exec", cmp.Or(w.ask.Version, plan.VersionOf(w.Lane(), like)), w.Unique()}, "-")
	spec := oneOff(w.Lane(), like, w.ask)
	src := operation.Source{Host: t.host, Role: t.role, Name: name}
	if c.Detach {
		if err := h.Runner.Launch(ctx, name, spec); err != nil {
			return explained(err, w.ask.Version)
		}
		return w.done(src, "runs; `fairlead app logs --container-id %s` shows what it says", name)
	}
	code, err := h.Runner.RunAttended(ctx, name, spec, w.streams(src))
	return w.ended(src, code, explained(err, w.ask.Version))
}

func nothingRuns(t target, version string) error {
	what := "there is no container of " + t.role + " on " + t.host
	if version != "" {
		what += " that runs " + version
	}
	if t.name != "" {
		return &operation.Refusal{Message: what, Hint: "`fairlead accessory boot " + t.role + "` makes it run"}
	}
	return &operation.Refusal{Message: what, Hint: "`fairlead app containers` lists those that there are"}
}

func explained(err error, version string) error {
	if errors.Is(err, docker.ErrNoImage) && version != "" {
		return &operation.Refusal{Message: err.Error(), Hint: "the host has no image of " + version + "; `fairlead app images` lists those that it has"}
	}
	return err
}

// oneOff is a container for one command, made as an existing one was: its
// image, environment, mounts, network and limits, but nothing by which it
// could be taken for the service itself.
func oneOff(lane release.Lane, like container.Observed, ask operation.Ask) container.Spec {
	s := like.Spec
	if s.ImageID != "" {
		s.Image = s.ImageID // whatever the tag means by now
	}
	if v := ask.Version; v != "" && plan.VersionOf(lane, like) != v {
		name := like.Spec.Image
		if at := strings.LastIndex(name, ":"); at > strings.LastIndex(name, "/") {
			name = name[:at]
		}
		s.Image, s.ImageID, s.ImageDigest = name+":"+v, "", ""
	}
	s.Cmd = ask.Command.Argv
	s.Env = maps.Clone(s.Env)
	if s.Env == nil {
		s.Env = map[string]secret.Value{}
	}
	for name, value := range ask.Command.Env {
		s.Env[name] = secret.New(value)
	}
	s.Labels = map[string]string{plan.LabelService: lane.Service, plan.LabelDestination: lane.Destination, labelExec: cmp.Or(ask.Actor, "someone")}
	s.Ports, s.NetworkAliases, s.IP, s.Hostname = nil, nil, "", ""
	s.Restart = container.Restart{}
	s.Health = &container.Healthcheck{Disabled: true}
	return s
}

// labelExec marks a container that a person runs a command in, and says who.
const labelExec = "fairlead.exec"

func environment(env map[string]string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// streams pass a command's streams to and from who asked.
func (w *work) streams(src operation.Source) docker.Streams {
	c := w.ask.Command
	st := docker.Streams{
		Out: told{w, src, func(t *operation.Told, b []byte) { t.Out = b }},
		Err: told{w, src, func(t *operation.Told, b []byte) { t.Err = b }},
		TTY: c.TTY, Size: c.Size, Resize: w.who.Resize,
	}
	if c.Input && w.who.In != nil {
		st.In = w.who.In
	}
	return st
}

// ended tells how a command ended.
func (w *work) ended(src operation.Source, code int, err error) error {
	if err != nil {
		return err
	}
	return w.tell(operation.Told{Source: src, Exit: &code})
}

// told writes a stream to who asked.
type told struct {
	w   *work
	src operation.Source
	set func(*operation.Told, []byte)
}

// Write passes bytes on.
func (t told) Write(b []byte) (int, error) {
	for n := 0; n < len(b); {
		piece := b[n:min(len(b), n+operation.Chunk)]
		one := operation.Told{Source: t.src}
		t.set(&one, piece)
		if err := t.w.tell(one); err != nil {
			return n, fmt.Errorf("pass output on: %w", err)
		}
		n += len(piece)
	}
	return len(b), nil
}

var _ io.Writer = told{}
