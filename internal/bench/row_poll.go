package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
)

const (
	manyRepositories = 100
	fewRepositories  = 20
	pollEvery        = 10 * time.Second
	pollsFor         = time.Minute
)

// polls watches a daemon with a hundred repositories, each a service of its
// own on one host, in observe mode: all are fetched, read and planned, the
// host is read for each, and from then on nothing changes.
func polls(ctx context.Context, b *bench, rep *report) (err error) {
	if err := b.push(ctx, "idle", "v1"); err != nil {
		return err
	}
	names, err := b.idleRepositories(ctx, "idle", manyRepositories)
	if err != nil {
		return err
	}
	git := countGit("http://" + b.fleet.GitMachine.Addr)
	defer git.server.Close()
	d, err := b.watch("http", names, func(name string) string { return git.server.URL + "/" + name + ".git" })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Stop()) }()
	if err := settled(ctx, git, len(names)); err != nil {
		return fmt.Errorf("%w; the end of the daemon's log:\n%s", err, d.LastLines())
	}
	before := git.count()
	cpu, err := cpuTime(d.Pid())
	if err != nil {
		return err
	}
	if err := sleep(ctx, pollsFor); err != nil {
		return err
	}
	cpuAfter, err := cpuTime(d.Pid())
	if err != nil {
		return err
	}
	seen := git.count().minus(before)
	if due := int(float64(len(names)) * pollsFor.Seconds() / pollEvery.Seconds()); seen.polls < due*8/10 {
		return fmt.Errorf("%d polls came, %d were due; the end of the daemon's log:\n%s", seen.polls, due, d.LastLines())
	}
	most, err := peak(d.Pid())
	if err != nil {
		return err
	}
	rep.note(fmt.Sprintf("polls of %d repositories by http in %s", len(names), pollsFor), fmt.Sprint(seen.polls))
	rep.count("ref listings of a no-op poll", float64(seen.listings)/float64(seen.polls), 1, "")
	rep.count("other requests of no-op polls", float64(seen.others), 0, "")
	rep.time("processor time of a no-op poll by http", (cpuAfter-cpu)/time.Duration(seen.polls), 2*time.Millisecond)
	rep.count(fmt.Sprintf("peak memory with %d repositories", len(names)), most, 40, "MiB")
	return errors.Join(d.Stop(), b.pollsBySSH(ctx, rep, names[:fewRepositories]))
}

// pollsBySSH is the same by ssh, with fewer repositories: the Git server needs
// 0.2 s of a processor for each connection.
func (b *bench) pollsBySSH(ctx context.Context, rep *report, names []string) (err error) {
	d, err := b.watch("ssh", names, func(name string) string { return "ssh://git@" + b.fleet.GitMachine.Addr + "/srv/git/" + name + ".git" })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Stop()) }()
	if err := sleep(ctx, 3*pollEvery); err != nil {
		return err
	}
	first, err := b.gitSessions(ctx)
	if err != nil {
		return err
	}
	cpu, err := cpuTime(d.Pid())
	if err != nil {
		return err
	}
	if err := sleep(ctx, pollsFor); err != nil {
		return err
	}
	cpuAfter, err := cpuTime(d.Pid())
	if err != nil {
		return err
	}
	last, err := b.gitSessions(ctx)
	if err != nil || last == first {
		return errors.Join(err, errors.New("no poll came by ssh"))
	}
	rep.note(fmt.Sprintf("polls of %d repositories by ssh in %s", len(names), pollsFor), fmt.Sprint(last-first))
	rep.time("processor time of a no-op poll by ssh", (cpuAfter-cpu)/time.Duration(last-first), 4*time.Millisecond)
	return nil
}

// gitSessions is how many commands the Git server's sshd has run.
func (b *bench) gitSessions(ctx context.Context) (int, error) {
	log, err := b.fleet.GitMachine.Exec(ctx, "cat", "/var/log/sshd.log")
	return strings.Count(log, "Starting session"), err
}

// settled waits until every repository was fetched and polled twice more.
func settled(ctx context.Context, git *gitCounter, repositories int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %s", patience))
	defer cancel()
	for git.count().polls < 3*repositories {
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("wait for the first polls (%d so far): %w", git.count().polls, err)
		}
	}
	return nil
}

// watch starts a daemon that polls repositories and may change nothing.
func (b *bench) watch(name string, repos []string, url func(string) string) (*actor.Daemon, error) {
	return b.daemon("watch-"+name, observed(repos, pollEvery, url))
}

// observed is the part of a configuration that lists repositories.
func observed(repos []string, poll time.Duration, url func(string) string) string {
	var list strings.Builder
	list.WriteString("repositories:\n")
	for _, r := range repos {
		fmt.Fprintf(&list, "  %s: { url: %q, branch: main, poll: %s, mode: observe }\n", r, url(r), poll)
	}
	return list.String()
}
