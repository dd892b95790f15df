package hook

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
)

// Each place has a word of its own in fairlead.yml: one that is not there must
// not end up on Fairlead's machine.
func TestAHookBesideReleasesRunsNowhereElseThanWhereItSays(t *testing.T) {
	for place, runs := range map[hooks.Place]bool{hooks.OnDaemon: true, hooks.OnBuilder: false, hooks.InContainer: false} {
		proof := filepath.Join(t.TempDir(), "ran")
		b := Beside{
			Deploy: &spec.Deploy{Hooks: []hooks.Hook{{Name: hooks.PreProxyReboot, Run: place, Commands: []string{"touch " + proof}}}},
			Files:  fstest.MapFS{}, Unique: func() string { return t.Name() + string(place) },
			Tell: func(string, string) error { return nil },
		}
		err := b.Run(t.Context(), hooks.PreProxyReboot, []string{"web1"})
		if _, missing := os.Stat(proof); (missing == nil) != runs {
			t.Errorf("run: %s: ran here: %v, want %v (%v)", place, missing == nil, runs, err)
		}
		if told := err != nil && strings.Contains(err.Error(), "run hook pre-proxy-reboot: "); told == runs {
			t.Errorf("run: %s: %v", place, err)
		}
	}
}
