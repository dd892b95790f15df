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
	const place = " (write `run: container`, or `run: daemon`)"
	cases := map[string]struct {
		text  string
		file  string
		allow []string
		want  []string
	}{
		"none":                             {text: "", want: nil},
		"written":                          {text: "hooks: {pre-deploy: [a], post-deploy: [b]}", want: []string{"config/deploy.yml:4:21: hooks.pre-deploy: running hooks is not allowed" + at("hooks"), "config/deploy.yml:4:39: hooks.post-deploy: running hooks is not allowed" + at("hooks")}},
		"a file":                           {file: "pre-deploy", want: []string{".kamal/hooks/pre-deploy:1:1: hook pre-deploy: running hooks is not allowed" + at("hooks")}},
		"a file that no rollout runs":      {file: "docker-setup", want: nil},
		"allowed":                          {text: "hooks: {pre-deploy: [a]}", file: "post-deploy", allow: []string{"hooks"}, want: nil},
		"on the daemon":                    {text: "hooks: {pre-deploy: {run: daemon, commands: [a]}}", allow: []string{"hooks"}, want: []string{"config/deploy.yml:4:21: hooks.pre-deploy: a hook on Fairlead's machine is not allowed" + at("commands, hooks")}},
		"a file on the daemon":             {text: "x-fairlead: {hooks: {pre-deploy: {run: daemon}}}", file: "pre-deploy", allow: []string{"hooks"}, want: []string{".kamal/hooks/pre-deploy:1:1: hook pre-deploy: a hook on Fairlead's machine is not allowed" + at("commands, hooks")}},
		"on the daemon, allowed":           {text: "hooks: {pre-deploy: {run: daemon, commands: [a]}}", allow: []string{"hooks", "commands"}, want: nil},
		"on the daemon as x-fairlead says": {text: "hooks: {pre-deploy: [a]}\nx-fairlead: {hooks: {pre-deploy: {run: daemon}}}", allow: []string{"hooks"}, want: []string{"config/deploy.yml:4:21: hooks.pre-deploy: a hook on Fairlead's machine is not allowed" + at("commands, hooks")}},
		"on a server":                      {text: "hooks: {pre-deploy: {run: host, commands: [a]}}", allow: []string{"hooks"}, want: []string{"config/deploy.yml:4:21: hooks.pre-deploy: hooks do not run on the servers themselves" + place}},
		"on a builder":                     {text: "hooks: {pre-deploy: {run: builder, commands: [a]}}", allow: []string{"hooks"}, want: []string{"config/deploy.yml:4:21: hooks.pre-deploy: there is no builder while pre-deploy runs" + place}},
		"of a build":                       {text: "hooks: {pre-build: [docker system prune -f]}", want: nil},
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
