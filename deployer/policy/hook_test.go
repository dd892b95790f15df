package policy_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/deployer/policy"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

func TestHooksRunOnlyWhereTheOperatorLetsThem(t *testing.T) {
	at := func(allow string) string {
		return " (to allow it, write `allow: [" + allow + "]` at the repository in fairlead.yml)"
	}
	const here, remote = "builder: {arch: amd64}\n", "builder: {arch: amd64, remote: ssh://builder}\n"
	cases := map[string]struct {
		text  string
		file  string
		allow []string
		want  []string
	}{
		"none":                              {text: "", want: nil},
		"written":                           {text: "hooks: {pre-deploy: [a], post-deploy: [b]}", want: []string{"config/deploy.yml:4:21: hooks.pre-deploy: running hooks is not allowed" + at("hooks"), "config/deploy.yml:4:39: hooks.post-deploy: running hooks is not allowed" + at("hooks")}},
		"a file":                            {file: "pre-deploy", want: []string{".kamal/hooks/pre-deploy:1:1: hook pre-deploy: running hooks is not allowed" + at("hooks")}},
		"a file that no rollout runs":       {file: "docker-setup", want: nil},
		"allowed":                           {text: "hooks: {pre-deploy: [a]}", file: "post-deploy", allow: []string{"hooks"}, want: nil},
		"on the daemon":                     {text: "hooks: {pre-deploy: {run: daemon, commands: [a]}}", allow: []string{"hooks"}, want: []string{"config/deploy.yml:4:21: hooks.pre-deploy: a hook on Fairlead's machine is not allowed" + at("commands, hooks")}},
		"a file on the daemon":              {text: "x-fairlead: {hooks: {pre-deploy: {run: daemon}}}", file: "pre-deploy", allow: []string{"hooks"}, want: []string{".kamal/hooks/pre-deploy:1:1: hook pre-deploy: a hook on Fairlead's machine is not allowed" + at("commands, hooks")}},
		"on the daemon, allowed":            {text: "hooks: {pre-deploy: {run: daemon, commands: [a]}}", allow: []string{"hooks", "commands"}, want: nil},
		"on the daemon as x-fairlead says":  {text: "hooks: {pre-deploy: [a]}\nx-fairlead: {hooks: {pre-deploy: {run: daemon}}}", allow: []string{"hooks"}, want: []string{"config/deploy.yml:4:21: hooks.pre-deploy: a hook on Fairlead's machine is not allowed" + at("commands, hooks")}},
		"on a server":                       {text: "hooks: {pre-deploy: {run: host, commands: [a]}}", allow: []string{"commands", "hooks"}, want: []string{"config/deploy.yml:4:21: hooks.pre-deploy: a hook on a server itself is not allowed" + at("commands, hooks, servers")}},
		"on a server, allowed":              {text: "hooks: {pre-deploy: {run: host, commands: [a]}}", allow: []string{"hooks", "servers"}, want: nil},
		"on no builder":                     {text: "hooks: {pre-deploy: {run: builder, commands: [a]}}", allow: []string{"hooks", "servers", "commands"}, want: []string{"config/deploy.yml:4:21: hooks.pre-deploy: there is no builder (write `builder:`, or `run: daemon`, for pre-deploy)"}},
		"on a remote builder":               {text: remote + "hooks: {pre-deploy: {run: builder, commands: [a]}}", allow: []string{"commands", "hooks"}, want: []string{"config/deploy.yml:5:21: hooks.pre-deploy: a hook on a server itself is not allowed" + at("commands, hooks, servers")}},
		"on a builder that is the daemon's": {text: here + "hooks: {pre-deploy: {run: builder, commands: [a]}}", allow: []string{"hooks", "servers"}, want: []string{"config/deploy.yml:5:21: hooks.pre-deploy: a hook on Fairlead's machine is not allowed" + at("commands, hooks, servers")}},
		"of a build that nobody does":       {text: "hooks: {pre-build: [docker system prune -f]}", allow: []string{"build"}, want: nil},
		"of a build that CI does":           {text: here + "hooks: {pre-build: [docker system prune -f]}", want: nil},
		"of a build": {text: remote + "hooks: {pre-build: [docker system prune -f]}", file: "pre-build", allow: []string{"build"}, want: []string{
			"config/deploy.yml:5:20: hooks.pre-build: running hooks is not allowed" + at("build, hooks"), "config/deploy.yml:5:20: hooks.pre-build: a hook on a server itself is not allowed" + at("build, servers"),
			".kamal/hooks/pre-build:1:1: hook pre-build: running hooks is not allowed" + at("build, hooks"), ".kamal/hooks/pre-build:1:1: hook pre-build: a hook on Fairlead's machine is not allowed" + at("build, commands"),
		}},
		"of a build, allowed":     {text: remote + "hooks: {pre-build: [docker system prune -f]}", allow: []string{"build", "hooks", "servers"}, want: nil},
		"of a build, in no image": {text: here + "hooks: {pre-build: {run: container, commands: [a]}}", allow: []string{"build", "commands", "hooks"}, want: []string{"there is no container of a version when pre-build runs (write `run: daemon`, or `run: builder`)"}},
		"of a build, on servers":  {text: here + "hooks: {pre-build: {run: host, commands: [a]}}", allow: []string{"build", "servers", "hooks"}, want: []string{"no server is in question while an image is built (write `run: builder`, or `run: daemon`)"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{"config/deploy.yml": {Data: []byte("service: shop\nimage: acme/shop\nservers: [a]\n" + c.text + "\n")}}
			if c.file != "" {
				files[".kamal/hooks/"+c.file] = &fstest.MapFile{Data: []byte("#!/bin/sh\n")}
			}
			d, _, err := spec.Load(files, spec.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, mode := range []policy.Mode{policy.Kamal, policy.Strict} {
				said := ""
				if err := policy.Check(d, policy.Policy{Mode: mode, Allow: c.allow}); err != nil {
					said = err.Error()
				}
				if n := strings.Count(said, ".yml:") + strings.Count(said, "hooks/"); (n == 0) != (len(c.want) == 0) {
					t.Errorf("%s: %s", mode, said)
				}
				for _, want := range c.want {
					if !strings.Contains(said, want) {
						t.Errorf("%s: %q is not in\n%s", mode, want, said)
					}
				}
			}
		})
	}
}

func TestHooksOfAPersonsVerbsAreJudgedWhenTheyCome(t *testing.T) {
	files := fstest.MapFS{
		"config/deploy.yml":             {Data: []byte("service: shop\nimage: acme/shop\nservers: [a]\nhooks: {docker-setup: {run: host, commands: [a]}, pre-proxy-reboot: {run: container, commands: [a]}}\n")},
		".kamal/hooks/pre-proxy-reboot": {Data: []byte("#!/bin/sh\n")},
	}
	d, _, err := spec.Load(files, spec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	all := policy.Policy{Allow: []string{"commands", "hooks", "servers"}}
	if err := policy.Check(d, policy.Policy{}); err != nil {
		t.Errorf("a push is refused for what it does not run: %v", err)
	}
	if err := policy.Hooks(d, all, "docker-setup"); err != nil {
		t.Errorf("allowed, and refused: %v", err)
	}
	if err := policy.Hooks(d, policy.Policy{Allow: []string{"hooks"}}, "docker-setup"); err == nil || strings.Count(err.Error(), "not allowed") != 1 {
		t.Errorf("on a server: %v", err)
	}
	if err := policy.Hooks(d, all, "pre-proxy-reboot", "post-proxy-reboot"); err == nil || !strings.Contains(err.Error(), "there is no container of a version when pre-proxy-reboot runs (write `run: daemon`, or `run: host`)") {
		t.Errorf("in a container: %v", err)
	}
}
