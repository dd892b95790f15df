package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Labels of all that a fleet makes in the engine.
const (
	labelRun   = "fairlead.fleet"       // the run id
	labelOwner = "fairlead.fleet.owner" // who it lives with, see owner
	labelDir   = "fairlead.fleet.dir"   // its folder on this machine
)

// kept is the owner of a fleet that outlives its process.
const kept = "kept"

func (f *Fleet) labels() []string {
	owner := kept
	if !f.opts.Keep {
		owner = self().String()
	}
	return []string{"--label", labelRun + "=" + f.Run, "--label", labelOwner + "=" + owner, "--label", labelDir + "=" + f.Dir}
}

// owner names one process for good: process ids are used again, so the time it
// started at, its pid namespace and the boot of the machine belong to it.
type owner struct {
	boot, namespace string
	pid             int
	started         string // clock ticks since boot
}

func self() owner {
	pid := os.Getpid()
	return owner{boot: bootID(), namespace: pidNamespace(), pid: pid, started: startedAt(pid)}
}

func (o owner) String() string {
	return fmt.Sprintf("%s/%s/%d/%s", o.boot, o.namespace, o.pid, o.started)
}

func parseOwner(s string) (owner, bool) {
	parts := strings.Split(s, "/")
	if len(parts) != 4 {
		return owner{}, false
	}
	pid, err := strconv.Atoi(parts[2])
	return owner{boot: parts[0], namespace: parts[1], pid: pid, started: parts[3]}, err == nil
}

// dead tells whether the owner has surely ended. A process of another pid
// namespace cannot be seen from here, so it counts as alive until the machine
// boots again.
func (o owner) dead() bool {
	if o.boot != bootID() {
		return true
	}
	return o.namespace == pidNamespace() && startedAt(o.pid) != o.started
}

func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(id))
}

func pidNamespace() string {
	ns, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return "unknown"
	}
	return strings.Trim(strings.TrimPrefix(ns, "pid:"), "[]")
}

// startedAt is field 22 of /proc/PID/stat (proc(5)), or "" without a process.
func startedAt(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// Field 2 is the name in brackets and may hold anything: count after it.
	_, after, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	fields := strings.Fields(after)
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

// Sweep removes the fleets on this machine whose process has ended without
// Close. Fleets that are kept, and those of living processes, stay.
func Sweep(ctx context.Context) error {
	var errs []error
	dead := map[string]string{}        // run id → folder
	for _, kind := range kinds()[:3] { // images have no label columns to print
		out, err := docker(ctx, slices.Concat(kind.list, []string{"--format", labelFormat})...)
		if err != nil {
			return fmt.Errorf("look for old fleets: %w", err)
		}
		for line := range strings.Lines(out) {
			run, owned, dir := fleetOf(strings.TrimSpace(line))
			o, ok := parseOwner(owned)
			if run != "" && ok && o.dead() {
				dead[run] = dir
			}
		}
	}
	for run, dir := range dead {
		if err := removeRun(ctx, run, dir); err != nil {
			errs = append(errs, fmt.Errorf("remove old fleet %s: %w", run, err))
		}
	}
	return errors.Join(errs...)
}

// kind is one kind of thing that a fleet makes in the engine.
type kind struct{ list, remove []string }

// kinds are in the order in which they can be removed.
func kinds() []kind {
	return []kind{
		{list: []string{"ps", "-a"}, remove: []string{"rm", "-fv"}},
		{list: []string{"volume", "ls"}, remove: []string{"volume", "rm", "-f"}},
		{list: []string{"network", "ls"}, remove: []string{"network", "rm"}},
		{list: []string{"image", "ls"}, remove: []string{"image", "rm", "-f"}},
	}
}

// labelFormat prints run, owner and folder with bars between.
const labelFormat = `{{.Label "` + labelRun + `"}}|{{.Label "` + labelOwner + `"}}|{{.Label "` + labelDir + `"}}`

func fleetOf(line string) (run, owner, dir string) {
	parts := strings.SplitN(line, "|", 3)
	if len(parts) != 3 {
		return "", "", ""
	}
	return parts[0], parts[1], parts[2]
}

// removeRun removes all that carries the run's label, and its folder.
func removeRun(ctx context.Context, run, dir string) error {
	var errs []error
	for _, kind := range kinds() {
		errs = append(errs, kind.removeAll(ctx, "label="+labelRun+"="+run))
	}
	if err := errors.Join(errs...); err != nil || dir == "" {
		return err
	}
	return errors.Join(unmountDisks(dir), removeDir(dir))
}

// removeAll removes what passes the filter until nothing is left. It looks
// again after a refusal: another process may be removing the same dead fleet.
func (k kind) removeAll(ctx context.Context, filter string) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var refused error
	for range 10 {
		out, err := docker(ctx, slices.Concat(k.list, []string{"-q", "--filter", filter})...)
		if err != nil {
			return err
		}
		ids := strings.Fields(out)
		if len(ids) == 0 {
			return nil
		}
		if _, refused = docker(ctx, slices.Concat(k.remove, ids)...); refused == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return refused
}

// removeDir removes a fleet's folder, and only what looks like one.
func removeDir(dir string) error {
	if _, err := os.Stat(dir + "/machines"); os.IsNotExist(err) {
		return nil
	}
	return os.RemoveAll(dir)
}
