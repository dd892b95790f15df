package glob_test

import (
	"testing"

	"github.com/fairlead-deploy/fairlead/watcher/mirror/glob"
)

func TestGlobsMeanWhatPeopleMean(t *testing.T) {
	w, err := glob.New([]string{"config/deploy*.yml", ".kamal/**", "docker", "**/*.rb", "/abs.yml"})
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]bool{
		"config/deploy.yml": true, "config/deploy.a.yml": true, "config/x/deploy.yml": false, "deploy.yml": false,
		".kamal/hooks/x": true, ".kamal": true, "docker/a/b": true, "dockerfile": false, "a/b/c.rb": true, "c.rb": true, "abs.yml": true,
	} {
		if got := w.File(at); got != want {
			t.Errorf("file %s: %v", at, got)
		}
	}
	only, err := glob.New([]string{"config/deploy*.yml", ".kamal/**"})
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]bool{"config": true, "config/x": false, "app": false, ".kamal": true, ".kamal/a/b": true} {
		if got := only.Folder(at); got != want {
			t.Errorf("folder %s: %v", at, got)
		}
	}
	for _, bad := range []string{"../x", "..", "[", "a/../../b"} {
		if _, err := glob.New([]string{bad}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
