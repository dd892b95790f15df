package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
)

// The registry of all scenarios asks for a password.
const (
	registryUser     = "fleet"
	registryPassword = "pw/7f3e+0d5a9b" // of a registry that only this run reaches
)

// world is what all scenarios share: one program, two hosts, one registry.
type world struct {
	dir     string
	program string
	app     fleet.App
	fleet   *fleet.Fleet
	hosts   []*fleet.Host // the two that scenarios share

	mu      sync.Mutex
	secrets map[string]string // of all scenarios that have ended
}

// keep keeps what is a secret of a scenario, to look for at the end.
func (w *world) keep(service string, secrets map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.secrets == nil {
		w.secrets = map[string]string{}
	}
	for name, value := range secrets {
		w.secrets[service+": "+name] = value
	}
}

// searched fails where a server shows one of the secrets.
func (w *world) searched() error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errors.New("looking for secrets took too long"))
	defer cancel()
	var errs []error
	for _, h := range w.hosts {
		found, err := actor.Kept(ctx, h.Name, h, w.secrets)
		errs = append(errs, err)
		for _, leak := range found {
			errs = append(errs, errors.New(leak))
		}
	}
	return errors.Join(errs...)
}

// shared is made by TestMain before the first test and cleared after the last.
var shared *world

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), 5*time.Minute, errors.New("making the fleet took over 5 minutes"))
	defer cancel()
	w, err := newWorld(ctx)
	defer func() {
		if err := w.clear(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	shared = w
	code = m.Run()
	if err := w.searched(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func newWorld(ctx context.Context) (*world, error) {
	w := &world{}
	var err error
	if w.dir, err = os.MkdirTemp("", "fl-e2e-"); err != nil { // short: sockets are below it
		return w, err
	}
	if err := fleet.Engine(ctx); err != nil {
		return w, err
	}
	options := fleet.Options{Hosts: 2, RegistryUser: registryUser, RegistryPassword: registryPassword}
	if !fleet.Installed() {
		options.Unpacked = filepath.Join(w.dir, "packages")
		if err := fleet.Unpack(ctx, options.Unpacked); err != nil {
			return w, err
		}
	}
	var g errgroup.Group
	g.Go(func() (err error) { w.program, err = program(ctx, w.dir); return err })
	g.Go(func() (err error) { w.app, err = fleet.BuildApp(ctx, w.dir); return err })
	g.Go(func() (err error) { w.fleet, err = fleet.Start(ctx, options); return err })
	if err := g.Wait(); err != nil {
		return w, err
	}
	w.hosts = w.fleet.Hosts
	return w, nil
}

// program builds fairlead, or takes the one that $FAIRLEAD names.
func program(ctx context.Context, dir string) (string, error) {
	if built := os.Getenv("FAIRLEAD"); built != "" {
		return filepath.Abs(built)
	}
	return actor.Build(ctx, dir, "e2e")
}

func (w *world) clear() error {
	var errs []error
	if w.fleet != nil {
		errs = append(errs, w.fleet.Close())
	}
	if w.dir != "" {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}
