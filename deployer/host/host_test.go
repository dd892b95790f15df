package host_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker/dockertest"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh/sshtest"
	"go.uber.org/goleak"
)

// x/crypto's openChannel may hang on a connection that is gone.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("golang.org/x/crypto/ssh.(*mux).openChannel"))
}

func pool(t *testing.T, servers ...*sshtest.Server) *host.Pool {
	t.Helper()
	id := ssh.Identity{KnownHosts: []string{sshtest.KnownHosts(t, servers...)}}
	for _, s := range servers {
		id.Signers = append(id.Signers, s.Signer)
	}
	p := host.NewPool(host.Config{Identity: id, Jitter: func() time.Duration { return 0 }, Unique: rand.Text}, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func address(s *sshtest.Server) host.Address {
	return host.Address{Name: "web-1", Host: s.Host, Port: s.Port, User: "deploy", Socket: dockertest.Socket}
}

func at(t *testing.T, p *host.Pool, a host.Address) *host.Host {
	t.Helper()
	h, err := p.Get(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// work does a bit of everything on a host: a container from creation to an
// answer over HTTP, a command, a file.
func work(t *testing.T, h *host.Host) {
	t.Helper()
	ctx := t.Context()
	e := h.Engine()
	network := dockertest.Network(t, e)
	image := dockertest.Image(t, e, dockertest.Config{Entrypoint: []string{"/toy"}})
	id, err := e.Create(ctx, network, container.Spec{Image: image, Network: network, Cmd: []string{"serve"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Remove(context.WithoutCancel(ctx), id) })
	if err := e.Start(ctx, id); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if o, err := e.Inspect(ctx, id); err != nil || o.State.Status != container.Running {
				t.Errorf("inspect: %v, %v", o.State.Status, err)
			}
		})
	}
	wg.Wait()
	o, err := e.Inspect(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	probe(t, h, o.Addresses[network]+":80")
	if r, err := e.Exec(ctx, id, []string{"/toy", "echo"}, strings.NewReader("x")); err != nil || r.Stdout != "x" {
		t.Errorf("exec: %+v, %v", r, err)
	}
	if err := h.Files().Write(ctx, "fairlead-test", []byte("y"), 0o600); err != nil {
		t.Error(err)
	}
}

// probe asks the container over HTTP until it answers: it listens a moment
// after it started.
func probe(t *testing.T, h *host.Host, address string) {
	t.Helper()
	transport := &http.Transport{DialContext: h.Dial}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	var err error
	for ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second); ctx.Err() == nil; {
		defer cancel()
		var answer *http.Response
		if answer, err = client.Get("http://" + address); err == nil {
			body, _ := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			if string(body) != "ok" {
				t.Errorf("the container says %q", body)
			}
			return
		}
	}
	t.Fatalf("the container was not reached: %v", err)
}

func TestAHostIsWorkedOnOverOneConnection(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	work(t, at(t, pool(t, s), address(s)))
	if n := s.Connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	if n := s.Sessions.Load(); n != 1 {
		t.Errorf("%d sessions; only sftp needs one", n)
	}
	if _, err := os.Stat(s.Home + "/fairlead-test"); err != nil {
		t.Error(err)
	}
}

func TestWhereTheSocketCannotBeForwardedTheDockerProgramCarriesTheAPI(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{RefuseStreamlocal: true, Commands: map[string]func(io.Reader, io.Writer, io.Writer) int{
		"docker version":           func(io.Reader, io.Writer, io.Writer) int { return 0 },
		"docker system dial-stdio": sshtest.DialStdio(dockertest.Socket),
	}})
	work(t, at(t, pool(t, s), address(s)))
	if n := s.Connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestAHostWithoutEngineSaysWhatDockerSays(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{Commands: map[string]func(io.Reader, io.Writer, io.Writer) int{
		"docker -H unix:///none.sock version": func(_ io.Reader, _, errs io.Writer) int {
			_, _ = io.WriteString(errs, "Cannot connect to the Docker daemon")
			return 1
		}}})
	a := address(s)
	a.Socket = "/none.sock"
	err := at(t, pool(t, s), a).Ping(t.Context())
	if !errors.Is(err, docker.ErrUnavailable) || !strings.Contains(err.Error(), "Cannot connect to the Docker daemon") {
		t.Error(err)
	}
}

func TestTheReasonOfARefusedConnectionIsNotLost(t *testing.T) {
	s, other := sshtest.Start(t, sshtest.Options{}), sshtest.Start(t, sshtest.Options{})
	h := at(t, pool(t, other), address(s))
	err := h.Ping(t.Context())
	if _, ok := errors.AsType[*ssh.UnknownHostKeyError](err); !ok || !errors.Is(err, docker.ErrUnavailable) {
		t.Error(err)
	}
}

func TestThisMachineNeedsNoSSH(t *testing.T) {
	work(t, at(t, pool(t), host.Address{Name: "localhost", Host: "localhost", Home: t.TempDir()}))
}

func TestAHostIsReachedAgainAfterALoss(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	h := at(t, pool(t, s), address(s))
	for range 3 {
		if err := h.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Drop()
	}
}

func TestAJumpHostIsConnectedToOnce(t *testing.T) {
	jump, one, two := sshtest.Start(t, sshtest.Options{}), sshtest.Start(t, sshtest.Options{}), sshtest.Start(t, sshtest.Options{})
	p := pool(t, jump, one, two)
	via := address(jump)
	via.Name = "bastion"
	for _, s := range []*sshtest.Server{one, two} {
		a := address(s)
		a.Jump = &via
		if err := at(t, p, a).Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := jump.Connections.Load(); n != 1 {
		t.Errorf("%d connections to the jump host", n)
	}
}

func TestOneSSHDNeverMeetsMoreThanEightNewConnectionsAtOnce(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{RoundTrip: 20 * time.Millisecond})
	p := pool(t, s)
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			a := address(s)
			a.User = fmt.Sprint("user", i) // a connection of its own
			h, err := p.Get(t.Context(), a)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := h.Home(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n, most := s.Connections.Load(), s.MostWaiting.Load(); n != 30 || most > 8 || most < 3 {
		t.Errorf("%d connections, up to %d of them without a login", n, most)
	}
}

func TestThePoolKeepsOneHostPerAddress(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	p := pool(t, s)
	other := address(s)
	other.User = "somebody else"
	first, again := at(t, p, address(s)), at(t, p, address(s))
	if first != again || first == at(t, p, other) {
		t.Error("hosts are mixed up")
	}
	for _, bad := range []host.Address{{Host: "-oProxyCommand=x"}, {Host: "a", Socket: "/x; rm"}, {Host: "a", Socket: "relative"}} {
		if _, err := p.Get(t.Context(), bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Get(t.Context(), address(s)); !errors.Is(err, host.ErrClosed) {
		t.Error(err)
	}
}
