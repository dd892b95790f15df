package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// playedByNobody makes the test binary the demo.
const playedByNobody = "FAIRLEAD_DEMO_BY_NOBODY"

// TestWhoMayInstallNothingIsToldInOneSentenceWhatToInstall runs the demo as a
// user without rights on a machine without Docker.
func TestWhoMayInstallNothingIsToldInOneSentenceWhatToInstall(t *testing.T) {
	if os.Getenv(playedByNobody) != "" {
		if err := run(t.Context(), io.Discard, true); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		return
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	here := filepath.Join(dir, "demo") // the folder of the test binary is not for everybody
	if err := os.WriteFile(here, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	for _, path := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(tmp, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), here, "-test.run", "^"+t.Name()+"$")
	cmd.Dir, cmd.Env = dir, []string{playedByNobody + "=1", "PATH=/nowhere", "TMPDIR=" + tmp}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	said := strings.TrimSpace(string(out))
	const want = `step 1, "Look whether this machine can play servers": the demo needs Docker: install it (sudo apt-get install docker.io) and run the demo with sudo`
	if err == nil || said != want {
		t.Errorf("it ends with %v and says\n%s\nwant\n%s", err, said, want)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
