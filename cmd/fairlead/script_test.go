package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fairlead-deploy/fairlead/deployer/host/ssh/sshtest"
)

// update writes what the stories compare with anew.
var update = flag.Bool("update", false, "write what the stories compare with anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"fairlead": main})
}

// Each file in testdata is a story of what a person types and reads. Nothing
// is deployed to: hosts and registries are ports of loopback where nobody
// listens.
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true, UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			for name, value := range map[string]string{
				"HOME": e.WorkDir, "XDG_STATE_HOME": filepath.Join(e.WorkDir, "state"), "SUDO_USER": "ana", "SSH_AUTH_SOCK": "",
				"GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "Ana", "GIT_AUTHOR_EMAIL": "ana@example.com",
				"GIT_COMMITTER_NAME": "Ana", "GIT_COMMITTER_EMAIL": "ana@example.com",
				"GIT_AUTHOR_DATE": "2026-11-23T06:00:00Z", "GIT_COMMITTER_DATE": "2026-11-23T06:00:00Z",
			} {
				e.Setenv(name, value)
			}
			return placed(filepath.Join(e.WorkDir, "fairlead.yml"), e.WorkDir)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"repo": repo, "until": until, "exits": exits, "lacks": lacks, "ordered": ordered, "sshd": sshd(t)},
	})
}

// placed puts the story's folder into the configuration, where it has one.
func placed(file, dir string) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "$WORK", dir)), 0o600)
}

// repo FOLDER makes a folder a repository with all its files committed, or
// commits what changed.
func repo(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
		ts.Check(ts.Exec("git", "init", "-q", "-b", "main", dir))
	}
	ts.Check(ts.Exec("git", "-C", dir, "add", "."))
	ts.Check(ts.Exec("git", "-C", dir, "commit", "-q", "-m", "Sell more"))
}

// until TEXT COMMAND… runs a command again and again until its output has the
// text.
func until(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), 20*time.Second, errors.New("it never did"))
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		cmd := exec.CommandContext(ctx, args[1], args[2:]...)
		cmd.Dir = ts.MkAbs(".")
		cmd.Env = append(os.Environ(), "SUDO_USER=ana")
		said, _ := cmd.CombinedOutput()
		if strings.Contains(string(said), args[0]) {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%q says %q, and never %q", args[1:], said, args[0])
		case <-tick.C:
		}
	}
}

// exits STATUS COMMAND… runs a command that must end with a status.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("%q ends with %d, want %s", args[1:], got, args[0])
	}
}

// sshd FILE runs an SSH server that knows nobody, puts its port in the place of
// SSHD in a file, and in $SSHD.
func sshd(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		port := strconv.Itoa(sshtest.Start(t, sshtest.Options{}).Port)
		file := ts.MkAbs(args[0])
		text, err := os.ReadFile(file)
		ts.Check(err)
		ts.Check(os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "SSHD", port)), 0o600))
		ts.Check(os.MkdirAll(ts.MkAbs(ts.Getenv("HOME")+"/.ssh"), 0o700))
		ts.Setenv("SSHD", port)
	}
}

// ordered makes $RELEASE what the last command's JSON says comes of an order.
func ordered(ts *testscript.TestScript, _ bool, _ []string) {
	var answer struct{ Release string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &answer))
	if answer.Release == "" {
		ts.Fatalf("it names no release")
	}
	ts.Setenv("RELEASE", answer.Release)
}

// lacks TEXT FOLDER fails when a file in the folder, or what the last command
// said, holds the text.
func lacks(ts *testscript.TestScript, _ bool, args []string) {
	if strings.Contains(ts.ReadFile("stdout")+ts.ReadFile("stderr"), args[0]) {
		ts.Fatalf("it says %q", args[0])
	}
	out, err := exec.Command("grep", "-rl", "--", args[0], ts.MkAbs(args[1])).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		return
	}
	ts.Check(err)
	ts.Fatalf("%q is in %s", args[0], out)
}
