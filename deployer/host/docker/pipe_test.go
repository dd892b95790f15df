package docker_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker/dockertest"
)

// gone waits until no container has the name.
func gone(t *testing.T, e *docker.Engine, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		_, err := e.Inspect(ctx, name)
		if errors.Is(err, docker.ErrNotFound) {
			return
		}
		if ctx.Err() != nil {
			_ = e.Remove(context.WithoutCancel(t.Context()), name)
			t.Fatalf("%s is still there: %v", name, err)
		}
	}
}

func TestAContainerIsAStream(t *testing.T) {
	e := dockertest.Engine(t)
	image := dockertest.Image(t, e, dockertest.Config{Entrypoint: []string{"/toy"}})
	name := dockertest.ID(t)
	opening, opened := context.WithCancel(t.Context())
	s, err := e.Pipe(opening, name, container.Spec{Image: image, Network: "none", Cmd: []string{"echo"}})
	opened() // only the way there is bound to the context
	if err != nil {
		t.Fatal(err)
	}
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB, more than any buffer on the way
	go func() { _, _ = s.Write(sent) }()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(s, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("what came back differs: %v", err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if _, err := e.Inspect(t.Context(), name); !errors.Is(err, docker.ErrNotFound) {
		t.Errorf("closed, and the container is there: %v", err)
	}
}

func TestAStreamWhoseContainerEndsSaysWhatItSaid(t *testing.T) {
	e := dockertest.Engine(t)
	image := dockertest.Image(t, e, dockertest.Config{Entrypoint: []string{"/toy"}})
	name := dockertest.ID(t)
	s, err := e.Pipe(t.Context(), name, container.Spec{Image: image, Network: "none", Cmd: []string{"fail", "no such folder"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "no such folder") {
		t.Error(err)
	}
	gone(t, e, name) // by itself
}

func TestAStreamThatCannotBeginLeavesNothing(t *testing.T) {
	e := dockertest.Engine(t)
	if _, err := e.Pipe(t.Context(), dockertest.ID(t), container.Spec{Image: "fairlead-test-none:v1"}); !errors.Is(err, docker.ErrNoImage) {
		t.Errorf("no image: %v", err)
	}
	image := dockertest.Image(t, e, dockertest.Config{Entrypoint: []string{"/not-there"}})
	name := dockertest.ID(t)
	if _, err := e.Pipe(t.Context(), name, container.Spec{Image: image, Network: "none"}); err == nil {
		t.Error("a program that is not there was started")
	}
	if _, err := e.Inspect(t.Context(), name); !errors.Is(err, docker.ErrNotFound) {
		t.Errorf("it stayed: %v", err)
	}
}
