// Package dockertest gives tests a real engine and a small image to run on it.
//
// Lives here: what tests of several packages need of the local engine. May not
// live here: a fake engine, or anything that a program imports.
package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
)

// Socket is where the engine of the machine that runs the tests listens.
const Socket = "/var/run/docker.sock"

// Engine returns a client of the local engine; the test fails where there is
// none.
func Engine(t testing.TB) *docker.Engine {
	t.Helper()
	e := docker.New("local", func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", Socket)
	}, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = e.Close() })
	if err := e.Ping(t.Context()); err != nil {
		t.Fatalf("these tests need a Docker engine at %s: %v", Socket, err)
	}
	return e
}

// ID makes a name that no other run has.
func ID(t testing.TB) string {
	t.Helper()
	var b [5]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("fairlead-test-%x", b)
}

// Network makes a network for the test and removes it at its end.
func Network(t testing.TB, e *docker.Engine) string {
	t.Helper()
	name := ID(t)
	if err := e.EnsureNetwork(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.RemoveNetwork(context.WithoutCancel(t.Context()), name); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return name
}

// Image loads an image of the given configuration with the one program /toy
// (see toySource), tagged with a name of its own, which is returned and
// removed at the end of the test.
func Image(t testing.TB, e *docker.Engine, config Config) string {
	t.Helper()
	ref := ID(t) + ":v1"
	archive, err := archiveOf(ref, config, toy(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Load(t.Context(), bytes.NewReader(archive)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.RemoveImage(context.WithoutCancel(t.Context()), ref); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return ref
}

// Config is an image's configuration (Docker image spec v1.2, "config").
type Config struct {
	Entrypoint, Cmd, Env         []string            `json:",omitempty"`
	Labels                       map[string]string   `json:",omitempty"`
	User, WorkingDir, StopSignal string              `json:",omitempty"`
	Volumes, ExposedPorts        map[string]struct{} `json:",omitempty"`
	Healthcheck                  *Healthcheck        `json:",omitempty"`
}

// Healthcheck is an image's; durations are nanoseconds.
type Healthcheck struct {
	Test                           []string
	Interval, Timeout, StartPeriod int64
	Retries                        int
}

// archiveOf writes what `docker save` would of a one-layer image.
func archiveOf(ref string, config Config, program []byte) ([]byte, error) {
	layer, err := tarOf(map[string][]byte{"toy": program})
	if err != nil {
		return nil, err
	}
	image, err := json.Marshal(map[string]any{"architecture": goarch(), "os": "linux", "config": config,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{sum(layer)}}})
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "image.json", "RepoTags": []string{ref}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return nil, err
	}
	return tarOf(map[string][]byte{"image.json": image, "layer.tar": layer, "manifest.json": manifest})
}

func tarOf(files map[string][]byte) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// toy builds the program once per test binary.
func toy(t testing.TB) []byte {
	t.Helper()
	program, err := buildToy()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

var buildToy = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "toy")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(toySource), 0o600); err != nil {
		return nil, err
	}
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", filepath.Join(dir, "toy"), filepath.Join(dir, "main.go"))
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=", "GO111MODULE=off")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build toy: %w: %s", err, out)
	}
	return os.ReadFile(filepath.Join(dir, "toy"))
})
