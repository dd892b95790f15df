// The fake is honest: the same scripts run on it and on what it stands for, and
// say the same.
package fleettest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker/dockertest"
	"github.com/fairlead-deploy/fairlead/deployer/observe"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/internal/registry"
)

// site is a host, fake or real, on which a script runs, and what it said.
type site struct {
	t *testing.T
	rollout.Host
	list    func(context.Context, map[string]string) ([]container.Observed, error)
	routes  observe.Router
	images  map[string]string // references on the host, by what the program does
	network string
	// registry has acme/shop:v1 of this digest.
	registry, digest string
	prefix           string            // of the names of this site's containers
	made             map[string]string // ids by name
	said             []string
}

func (s *site) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.said = append(s.said, strings.ReplaceAll(text, s.prefix, "the"))
}

// did says of which class an error is: that is what the deployer goes by.
func (s *site) did(what string, err error) bool {
	classes := []error{
		docker.ErrNameTaken, docker.ErrNoImage, docker.ErrImageNotFound, docker.ErrInUse, docker.ErrInvalid,
		rollout.ErrProxyVerdict, docker.ErrNotFound, fs.ErrExist, fs.ErrNotExist,
	}
	i := slices.IndexFunc(classes, func(c error) bool { return errors.Is(err, c) })
	switch {
	case err == nil:
		s.say("%s: ok", what)
	case i >= 0:
		s.say("%s: %v", what, classes[i])
	default:
		s.say("%s: an error of the world", what)
	}
	if err != nil {
		s.t.Logf("%s: %v", what, err)
	}
	return err == nil
}

func (s *site) name(n string) string { return s.prefix + "-" + n }

func (s *site) spec(image string) container.Spec {
	return container.Spec{Image: s.images[image], Network: s.network, Labels: map[string]string{"service": "shop", "role": "web"}}
}

func (s *site) create(n, image string, change ...func(*container.Spec)) {
	spec := s.spec(image)
	for _, c := range change {
		c(&spec)
	}
	id, err := s.Containers.Create(s.t.Context(), s.name(n), spec)
	if s.did("create "+n, err) {
		s.made[n] = id
		s.t.Cleanup(func() { _ = s.Cleaner.Remove(context.WithoutCancel(s.t.Context()), id) })
		s.wanted(n, spec)
	}
}

// wanted says whether a container is read back as it was asked for.
func (s *site) wanted(n string, spec container.Spec) {
	c, err := s.Engine.Inspect(s.t.Context(), s.name(n))
	if s.did("inspect "+n, err) {
		s.say("%s differs in %v", n, c.Diff(spec, nil))
	}
}

func (s *site) start(n string) {
	s.did("start "+n, s.Containers.Start(s.t.Context(), s.made[n]))
}

func (s *site) stop(n string) {
	s.did("stop "+n, s.Containers.Stop(s.t.Context(), s.made[n], 5*time.Second))
}

func (s *site) rename(from, to string) {
	s.did("rename "+from+" to "+to, s.Containers.Rename(s.t.Context(), s.made[from], s.name(to)))
}

func (s *site) remove(n string) {
	s.did("remove "+n, s.Cleaner.Remove(s.t.Context(), s.made[n]))
}

// state says how a container is, by id, by name, and in the list of all.
func (s *site) state(n string) { s.look(n, true) }

// stopped is state without the exit code: a real program may be told to stop
// before it listens to that, and then ends as its runtime likes.
func (s *site) stopped(n string) { s.look(n, false) }

func (s *site) look(n string, code bool) {
	for _, by := range []string{s.made[n], s.made[n][:12], s.name(n)} {
		c, err := s.Engine.Inspect(s.t.Context(), by)
		if s.did("look at "+n, err) {
			if !code {
				c.State.ExitCode = 0
			}
			s.say("%s is %s, exit %d, restarts %d, health %q", c.Name, c.State.Status, c.State.ExitCode, c.State.RestartCount, c.State.Health)
		}
	}
	all, err := s.list(s.t.Context(), nil)
	if err != nil {
		s.t.Error(err)
	}
	i := slices.IndexFunc(all, func(c container.Observed) bool { return c.ID == s.made[n] })
	if i >= 0 {
		s.say("listed as %s, %s, of %s", all[i].Name, all[i].State.Status, all[i].Spec.Labels["service"])
	}
}

// until waits until a container is so.
func (s *site) until(n, what string, so func(container.State) bool) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := s.Engine.Inspect(ctx, s.made[n])
		if err == nil && so(c.State) {
			s.say("%s %s", n, what)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.say("%s never %s: %v, %v", n, what, c.State, err)
			return
		}
	}
}

func (s *site) image(what, ref string) {
	_, err := s.Images.Image(s.t.Context(), ref)
	s.did("look for image "+what, err)
}

// programs are what images do, by name; toy is the real one's, app the fake's.
func programs() map[string]struct {
	toy []string
	app fleettest.App
} {
	return map[string]struct {
		toy []string
		app fleettest.App
	}{
		"runs":   {[]string{"sleep"}, fleettest.App{}},
		"serves": {[]string{"serve"}, fleettest.App{}},
		"sick":   {[]string{"sleep"}, fleettest.App{Status: 500}},
		"ends":   {[]string{"exit", "3"}, fleettest.App{CrashAfter: 20 * time.Millisecond, ExitCode: 3}},
	}
}

// fake makes a host of a fleet that exists only in memory. It must be called
// in a bubble.
func fake(t *testing.T) *site {
	w := fleettest.New(1, "a")
	p := w.Start("installation-1", w.Memory, func() {})
	hands := p.Hands("a")
	s := &site{t: t, Host: hands.Work, list: hands.Read.Lister.Containers, routes: hands.Read.Router, images: map[string]string{}, network: "net", prefix: "fake", made: map[string]string{}}
	if err := s.Networks.EnsureNetwork(t.Context(), s.network); err != nil {
		t.Fatal(err)
	}
	s.registry = "registry"
	w.Push("registry/acme/shop:v1", fleettest.App{})
	var err error
	if s.digest, err = p.Resolve(t.Context(), "registry/acme/shop:v1", registry.Auth{}); err != nil {
		t.Fatal(err)
	}
	for does, program := range programs() {
		s.images[does] = "fake-" + does + ":v1"
		w.Push(s.images[does], program.app)
		if err := s.Images.Pull(t.Context(), s.images[does], docker.Auth{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// machine is what scripts on a real engine share: to load an image takes long.
type machine struct {
	*docker.Engine
	network          string
	images           map[string]string
	registry, digest string
}

func newMachine(t *testing.T, e *docker.Engine) machine {
	m := machine{Engine: e, network: dockertest.Network(t, e), images: map[string]string{}}
	m.registry, m.digest = served(t)
	for does, program := range programs() {
		m.images[does] = dockertest.Image(t, e, dockertest.Config{Entrypoint: []string{"/toy"}, Cmd: program.toy})
	}
	return m
}

// site makes a host of the engine on this machine.
func (m machine) site(t *testing.T) *site {
	return &site{
		t: t, Host: rollout.Host{Containers: m, Images: m, Cleaner: m, Networks: m, Engine: m}, list: m.Containers,
		images: maps.Clone(m.images), network: m.network, prefix: dockertest.ID(t), made: map[string]string{},
		registry: m.registry, digest: m.digest,
	}
}

// served is a registry on this machine with acme/shop:v1.
func served(t *testing.T) (address, digest string) {
	server := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	address = server.Listener.Addr().String()
	image, err := random.Image(1<<10, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(address + "/acme/shop:v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, image, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	sum, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return address, sum.String()
}

// alike fails where the two sites said something else.
func alike(t *testing.T, fake, real []string) {
	t.Helper()
	for i := range max(len(fake), len(real)) {
		f, r := "(nothing)", "(nothing)"
		if i < len(fake) {
			f = fake[i]
		}
		if i < len(real) {
			r = real[i]
		}
		if f != r {
			t.Errorf("the fake says %q, the real one %q", f, r)
		}
	}
	if len(real) == 0 {
		t.Error("nothing was said")
	}
}

func TestTheFakeEngineIsHonest(t *testing.T) {
	m := newMachine(t, dockertest.Engine(t))
	for name, script := range scripts() {
		t.Run(name, func(t *testing.T) {
			var there, here []string
			t.Run("fake", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := fake(t)
					script(s)
					there = s.said
				})
			})
			t.Run("real", func(t *testing.T) {
				s := m.site(t)
				script(s)
				here = s.said
			})
			alike(t, there, here)
		})
	}
}

// unique is for names that no other run has.
func unique() string { return strings.ToLower(rand.Text()[:10]) }
