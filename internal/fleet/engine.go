package fleet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Engine starts a Docker engine on this machine if none answers. One that it
// starts stays when the process ends, as a service would.
func Engine(ctx context.Context) error {
	if _, err := docker(ctx, "version", "--format", "{{.Server.Version}}"); err == nil {
		return nil
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		return errors.New("start engine: dockerd is not installed; apt-get install docker.io")
	}
	if err := mountCgroups(); err != nil {
		return err
	}
	path := filepath.Join(os.TempDir(), "fairlead-fleet-dockerd.log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start engine: %w", err)
	}
	defer log.Close()
	cmd := exec.Command("dockerd") // not CommandContext: it outlives ctx
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start engine: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends with the engine
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("it did not answer within 30 seconds"))
	defer cancel()
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("start engine: it ended at once (%v); see %s", err, path)
		case <-ctx.Done():
			return fmt.Errorf("start engine: %w; see %s", context.Cause(ctx), path)
		case <-tick.C:
			if _, err := docker(ctx, "version", "--format", "{{.Server.Version}}"); err == nil {
				return nil
			}
		}
	}
}

// mountCgroups mounts the v1 controllers on a machine that has no cgroups
// mounted at all, as small sandboxes do. Elsewhere systemd has long done it.
func mountCgroups() error {
	const root = "/sys/fs/cgroup"
	entries, err := os.ReadDir(root)
	if err == nil && len(entries) > 0 {
		return nil
	}
	if err := unix.Mount("cgroup", root, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount cgroups: %w", err)
	}
	list, err := os.ReadFile("/proc/cgroups")
	if err != nil {
		return fmt.Errorf("list cgroup controllers: %w", err)
	}
	for line := range strings.Lines(string(list)) {
		fields := strings.Fields(line)
		if len(fields) != 4 || strings.HasPrefix(line, "#") || fields[3] != "1" {
			continue
		}
		dir := filepath.Join(root, fields[0])
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("mount cgroups: %w", err)
		}
		if err := unix.Mount("cgroup", dir, "cgroup", 0, fields[0]); err != nil {
			_ = os.Remove(dir) // this controller is in use by v2: do without
		}
	}
	return nil
}

// CanNest tells in at most 20 seconds, by starting one host, whether engines
// can run inside containers here. Nil: they can.
func CanNest(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 20*time.Second, errors.New("the trial took over 20 seconds"))
	defer cancel()
	f, err := Start(ctx, Options{Hosts: 1})
	if err != nil {
		return fmt.Errorf("nest an engine: %w", err)
	}
	_, err = f.Hosts[0].Docker(ctx, "info")
	return errors.Join(err, f.Close())
}
