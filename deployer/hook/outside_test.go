package hook

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// onDaemon runs a script as a hook of the machine that Fairlead runs on, and
// returns what is recorded of it.
func onDaemon(t *testing.T, hook, script string, limit time.Duration) release.Hook {
	t.Helper()
	r := of()
	run := &Run{Release: &r, Note: func(context.Context, string) error { return nil }, Secrets: map[string]secret.Value{"TOKEN": secret.New("token-of-the-app")}}
	err := run.task(t.Context(), Task{Hook: hook, Shown: hook, Script: []byte("#!/bin/sh\n" + script), Place: hooks.OnDaemon, Deadline: limit})
	if len(r.Hooks) != 1 || r.Hooks[0].Ended.IsZero() || (err != nil) != (r.Hooks[0].Failed != "") {
		t.Fatalf("%v: %+v", err, r.Hooks)
	}
	return r.Hooks[0]
}

func TestAHookOnFairleadsMachineHasNothingOfItsEnvironment(t *testing.T) {
	t.Setenv("SLACK_TOKEN", "the daemon's own")
	h := onDaemon(t, "pre-deploy", "env; pwd; ls -a", time.Minute)
	text := strings.Join(h.Output, "\n")
	for _, want := range []string{"KAMAL_VERSION=9c1e0aa5512", "KAMAL_COMMAND=deploy", "TOKEN=" + secret.Redacted} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	if strings.Contains(text, "SLACK_TOKEN") || strings.Contains(text, "token-of-the-app") || h.Failed != "" {
		t.Errorf("%+v", h)
	}
	if h = onDaemon(t, "post-app-boot", "env", time.Minute); strings.Contains(strings.Join(h.Output, "\n"), "TOKEN=") {
		t.Error("it has secrets that Kamal gives to other hooks alone")
	}
}

func TestAHookOnFairleadsMachineIsBoundedAndLeavesNothing(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	// One that holds the output, and one that has left the group.
	leaves := "sleep 1000 & echo $! >> " + pids + "\nsetsid sleep 1000 & echo $! >> " + pids + "\n"
	cases := map[string]struct {
		script string
		limit  time.Duration
		failed string
		exit   int
	}{
		"works":               {leaves + "echo done", time.Minute, "", 0},
		"fails":               {leaves + "exit 3", time.Minute, "ended with exit status 3", 3},
		"hangs":               {leaves + "sleep 1000", 300 * time.Millisecond, "was stopped: it took longer than 300ms", -1},
		"ends well, too late": {"trap 'exit 0' TERM\nsleep 1000 & wait", 300 * time.Millisecond, "was stopped: it took longer than 300ms", 0},
		"ignores SIGTERM":     {"trap '' TERM\nsleep 1000", 300 * time.Millisecond, "was stopped: it took longer than 300ms", -1},
		"prints a lot":        {"head -c 50000000 /dev/zero | tr '\\0' 'x'; echo; echo the end", time.Minute, "", 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			h := onDaemon(t, "pre-deploy", c.script, c.limit)
			if h.Failed != c.failed || h.ExitCode != c.exit || time.Since(begin) > 20*time.Second {
				t.Errorf("%q, exit %d, after %s", h.Failed, h.ExitCode, time.Since(begin))
			}
			if n := size(h.Output); n > maxKept {
				t.Errorf("%d bytes of output are kept", n)
			}
		})
	}
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for word := range strings.FieldsSeq(string(text)) {
		pid, _ := strconv.Atoi(word)
		for until := time.Now().Add(5 * time.Second); syscall.Kill(pid, 0) == nil && !zombie(pid); {
			if time.Now().After(until) {
				t.Errorf("process %d still runs", pid)
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// zombie tells a process that has ended, and that nobody has asked how.
func zombie(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, state, _ := strings.Cut(string(text), ") ")
	return err != nil || strings.HasPrefix(state, "Z")
}

func TestAHookOnFairleadsMachineThatWasCutOffIsNotRunAgain(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	r := of()
	r.Hooks = []release.Hook{{Name: "pre-deploy", Started: time.Now()}}
	run := &Run{Release: &r, Note: func(context.Context, string) error { return nil }}
	task := Task{Hook: "pre-deploy", Script: []byte("#!/bin/sh\ntouch " + mark), Place: hooks.OnDaemon, Deadline: time.Minute}
	for range 2 {
		if err := run.task(t.Context(), task); err == nil || !strings.Contains(err.Error(), "not known to have ended well") {
			t.Errorf("error %v", err)
		}
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("it was run again")
	}
}
