package fleet_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
)

// TestOnlyDockerIsInstalledAndAFreshMachinesListsAreFetched has an apt-get that
// knows no package before its lists are updated, as on a new machine.
func TestOnlyDockerIsInstalledAndAFreshMachinesListsAreFetched(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\necho \"$@\" >>" + dir + "/asked\ncase $1 in\nupdate) >" + dir + "/lists ;;\n*) [ -e " + dir + "/lists ] && >" + dir + "/docker && /bin/chmod +x " + dir + "/docker ;;\nesac\n"
	if err := os.WriteFile(filepath.Join(dir, "apt-get"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/usr/bin/env", filepath.Join(dir, "env")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for _, want := range []bool{true, false} {
		if installed, err := fleet.InstallDocker(t.Context()); err != nil || installed != want {
			t.Fatalf("installed: %t, want %t; %v", installed, want, err)
		}
	}
	asked, err := os.ReadFile(filepath.Join(dir, "asked"))
	if err != nil {
		t.Fatal(err)
	}
	const install = "install -y --no-install-recommends docker.io"
	if got, want := strings.TrimSpace(string(asked)), install+"\nupdate\n"+install; got != want {
		t.Errorf("apt-get was asked\n%s\nwant\n%s", got, want)
	}
}
