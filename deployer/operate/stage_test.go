package operate_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker/dockertest"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh/sshtest"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/operate"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// x/crypto's openChannel may hang on a connection that is gone.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("golang.org/x/crypto/ssh.(*mux).openChannel"))
}

// stage is a service on two hosts, each an SSH server of its own before the one
// real engine.
type stage struct {
	*testing.T
	engine  *docker.Engine
	image   string
	servers map[string]*sshtest.Server
	pool    *host.Pool
	service *operate.Service
	holds   []release.Hold
	labels  map[string]string // of containers, besides
}

func newStage(t *testing.T, options sshtest.Options) *stage {
	t.Helper()
	s := &stage{T: t, engine: dockertest.Engine(t), servers: map[string]*sshtest.Server{}}
	s.image = dockertest.Image(t, s.engine, dockertest.Config{Entrypoint: []string{"/toy"}, Cmd: []string{"sleep"}})
	var all []*sshtest.Server
	var hosts []spec.HostEntry
	id := ssh.Identity{}
	for _, name := range []string{"web-1", "web-2"} {
		server := sshtest.Start(t, options)
		s.servers[name], all, hosts = server, append(all, server), append(hosts, spec.HostEntry{Address: name})
		id.Signers = append(id.Signers, server.Signer)
	}
	id.KnownHosts = []string{sshtest.KnownHosts(t, all...)}
	s.pool = host.NewPool(host.Config{Identity: id, Jitter: func() time.Duration { return 0 }, Unique: rand.Text}, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = s.pool.Close() })
	log := slog.New(slog.DiscardHandler)
	s.service = &operate.Service{
		Deploy: &spec.Deploy{
			Service: dockertest.ID(t), Image: spec.Image{Repository: strings.TrimSuffix(s.image, ":v1")}, DrainTimeout: time.Second, RetainContainers: 1,
			Roles: []spec.Role{{Name: "web", Primary: true, Hosts: hosts, StopTimeout: time.Second}},
		},
		Connect: s.connect, Keeper: lock.NewKeeper(log), Unique: func() string { return strings.ToLower(rand.Text()[:6]) }, Log: log,
		Hold:   func(_ context.Context, h release.Hold) error { s.holds = append(s.holds, h); return nil },
		Failed: func(context.Context) ([]string, error) { return []string{"bad"}, nil },
	}
	t.Cleanup(s.clear)
	return s
}

func (s *stage) connect(ctx context.Context, name string) (operate.Host, error) {
	server := s.servers[name]
	h, err := s.pool.Get(ctx, host.Address{Name: name, Host: server.Host, Port: server.Port, User: "deploy", Socket: dockertest.Socket})
	if err == nil {
		err = h.Ping(ctx)
	}
	if err != nil {
		return operate.Host{}, err
	}
	e := h.Engine()
	return operate.Host{
		Name: name, Reader: e, Runner: e, Mover: e, Ground: e, Files: h.Files(), Shell: h.Shell,
		Proxy:  func(context.Context) (operate.Proxy, error) { return nil, errors.New("no proxy here") },
		Routes: func(context.Context) ([]plan.Live, error) { return nil, nil },
	}, nil
}

// clear removes what is left of the service.
func (s *stage) clear() {
	ctx := context.WithoutCancel(s.Context())
	list, err := s.engine.Containers(ctx, map[string]string{plan.LabelService: s.service.Deploy.Service})
	for _, c := range list {
		err = errors.Join(err, s.engine.Remove(ctx, c.ID))
	}
	if err != nil {
		s.Error(err)
	}
}

// run makes a container of a version as a rollout does, and starts it.
func (s *stage) run(version string, cmd ...string) (id string) {
	s.Helper()
	labels := map[string]string{plan.LabelService: s.service.Deploy.Service, plan.LabelRole: "web", plan.LabelDestination: ""}
	maps.Copy(labels, s.labels)
	id, err := s.engine.Create(s.Context(), s.service.Deploy.Service+"-web-"+version, container.Spec{
		Image: s.image, Cmd: cmd, Env: map[string]secret.Value{"COLOUR": secret.New("blue")},
		Labels: labels,
	})
	if err == nil {
		err = s.engine.Start(s.Context(), id)
	}
	if err != nil {
		s.Fatal(err)
	}
	return id
}

// heard is all that one ask told.
type heard struct {
	mu       sync.Mutex
	out, err bytes.Buffer
	told     []operation.Told
	each     func(operation.Told)
}

func (h *heard) tell(t operation.Told) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.out.Write(t.Out)
	h.err.Write(t.Err)
	h.told = append(h.told, t)
	if h.each != nil {
		h.each(t)
	}
	return nil
}

// lines are the log lines with their hosts.
func (h *heard) lines() []string {
	var list []string
	for _, t := range h.told {
		if t.Line != nil {
			list = append(list, t.Host+" "+t.Line.Text)
		}
	}
	return list
}

func (h *heard) dones() string {
	var list []string
	for _, t := range h.told {
		if t.Done != "" {
			list = append(list, t.Host+" "+t.Name+" "+t.Done)
		}
	}
	return strings.Join(list, "\n")
}

func (h *heard) exits() map[string]int {
	codes := map[string]int{}
	for _, t := range h.told {
		if t.Exit != nil {
			codes[t.Host] = *t.Exit
		}
	}
	return codes
}

// do carries out an ask within a minute.
func (s *stage) do(ask operation.Ask, in io.ReadCloser) (*heard, error) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	h := &heard{}
	ask.Actor = "ana"
	return h, s.service.Do(ctx, ask, operation.Caller{Tell: h.tell, In: in})
}

// oneConnection fails unless each host was connected to once.
func (s *stage) oneConnection() {
	s.Helper()
	for name, server := range s.servers {
		if n := server.Connections.Load(); n > 1 {
			s.Errorf("%d connections to %s", n, name)
		}
	}
}
