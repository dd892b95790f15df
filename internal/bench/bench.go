package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
)

// bench is what all rows share: one program and one fleet.
type bench struct {
	dir     string
	program string
	app     fleet.App
	fleet   *fleet.Fleet
	named   int // services so far
}

// open builds and starts what the rows need. What it returns must be closed,
// also with an error.
func open(ctx context.Context, hosts int) (*bench, error) {
	b := &bench{}
	if os.Geteuid() != 0 {
		return b, errors.New("servers are made with Docker engines inside containers, which needs root; run it with sudo")
	}
	var err error
	if b.dir, err = os.MkdirTemp("", "fl-bench-"); err != nil {
		return b, err
	}
	var g errgroup.Group
	g.Go(func() (err error) { b.program, err = program(ctx, b.dir); return err })
	if hosts > 0 {
		g.Go(func() (err error) { b.app, err = fleet.BuildApp(ctx, b.dir); return err })
		g.Go(func() (err error) { b.fleet, err = start(ctx, b.dir, hosts); return err })
	}
	return b, g.Wait()
}

// program builds fairlead, or takes the one that $FAIRLEAD names.
func program(ctx context.Context, dir string) (string, error) {
	if built := os.Getenv("FAIRLEAD"); built != "" {
		return filepath.Abs(built)
	}
	return actor.Build(ctx, dir, "bench")
}

func start(ctx context.Context, dir string, hosts int) (*fleet.Fleet, error) {
	if err := fleet.Engine(ctx); err != nil {
		return nil, err
	}
	options := fleet.Options{Hosts: hosts}
	if !fleet.Installed() {
		options.Unpacked = filepath.Join(dir, "packages")
		if err := fleet.Unpack(ctx, options.Unpacked); err != nil {
			return nil, err
		}
	}
	return fleet.Start(ctx, options)
}

func (b *bench) close() error {
	var errs []error
	if b.fleet != nil {
		errs = append(errs, b.fleet.Close())
	}
	if b.dir != "" {
		errs = append(errs, os.RemoveAll(b.dir))
	}
	return errors.Join(errs...)
}

// push puts an image into the registry that no host has seen: its one layer,
// program included, differs from that of every other version.
func (b *bench) push(ctx context.Context, repo, version string) error {
	image := b.app.Image(version, nil)
	image.Files = map[string]string{"/release": repo + " " + version}
	_, err := b.fleet.Push(ctx, image, repo+":"+version)
	return err
}

// root is where this machine sees a host's files.
func (b *bench) root(ctx context.Context, h *fleet.Host) (string, error) {
	out, err := exec.CommandContext(ctx, "docker", "inspect", "-f", "{{.State.Pid}}", "fairlead-"+b.fleet.Run+"-"+h.Name).Output()
	if err != nil {
		return "", fmt.Errorf("find the files of %s: %w", h.Name, err)
	}
	return "/proc/" + strings.TrimSpace(string(out)) + "/root", nil
}

// name makes a name for a service that no other row uses.
func (b *bench) name(prefix string) string {
	b.named++
	return fmt.Sprintf("%s%d", prefix, b.named)
}
