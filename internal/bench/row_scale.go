package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	scaleRepositories = 1000
	scaleEvery        = 30 * time.Second
	scalePolls        = 3 // of each repository, the first included
	// scaleReads is how long all of them are watched besides: in it, each host is
	// read anew for each of them at least once.
	scaleReads     = 150 * time.Second
	scaleReconcile = "2m"
)

// scales watches a daemon with a thousand repositories, as polls does with a
// hundred.
func scales(ctx context.Context, b *bench, rep *report) (err error) {
	if err := b.push(ctx, "idle", "v1"); err != nil {
		return err
	}
	names, err := b.idleRepositories(ctx, "scale", scaleRepositories)
	if err != nil {
		return err
	}
	git := countGit("http://" + b.fleet.GitMachine.Addr)
	defer git.server.Close()
	began := time.Now()
	d, err := b.daemon("watch-scale", "reconcile: "+scaleReconcile+"\n"+
		observed(names, scaleEvery, func(name string) string { return git.server.URL + "/" + name + ".git" }))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Stop()) }()
	for git.count().polls < scalePolls*len(names) {
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("wait for the polls (%d so far): %w; the end of the daemon's log:\n%s", git.count().polls, err, d.LastLines())
		}
	}
	first, err := peak(d.Pid())
	if err != nil {
		return err
	}
	rep.note(fmt.Sprintf("%d polls of %d repositories took", scalePolls*len(names), len(names)), shown(time.Since(began)))
	rep.note("peak memory by then", fmt.Sprintf("%.4g MiB", first))
	before := git.count()
	cpu, err := cpuTime(d.Pid())
	if err != nil {
		return err
	}
	if err := sleep(ctx, scaleReads); err != nil {
		return err
	}
	cpuAfter, err := cpuTime(d.Pid())
	if err != nil {
		return err
	}
	seen := git.count().minus(before)
	if due := int(float64(len(names)) * scaleReads.Seconds() / scaleEvery.Seconds()); seen.polls < due*8/10 {
		return fmt.Errorf("%d polls came, %d were due; the end of the daemon's log:\n%s", seen.polls, due, d.LastLines())
	}
	most, err := peak(d.Pid())
	if err != nil {
		return err
	}
	rep.note("share of a processor that it takes", fmt.Sprintf("%.2g", (cpuAfter-cpu).Seconds()/scaleReads.Seconds()))
	rep.count(fmt.Sprintf("peak memory with %d repositories", len(names)), most, 120, "MiB")
	return d.Stop()
}
