package host_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker/dockertest"
	"github.com/fairlead-deploy/fairlead/deployer/host/files"
	"github.com/fairlead-deploy/fairlead/deployer/host/files/filestest"
	"github.com/fairlead-deploy/fairlead/deployer/host/program/programtest"
)

// sidecar is a pool of a process that runs in a container of the local engine
// with these mounts, so that it sees no other folder of the machine.
func sidecar(t *testing.T, e *docker.Engine, mounts ...container.Mount) (p *host.Pool, self string) {
	t.Helper()
	network := dockertest.Network(t, e)
	image := dockertest.Image(t, e, dockertest.Config{Entrypoint: []string{"/toy"}})
	self, err := e.Create(t.Context(), dockertest.ID(t), container.Spec{Image: image, Network: network, Mounts: mounts})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Remove(context.WithoutCancel(t.Context()), self) })
	if err := e.Start(t.Context(), self); err != nil {
		t.Fatal(err)
	}
	p = host.NewPool(host.Config{Unique: rand.Text, Binary: programtest.Binary, Self: []string{self[:12]}}, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if left := serving(t, e); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return p, self
}

// serving lists the containers that serve files on the local engine.
func serving(t *testing.T, e *docker.Engine) (names []string) {
	t.Helper()
	all, err := e.Containers(context.WithoutCancel(t.Context()), map[string]string{host.LabelFiles: ""})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		names = append(names, c.Name)
	}
	return names
}

func local(t *testing.T, p *host.Pool, home string) *host.Host {
	t.Helper()
	return at(t, p, host.Address{Name: "local", Home: home})
}

func TestAContainerOfOurProgramIsADoorWhereThereIsOnlyTheSocket(t *testing.T) {
	e := programtest.Engine(t)
	p, _ := sidecar(t, e)
	filestest.Run(t, func(t *testing.T) files.Door { return local(t, p, t.TempDir()).Files() })
}

func TestWhatIsMadeThroughTheSocketBelongsToTheOwnerOfTheHome(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test needs root, to give a folder to somebody")
	}
	e := programtest.Engine(t)
	home := t.TempDir()
	if err := os.Chown(home, 1234, 2345); err != nil {
		t.Fatal(err)
	}
	p, _ := sidecar(t, e)
	door := local(t, p, home).Files()
	if err := errors.Join(door.MkdirAll(t.Context(), ".kamal/a", 0o755), door.Write(t.Context(), ".kamal/a/file", []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{".kamal", ".kamal/a", ".kamal/a/file"} {
		info, err := os.Stat(filepath.Join(home, path))
		if err != nil {
			t.Fatal(err)
		}
		if o := info.Sys().(*syscall.Stat_t); o.Uid != 1234 || o.Gid != 2345 {
			t.Errorf("%s belongs to %d:%d", path, o.Uid, o.Gid)
		}
	}
	// A link cannot lead out: the container has nothing else of the host.
	if err := os.Symlink("/etc", filepath.Join(home, "etc")); err != nil {
		t.Fatal(err)
	}
	if _, err := door.Read(t.Context(), "etc/passwd"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read the host's /etc/passwd: %v", err)
	}
}

func TestTheContainerForFilesIsMadeAnewWhenItIsGone(t *testing.T) {
	e := programtest.Engine(t)
	p, _ := sidecar(t, e)
	door := local(t, p, t.TempDir()).Files()
	for range 2 {
		if err := door.Write(t.Context(), "a", []byte("b"), 0o600); err != nil {
			t.Fatal(err)
		}
		names := serving(t, e)
		if len(names) != 1 {
			t.Fatalf("serving: %v", names)
		}
		if err := e.Remove(t.Context(), names[0]); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAHomeThatIsNotThereIsNamed(t *testing.T) {
	e := programtest.Engine(t)
	p, _ := sidecar(t, e)
	_, err := local(t, p, "/nowhere/at/all").Files().Stat(t.Context(), "x")
	if err == nil || !strings.Contains(err.Error(), "/nowhere/at/all") {
		t.Error(err)
	}
	if _, err := os.Stat("/nowhere"); err == nil {
		t.Error("it was made")
	}
}

func TestAFolderThatIsMountedIsReachedWithoutAnotherContainer(t *testing.T) {
	e := dockertest.Engine(t)
	outer := t.TempDir()
	// The "container" sees the machine's folder at the same place.
	p, _ := sidecar(t, e, container.Mount{Kind: container.Bind, Source: outer, Target: outer})
	home := filepath.Join(outer, "deploy")
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := local(t, p, home).Files().Write(t.Context(), "a", []byte("b"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(home, "a")); err != nil {
		t.Error(err)
	}
	if names := serving(t, e); len(names) > 0 {
		t.Errorf("serving: %v", names)
	}
}

func TestInAContainerTheHomeMustBeNamed(t *testing.T) {
	p, self := sidecar(t, dockertest.Engine(t))
	h := local(t, p, "")
	if _, err := h.Home(t.Context()); err == nil || !strings.Contains(err.Error(), "hosts.local.home") {
		t.Error(err)
	}
	if o, inside, err := h.Self(t.Context()); err != nil || !inside || o.ID != self {
		t.Errorf("%v, %v, %v", o.ID, inside, err)
	}
}

func TestAnIDThatTheEngineDoesNotKnowIsNotOurContainer(t *testing.T) {
	p := host.NewPool(host.Config{Unique: rand.Text, Self: []string{"0123456789ab"}}, slog.New(slog.DiscardHandler))
	defer p.Close()
	if _, inside, err := local(t, p, t.TempDir()).Self(t.Context()); err != nil || inside {
		t.Errorf("%v, %v", inside, err)
	}
}
