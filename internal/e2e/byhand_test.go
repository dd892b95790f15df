package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

// typing runs a command against the daemon with something on its standard
// input; on a terminal, where that is wanted.
func (s *scenario) typing(terminal bool, input string, args ...string) (out string, status int) {
	s.Helper()
	ctx, cancel := context.WithTimeoutCause(s.Context(), patience, fmt.Errorf("no end within %s", patience))
	defer cancel()
	argv := append([]string{shared.program}, append(args, "--config", s.daemon.Conf)...)
	if terminal {
		argv = []string{"script", "-qefc", "'" + strings.Join(argv, "' '") + "'", "/dev/null"}
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Stdin = append(os.Environ(), "SUDO_USER=ana", "TERM=xterm"), strings.NewReader(input)
	text, _ := cmd.CombinedOutput()
	return string(text), cmd.ProcessState.ExitCode()
}

func TestAPersonTypesIntoContainersInstallsDockerAndTakesAServiceAway(t *testing.T) {
	t.Parallel()
	s := begin(t, "typed")
	s.onNewHost()
	s.image("v1", nil)
	s.start()
	s.ends(s.push(s.file("v1")), release.Succeeded)

	for _, one := range []struct {
		terminal bool
		args     []string
	}{
		{false, []string{"app", "exec", "-i", "--reuse", "/app typed"}},
		{false, []string{"app", "exec", "-i", "typed"}},
		{true, []string{"app", "exec", "-i", "--reuse", "/app typed"}},
		{true, []string{"app", "exec", "-i", "typed"}},
	} {
		out, status := s.typing(one.terminal, "hello\nbye\n", one.args...)
		for _, want := range []string{fmt.Sprintf("terminal: %t", one.terminal), "typed: hello", "typed: bye"} {
			if !strings.Contains(out, want) || status != 3 {
				t.Errorf("%v, on a terminal %t, ends with %d, want 3 and %q; it says\n%s", one.args, one.terminal, status, want, out)
			}
		}
	}
	s.runs(s.web("v1")) // nothing is left of them

	// A server without Docker. Its installer is fetched by curl, which is ours
	// here: it waits for the engine that this test starts.
	h := s.hosts[0]
	s.do(h.StopEngine(t.Context()))
	s.says(1, "install Docker there", "server", "bootstrap")
	s.shell(`mkdir -p bin && echo "PATH=$HOME/bin:$PATH" > .bashrc && printf '%s\n' '#!/bin/sh' 'echo "touch /tmp/asked; echo fetched $2; until docker version >/dev/null; do sleep 0.2; done 2>/dev/null"' > bin/curl && chmod +x bin/curl`)
	done := make(chan string)
	go func() {
		out, status := s.types("server", "bootstrap", "--install-docker")
		done <- fmt.Sprintf("%d %s", status, out)
	}()
	s.until("the installer runs", func() bool { out, err := h.SSH(t.Context(), "ls /tmp/asked"); return err == nil && out != "" })
	s.do(h.StartEngine(t.Context()))
	if out := <-done; !strings.HasPrefix(out, "0 ") || !strings.Contains(out, "fetched https://get.docker.com") || !strings.Contains(out, "is ready: Docker") {
		t.Errorf("it ends with %s", out)
	}
	s.until("it serves again", func() bool { return s.status(h) == 200 })

	s.says(0, "removed", "remove", "-y")
	for line, want := range map[string]string{
		"docker ps -aq":                 "",
		"docker images -q " + s.service: "",
		"ls -a .kamal/apps .kamal/proxy/apps-config 2>/dev/null | grep -c " + s.service + " || true": "0",
		"ls -d .kamal/lock-* 2>/dev/null | wc -l":                                                    "0",
	} {
		if got := s.shell(line); got != want {
			t.Errorf("after remove, %s says %q, want %q", line, got, want)
		}
	}
	s.says(0, "", "remove", "-y")
	s.says(0, "held by ana", "status")
}
