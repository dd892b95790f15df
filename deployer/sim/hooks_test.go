package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
)

// TestHooksOfARepositoryAreWarnedOfAndNotRun deploys a repository that has every
// hook in both places: each would leave a mark on the daemon's machine.
func TestHooksOfARepositoryAreWarnedOfAndNotRun(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	names := []string{"docker-setup", "pre-connect", "pre-build", "pre-deploy", "pre-app-boot", "post-app-boot", "post-deploy", "pre-proxy-reboot", "post-proxy-reboot"}
	text := "service: shop\nimage: acme/shop:v1\nservers: [a]\nproxy: {host: shop.example.com, app_port: 3000}\nx-fairlead: {window: 10s}\nhooks:\n"
	files := fstest.MapFS{}
	for _, name := range names {
		files[".kamal/hooks/"+name] = &fstest.MapFile{Data: []byte("#!/bin/sh\ntouch " + mark + "\n"), Mode: 0o755}
		text += fmt.Sprintf("  %s: {run: host, commands: [touch %s]}\n", name, mark)
	}
	files["config/deploy.yml"] = &fstest.MapFile{Data: []byte(text)}
	deploy, warnings, err := spec.Load(files, spec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	for _, w := range warnings {
		said += w.String() + "\n"
	}
	for _, name := range deploy.HookFiles {
		if !strings.Contains(said, ".kamal/hooks/"+name+":1:1") {
			t.Errorf("nothing warns of the file of %s: %s", name, said)
		}
	}
	if len(deploy.HookFiles) != len(names) || len(deploy.Hooks) != len(names) || !strings.Contains(said, "config/deploy.yml:7:3: hooks: not run yet") {
		t.Errorf("%d files and %d hooks were read; the warnings: %s", len(deploy.HookFiles), len(deploy.Hooks), said)
	}
	scenario(t, []string{"a"}, func(s *daemon) {
		if err := s.d.Submit(s.t.Context(), release.Request{Revision: v("1").revision(), Cause: release.Cause{Kind: release.CausePush}}, files); err != nil {
			s.t.Fatal(err)
		}
		s.pass(calm)
		s.last(release.Succeeded)
	})
	if _, err := os.Stat(mark); err == nil {
		t.Error("a hook was run")
	}
}
