package hook

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

func TestACommandIsSplitIntoWordsUnlessItAsksForAShell(t *testing.T) {
	for command, want := range map[string][]string{
		"bin/rails db:migrate":            {"bin/rails", "db:migrate"},
		`bin/notify "all is well" --to=a`: {"bin/notify", "all is well", "--to=a"},
		"echo $HOME":                      {"sh", "-c", "echo $HOME"},
		"a && b":                          {"sh", "-c", "a && b"},
		"a | b > c":                       {"sh", "-c", "a | b > c"},
		"RAILS_ENV=test bin/rails":        {"sh", "-c", "RAILS_ENV=test bin/rails"},
		"set -e\nbin/one\nbin/two":        {"sh", "-c", "set -e\nbin/one\nbin/two"},
		"rm tmp/*":                        {"sh", "-c", "rm tmp/*"},
		`echo "unfinished`:                {"sh", "-c", `echo "unfinished`},
	} {
		if got := argv(command); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", command, got, want)
		}
	}
}

func load(t *testing.T, text string, files map[string]string) (*spec.Deploy, fstest.MapFS) {
	t.Helper()
	all := fstest.MapFS{"config/deploy.yml": {Data: []byte("service: shop\nimage: acme/shop:v1\nservers: [a]\n" + text)}}
	for name, content := range files {
		all[name] = &fstest.MapFile{Data: []byte(content), Mode: 0o755}
	}
	d, _, err := spec.Load(all, spec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d, all
}

func TestWhatHooksComeTo(t *testing.T) {
	d, files := load(t, `
hooks_path: ops/hooks
hooks:
  pre-build: [docker system prune -f]
  post-deploy: [bin/clear]
  pre-deploy: [bin/migrate, bin/seed]
  on-failure: {run: daemon, commands: [bin/tell]}
x-fairlead:
  hooks:
    pre-deploy: {deadline: 2h}
    post-app-boot: {run: daemon}
`, map[string]string{"ops/hooks/pre-deploy": "#!/bin/sh\n", "ops/hooks/post-app-boot": "#!/bin/sh\n", "ops/hooks/docker-setup": "x", "ops/hooks/pre-deploy.sample": "x"})
	got, err := Tasks(d, files)
	if err != nil {
		t.Fatal(err)
	}
	script := []byte("#!/bin/sh\n")
	want := []Task{
		{"pre-deploy", 1, "ops/hooks/pre-deploy", nil, script, hooks.InContainer, 2 * time.Hour},
		{"pre-deploy", 2, "bin/migrate", []string{"bin/migrate"}, nil, hooks.InContainer, 2 * time.Hour},
		{"pre-deploy", 3, "bin/seed", []string{"bin/seed"}, nil, hooks.InContainer, 2 * time.Hour},
		{"post-app-boot", 0, "ops/hooks/post-app-boot", nil, script, hooks.OnDaemon, 30 * time.Minute},
		{"post-deploy", 0, "bin/clear", []string{"bin/clear"}, nil, hooks.InContainer, 30 * time.Minute},
		{"on-failure", 0, "bin/tell", []string{"bin/tell"}, nil, hooks.OnDaemon, 5 * time.Minute},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	desired := plan.Desired{Units: []plan.Unit{{Host: "a", Primary: true}}}
	shown := []string{"pre-deploy on a: ops/hooks/pre-deploy", "pre-deploy on a: bin/migrate", "pre-deploy on a: bin/seed",
		"post-app-boot on Fairlead's machine: ops/hooks/post-app-boot", "post-deploy on a: bin/clear"}
	if got := Shown(want, desired, false); !slices.Equal(got, shown) {
		t.Errorf("a plan shows %q", got)
	}
	if got := Shown(want, desired, true); !slices.Equal(got, []string{shown[0], shown[3]}) {
		t.Errorf("that of a rollback shows %q", got)
	}
	d.HooksPath = "gone"
	if _, err := Tasks(d, files); err == nil {
		t.Error("a file that is gone is no error")
	}
}

// of is a release, for the tests of what its hooks are told.
func of() release.Release {
	return release.Release{
		ID: "20261123-061502-9c1e0aa-3f2a", Lane: release.Lane{Service: "shop", Destination: "production"}, Version: "9c1e0aa5512", Previous: "old",
		Revision: release.Revision{SHA: "9c1e0aa5512", Author: "Ana Lee <ana@example.com>"},
		Started:  time.Date(2026, 11, 23, 6, 15, 2, 0, time.UTC),
		Failure:  &release.Failure{Step: "health", Message: "said no"},
	}
}

func TestHooksHaveKamalsVariables(t *testing.T) {
	f := Facts{Release: of(), Hosts: []string{"a", "b"}, Roles: []string{"web"}, Now: of().Started.Add(90 * time.Second)}
	common := map[string]string{
		"KAMAL_RECORDED_AT": "2026-11-23T06:16:32Z", "KAMAL_PERFORMER": "ana@example.com", "KAMAL_VERSION": "9c1e0aa5512", "KAMAL_SERVICE": "shop",
		"KAMAL_SERVICE_VERSION": "shop@9c1e0aa", "KAMAL_HOSTS": "a,b", "KAMAL_COMMAND": "deploy", "KAMAL_LOCK": "true", "KAMAL_ROLES": "web",
		"KAMAL_DESTINATION": "production", "FAIRLEAD_RELEASE": string(of().ID), "FAIRLEAD_REVISION": "9c1e0aa5512", "FAIRLEAD_PREVIOUS": "old",
	}
	for hook, more := range map[string]map[string]string{
		"pre-deploy":  {"FAIRLEAD_HOOK": "pre-deploy"},
		"post-deploy": {"FAIRLEAD_HOOK": "post-deploy", "KAMAL_RUNTIME": "90"},
		"on-failure":  {"FAIRLEAD_HOOK": "on-failure", "FAIRLEAD_FAILURE": "health: said no"},
	} {
		got := f.env(Task{Hook: hook})
		for key, value := range more {
			if got[key] != value {
				t.Errorf("%s: %s is %q", hook, key, got[key])
			}
			delete(got, key)
		}
		if !reflect.DeepEqual(got, common) {
			t.Errorf("%s has %v, want %v", hook, got, common)
		}
	}
	f.Rollback, f.Roles, f.Release.Cause.Actor = true, nil, "bob"
	if got := f.env(Task{Hook: "post-deploy"}); got["KAMAL_COMMAND"] != "rollback" || got["KAMAL_PERFORMER"] != "bob" || got["KAMAL_ROLES"] != "" {
		t.Errorf("of a rollback: %v", got)
	}
}

func TestAHooksContainerIsMadeLikeTheRolesAndCannotBeTakenForIt(t *testing.T) {
	like := plan.Unit{Host: "a", Role: "web", Primary: true, Clear: map[string]bool{"COLOUR": true}, Spec: container.Spec{
		Image: "acme/shop:v1", Cmd: []string{"server"}, Env: map[string]secret.Value{"KEY": secret.New("topsecret"), "COLOUR": secret.New("red")},
		Labels: map[string]string{plan.LabelRole: "web", "traefik.enable": "true"}, Network: "kamal", NetworkAliases: []string{"shop"},
		Ports: []container.Port{{HostPort: 80}}, Restart: container.Restart{Policy: "unless-stopped"}, Hostname: "web", IP: "10.0.0.2",
		Log: container.Log{Driver: "syslog"}, Security: container.Security{ReadOnlyRootfs: true},
		Mounts: []container.Mount{{Kind: container.Volume, Source: "data", Target: "/data"}}, Resources: container.Resources{Memory: 1 << 30},
	}}
	f := Facts{Release: of()}
	s := specOf(like, f, Task{Hook: "pre-deploy", Part: 2, Argv: []string{"bin/migrate"}, Deadline: time.Minute})
	if s.Image != "acme/shop:v1" || !slices.Equal(s.Cmd, []string{"bin/migrate"}) || s.Entrypoint != nil || s.Network != "kamal" || s.Resources.Memory != 1<<30 || len(s.Mounts) != 1 {
		t.Errorf("not like the role's: %+v", s)
	}
	if s.Env["KEY"].Reveal() != "topsecret" || s.Env["KAMAL_CONTAINER_NAME"].Reveal() != "shop-hook-pre-deploy-production-20261123-061502-9c1e0aa-3f2a-2" {
		t.Errorf("environment %v", s.Env)
	}
	if len(s.Ports)+len(s.NetworkAliases) > 0 || s.Restart.Policy != "" || s.IP != "" || s.Hostname != "" || !s.Health.Disabled || s.Log.Driver != "json-file" || s.Log.Options["max-size"] != "1m" {
		t.Errorf("it could be taken for the role's: %+v", s)
	}
	if s.Labels[plan.LabelRole] != "" || s.Labels["traefik.enable"] != "" || s.Labels["fairlead.hook"] != "pre-deploy 2" || s.Labels["fairlead.hook.deadline"] != "1m0s" {
		t.Errorf("labels %v", s.Labels)
	}
	if _, changed := like.Spec.Env["KAMAL_COMMAND"]; changed {
		t.Error("the role's own environment was changed")
	}
	if s = specOf(like, f, Task{Hook: "pre-deploy", Script: []byte("x")}); !slices.Equal(s.Entrypoint, []string{"/fairlead-hook"}) || s.Cmd != nil || s.Security.ReadOnlyRootfs {
		t.Errorf("of a file: %+v", s)
	}
}

func TestHooksRunOnTheFirstHostOfThePrimaryRole(t *testing.T) {
	units := []plan.Unit{{Host: "a", Role: "worker"}, {Host: "b", Role: "web", Primary: true}, {Host: "c", Role: "web", Primary: true}}
	if u, ok := Place(plan.Desired{Units: units}); !ok || u.Host != "b" {
		t.Errorf("on %s", u.Host)
	}
	if u, ok := Place(plan.Desired{Units: units[:1]}); !ok || u.Role != "worker" {
		t.Errorf("in %s", u.Role)
	}
	if _, ok := Place(plan.Desired{}); ok {
		t.Error("in nothing")
	}
}

func TestOfTheOutputTheEndIsKept(t *testing.T) {
	lines := []string{"one", "two", "three"}
	for room, want := range map[int][]string{14: lines, 13: {"two", "three"}, 6: {"three"}, 4: {"ree"}, 0: nil} {
		if got := last(lines, room); !slices.Equal(got, want) {
			t.Errorf("in %d bytes: %q, want %q", room, got, want)
		}
	}
	r := &Run{
		Like:    plan.Unit{Clear: map[string]bool{"COLOUR": true}, Spec: container.Spec{Env: map[string]secret.Value{"KEY": secret.New("topsecret"), "COLOUR": secret.New("crimson")}}},
		Secrets: map[string]secret.Value{"OTHER": secret.New("hidden-value")},
	}
	got := r.scrubbed([]string{"key topsecret, dG9wc2VjcmV0", "hidden-value", "crimson"})
	if text := strings.Join(got, "\n"); strings.Contains(text, "topsecret") || strings.Contains(text, "dG9wc2VjcmV0") || strings.Contains(text, "hidden-value") || !strings.Contains(text, "crimson") {
		t.Errorf("%q", got)
	}
}

func TestHowAContainerEndedIsToldByItsHostsClock(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ran := func(code int, took time.Duration) container.State {
		return container.State{Status: container.Exited, ExitCode: code, StartedAt: at, FinishedAt: at.Add(took)}
	}
	oom := ran(137, time.Second)
	oom.OOMKilled = true
	task := Task{Deadline: time.Minute}
	for want, s := range map[string]container.State{
		"":                                      ran(0, time.Second),
		"ended with exit status 3":              ran(3, time.Second),
		"was killed: out of memory":             oom,
		"was stopped: it took longer than 1m0s": ran(137, time.Minute),
		"is not known to have ended well: somebody removed its container": {Status: container.Removing},
	} {
		if got := ending(task, s); got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
	if got := ending(task, ran(0, 2*time.Minute)); got == "" {
		t.Error("one that ended well, and too late, has failed")
	}
}
