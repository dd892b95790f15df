package start

import (
	"os"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

// FuzzDetect holds that whatever a checkout holds, what is written for it loads.
func FuzzDetect(f *testing.F) {
	f.Add(origin("git@github.com:acme/shop.git"), "EXPOSE 3000", "web: x -p 4000", `{"scripts":{"start":"x"}}`, "gem 'rails'")
	f.Add(origin("https://gitlab.com/a/b/-/c..d/"), "EXPOSE 0", "web: -p 99999", "{", "")
	f.Add("[remote \"origin\"]\nurl = ssh://x@h:22/%00/../..", "", "", "", "")
	f.Fuzz(func(t *testing.T, git, dockerfile, procfile, npm, gemfile string) {
		dir := checkout(t, "app", map[string]string{".git/config": git, "Dockerfile": dockerfile, "Procfile": procfile, "package.json": npm, "Gemfile": gemfile})
		p := Detect(dir)
		if _, err := Write(dir, p); err != nil {
			t.Fatal(err)
		}
		if _, _, err := spec.Load(os.DirFS(dir), spec.Options{}); err != nil {
			t.Fatalf("%+v: %v", p, err)
		}
	})
}
