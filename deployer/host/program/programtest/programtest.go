// Package programtest gives tests a freshly built program to bring to the
// local engine.
//
// Lives here: that program, and exclusive use of its image. May not live here:
// anything that a program imports.
package programtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker/dockertest"
	"github.com/fairlead-deploy/fairlead/deployer/host/program"
)

// Engine returns the local engine without program.Image, which no other test
// on this machine touches until the end of this one.
func Engine(t testing.TB) *docker.Engine {
	t.Helper()
	e := dockertest.Engine(t)
	if _, err := build(); err != nil { // now: it takes longer than a call that needs it may
		t.Fatal(err)
	}
	file, err := os.OpenFile(filepath.Join(os.TempDir(), "fairlead-test-program.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() }) // frees the lock
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("another test keeps the image of the program")
		}
	}
	remove := func() {
		if err := e.RemoveImage(context.WithoutCancel(t.Context()), program.Image); err != nil {
			t.Errorf("remove %s, which this test makes anew: %v", program.Image, err)
		}
	}
	remove()
	t.Cleanup(remove)
	return e
}

// Binary is a program.Binary for the architecture of this machine: the part of
// fairlead that runs on hosts.
func Binary(string) (binary program.Content, roots []byte, err error) {
	text, err := build()
	return program.Bytes(text), []byte("no roots"), err
}

var build = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "program")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	source, out := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(source, []byte(main), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", out, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the program: %w: %s", err, text)
	}
	return os.ReadFile(out)
})

const main = `package main

import (
	"os"

	"github.com/fairlead-deploy/fairlead/proxy"
)

func main() { os.Exit(proxy.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)) }
`
