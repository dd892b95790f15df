package main

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
)

// size looks at the program: one static file.
func size(_ context.Context, b *bench, rep *report) error {
	info, err := os.Stat(b.program)
	if err != nil {
		return err
	}
	rep.count("size of fairlead", float64(info.Size())/1e6, 40, "MB")
	file, err := elf.Open(b.program)
	if err != nil {
		return err
	}
	defer file.Close()
	needed, err := file.ImportedLibraries()
	if err != nil {
		return err
	}
	interpreters := 0
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			interpreters++
		}
	}
	rep.count("libraries and loaders that it needs", float64(len(needed)+interpreters), 0, "")
	return nil
}

// reconcileFor is how long reconciles are watched.
const reconcileFor = 20 * time.Second

// reconciles counts what the host's engine is asked while nothing has changed.
// The engine itself says so: its debug log has a line per call.
func reconciles(ctx context.Context, b *bench, rep *report) (err error) {
	s, err := b.newService(ctx, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.end()) }()
	sha, version, err := s.commit(ctx)
	if err != nil {
		return err
	}
	s.reconcile = "1s"
	if err := s.start(); err != nil {
		return err
	}
	if _, err := s.await(ctx, sha, version); err != nil {
		return err
	}
	h := s.hosts[0]
	if err := debugEngine(ctx, h); err != nil {
		return err
	}
	if err := sleep(ctx, 15*time.Second); err != nil { // "Up 3 seconds" is inspected each time, as it may have restarted
		return err
	}
	before, err := s.used(ctx)
	if err != nil {
		return err
	}
	if err := sleep(ctx, reconcileFor); err != nil {
		return err
	}
	after, err := s.used(ctx)
	if err != nil {
		return err
	}
	calls := after.calls[len(before.calls):]
	readings, changes := 0, 0
	for _, c := range calls {
		if strings.Contains(c, "/containers/json") {
			readings++
		}
		if !strings.HasPrefix(c, "GET ") && !strings.HasPrefix(c, "HEAD ") {
			changes++
		}
	}
	if readings == 0 {
		return fmt.Errorf("no reading of the host within %s", reconcileFor)
	}
	rep.note("reconciles of one host watched", strconv.Itoa(readings))
	rep.count("Engine calls of a no-op reconcile", float64(len(calls))/float64(readings), 4, "")
	rep.count("changes by no-op reconciles", float64(changes), 0, "")
	rep.note("processor time of a no-op reconcile, Git included", shown((after.cpu-before.cpu)/time.Duration(readings)))
	return nil
}

// usage is what a daemon has cost so far.
type usage struct {
	calls []string // of its first host's engine
	cpu   time.Duration
}

func (s *service) used(ctx context.Context) (u usage, err error) {
	if u.calls, err = engineCalls(ctx, s.hosts[0]); err == nil {
		u.cpu, err = cpuTime(s.daemon.Pid())
	}
	return u, err
}

// debugEngine makes the host's engine log each call.
func debugEngine(ctx context.Context, h *fleet.Host) error {
	_, err := h.Exec(ctx, "sh", "-c", `mkdir -p /etc/docker && echo '{"debug": true}' > /etc/docker/daemon.json && kill -HUP $(cat /run/fleet/engine.pid)`)
	return err
}

// engineCalls are the calls that the host's engine was asked so far, such as
// "GET /v1.41/containers/json?all=1".
func engineCalls(ctx context.Context, h *fleet.Host) ([]string, error) {
	log, err := h.Exec(ctx, "cat", "/var/log/engine.log")
	if err != nil {
		return nil, err
	}
	var calls []string
	for line := range strings.Lines(log) {
		if _, call, ok := strings.Cut(line, `msg="Calling `); ok {
			calls = append(calls, strings.Trim(call, "\"\n"))
		}
	}
	return calls, nil
}

// tick is what /proc counts processor time in, on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// cpuTime is the processor time that a process has used, all threads.
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // proc(5): the name may hold spaces
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, errors.New("read processor time: /proc/PID/stat is short")
	}
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick, err
}

// peak is the most memory that a process has had, in MiB (VmHWM).
func peak(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			return float64(kb) / 1024, err
		}
	}
	return 0, errors.New("read memory: /proc/PID/status has no VmHWM")
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
