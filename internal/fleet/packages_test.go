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
	const install = "install -y --no-install-recommends "
	for client, want := range map[string]string{
		"docker.io":  install + "docker.io\nupdate\n" + install + "docker.io",
		"docker-cli": install + "docker.io\nupdate\n" + install + "docker.io\n" + install + "docker-cli",
	} {
		t.Run("its client is in "+client, func(t *testing.T) {
			dir := t.TempDir()
			script := "#!/bin/sh\necho \"$@\" >>" + dir + "/asked\ncase \"$*\" in\nupdate) >" + dir + "/lists ;;\n*\" " + client + "\") [ -e " + dir + "/lists ] && >" +
				dir + "/docker && /bin/chmod +x " + dir + "/docker ;;\n*) [ -e " + dir + "/lists ] ;;\nesac\n"
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
			if got := strings.TrimSpace(string(asked)); err != nil || got != want {
				t.Errorf("apt-get was asked\n%s (%v)\nwant\n%s", got, err, want)
			}
		})
	}
}
