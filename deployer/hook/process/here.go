package process

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// Here runs a job on the machine that Fairlead runs on. The error is the end of
// ctx.
func Here(ctx context.Context, j Job) (Outcome, error) {
	dir, err := os.MkdirTemp("", "fairlead-hook-")
	if err != nil {
		return never(err), nil
	}
	defer os.RemoveAll(dir)
	defer reap(j.ID) // first: what is left over could write there still
	argv := j.Argv
	if j.Script != nil {
		file := filepath.Join(dir, j.Name)
		// No process may be forked meanwhile: it would have the file open for
		// writing for a moment, and no such file is run (ETXTBSY).
		syscall.ForkLock.RLock()
		err := os.WriteFile(file, j.Script, 0o700)
		syscall.ForkLock.RUnlock()
		if err != nil {
			return never(err), nil
		}
		argv = []string{file}
	}
	limited, cancel := context.WithTimeout(ctx, j.Deadline)
	defer cancel()
	cmd := exec.CommandContext(limited, argv[0], argv[1:]...)
	out := &tail{keep: j.Keep}
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, out, out, Grace
	if j.Folder != "" {
		cmd.Dir, cmd.Env = j.Folder, slices.Clone(j.Environ)
	}
	cmd.Env = append(cmd.Env, j.pairs()...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return never(err), nil
	}
	_ = cmd.Wait() // how it ended is in its state
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if ctx.Err() != nil {
		return Outcome{}, context.Cause(ctx)
	}
	return j.ended(cmd.ProcessState.ExitCode(), limited.Err() != nil, out), nil
}

// End ends what a job of an earlier life of Fairlead left behind here.
func End(id string) { reap(id) }

// reap ends what a job left behind, whatever group it is in by now.
func reap(id string) {
	entries, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range entries {
		text, err := os.ReadFile(file)
		if err != nil || !slices.ContainsFunc(bytes.Split(text, []byte{0}), func(pair []byte) bool { return string(pair) == Mark+"="+id }) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended meanwhile
		}
	}
}
