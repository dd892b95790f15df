// Package stage is what the tests of faults and of load stand on: the built
// program as a process, real hosts with a registry (internal/fleet), services
// with a repository each, and what can be read of them from outside.
//
// Lives here: making a service, pushing to it, waiting for what the signed
// webhook tells of it, and reading the hosts' engines. May not live here:
// faults and traffic themselves (internal/chaos, internal/load), and anything
// that the product needs.
package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
)

// Patience bounds each wait for the product. It is long because the machine may
// be busy, and because some faults have to be noticed first.
const Patience = 4 * time.Minute

// Stage is a fleet, the program and the test application.
type Stage struct {
	// Dir is where services keep their files.
	Dir string
	// Program is the path of fairlead.
	Program string
	// App is the test application.
	App fleet.App
	// Fleet are the servers.
	Fleet *fleet.Fleet

	services atomic.Int64
}

// Open builds the program (or takes the one that $FAIRLEAD names) and starts a
// fleet. What it returns is to be closed, also with an error.
func Open(ctx context.Context, options fleet.Options) (*Stage, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, errors.New("making the fleet took over 5 minutes"))
	defer cancel()
	s := &Stage{}
	var err error
	if s.Dir, err = os.MkdirTemp("", "fl-stage-"); err != nil { // short: sockets are below it
		return s, fmt.Errorf("make stage: %w", err)
	}
	if err := fleet.Engine(ctx); err != nil {
		return s, err
	}
	if !fleet.Installed() {
		options.Unpacked = filepath.Join(s.Dir, "packages")
		if err := fleet.Unpack(ctx, options.Unpacked); err != nil {
			return s, err
		}
	}
	var g errgroup.Group
	g.Go(func() (err error) { s.Program, err = program(ctx, s.Dir); return err })
	g.Go(func() (err error) { s.App, err = fleet.BuildApp(ctx, s.Dir); return err })
	g.Go(func() (err error) { s.Fleet, err = fleet.Start(ctx, options); return err })
	return s, g.Wait()
}

func program(ctx context.Context, dir string) (string, error) {
	if built := os.Getenv("FAIRLEAD"); built != "" {
		return filepath.Abs(built)
	}
	return actor.Build(ctx, dir, "stage")
}

// Close removes the fleet and the folder.
func (s *Stage) Close() error {
	var errs []error
	if s.Fleet != nil {
		errs = append(errs, s.Fleet.Close())
	}
	if s.Dir != "" {
		errs = append(errs, os.RemoveAll(s.Dir))
	}
	return errors.Join(errs...)
}

// name is one that no service of this stage has had.
func (s *Stage) name(prefix string) string { return fmt.Sprintf("%s%d", prefix, s.services.Add(1)) }
