package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
)

// floor is the least that a deploy by hand does: one SSH command per host, all
// hosts at once, that pulls, runs, switches the proxy and stops the old one.
// It has no gate between hosts, no lock, no health check but the proxy's, no
// way back, and no record.
type floor struct {
	b       *bench
	name    string
	hosts   []*fleet.Host
	version int
	visits  *visitors
}

func (b *bench) newFloor(n int) *floor {
	return &floor{b: b, name: b.name("floor"), hosts: b.fleet.Hosts[:n]}
}

func (f *floor) deploy(ctx context.Context) (took, error) {
	f.version++
	version := fmt.Sprintf("v%d", f.version)
	if err := f.b.push(ctx, f.name, version); err != nil {
		return took{}, err
	}
	image := f.b.fleet.Registry + "/" + f.name + ":" + version
	line := fmt.Sprintf("docker pull -q %[1]s && docker run -d --name %[2]s-%[3]s --network kamal --restart unless-stopped %[1]s"+
		" && docker exec kamal-proxy kamal-proxy deploy %[2]s --host %[2]s.test --target %[2]s-%[3]s:80 --health-check-interval 100ms",
		image, f.name, version)
	if f.version > 1 {
		line += fmt.Sprintf(" && docker stop %s-v%d", f.name, f.version-1)
	}
	begin := time.Now()
	var g errgroup.Group
	for _, h := range f.hosts {
		g.Go(func() error { _, err := h.SSH(ctx, line); return err })
	}
	if err := g.Wait(); err != nil {
		return took{}, err
	}
	t := took{done: time.Since(begin)}
	if f.visits == nil {
		return t, nil
	}
	at, err := f.visits.everywhere(ctx, version, len(f.hosts))
	t.switched = at.Sub(begin)
	return t, err
}

func (f *floor) visited() {
	var sites []actor.Site
	for _, h := range f.hosts {
		sites = append(sites, actor.Site{Address: "http://" + h.Addr, Host: f.name + ".test"})
	}
	f.visits = visit(sites)
}

func (f *floor) end() error {
	if f.visits != nil {
		f.visits.stop()
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errors.New("cleaning up took too long"))
	defer cancel()
	var errs []error
	for _, h := range f.hosts {
		_, err := h.Exec(ctx, "sh", "-c", "docker exec kamal-proxy kamal-proxy remove "+f.name+"; docker ps -aq --filter name="+f.name+"- | xargs -r docker rm -f")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
