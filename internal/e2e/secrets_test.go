package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

func TestSecretsReachTheContainerAndNothingElse(t *testing.T) {
	t.Parallel()
	s := begin(t, "secret")
	s.image("v1", nil)
	values := map[string]string{ // one per place
		"FROM_FILE": actor.NewSecret(), "FROM_ENV": actor.Canary(), "FROM_REPO": actor.NewSecret(), "RENAMED": actor.NewSecret(),
		"PASSWORD": "hunter2-of-sops", // in a file that sops encrypted for an age key
	}
	const sealed = "../../internal/secret/sealed/testdata/"
	encrypted, err := os.ReadFile(sealed + "sealed.yaml")
	s.do(err)
	key, err := os.ReadFile(sealed + "age.key")
	s.do(err)
	s.write("age.key", string(key))
	s.write("secrets", "REGISTRY_PASSWORD="+registryPassword+"\nFROM_FILE="+values["FROM_FILE"]+"\nOTHER_NAME="+values["RENAMED"]+"\n")
	s.settings["secrets"] = "{ file: " + s.path("secrets") + ", env_prefix: SHOP_, age: { file: " + s.path("age.key") + " } }"
	s.operator["log"] = "{ level: debug }"
	s.daemon.Env = []string{"SHOP_FROM_ENV=" + values["FROM_ENV"]}
	s.start()
	file := s.file("v1").with("env", "{ clear: { PLAIN: shown }, secret: [FROM_FILE, FROM_ENV, FROM_REPO, RENAMED:OTHER_NAME, PASSWORD] }")
	s.ends(s.pushFiles(map[string]string{
		"config/deploy.yml": file.String(), ".kamal/secrets": "FROM_REPO=" + values["FROM_REPO"] + "\n", ".kamal/secrets-common.yaml": string(encrypted),
	}), release.Succeeded)
	for _, h := range s.hosts {
		for name, want := range values {
			if got := s.ask(h, "/env?name="+name); got != want {
				t.Errorf("%s on %s is %q, want %q", name, h.Name, got, want)
			}
		}
	}
	// A changed secret rolls with the next commit and shows as a change of its
	// variable, without its value.
	s.do(s.daemon.Stop())
	newer := actor.NewSecret()
	values["OLD"], values["FROM_FILE"], values["REGISTRY"] = values["FROM_FILE"], newer, registryPassword
	s.write("secrets", "REGISTRY_PASSWORD="+registryPassword+"\nFROM_FILE="+newer+"\nOTHER_NAME="+values["RENAMED"]+"\n")
	sha := s.push(file.with("labels", "{ change: it }"))
	s.start()
	ev := s.ends(sha, release.Succeeded)
	for _, h := range s.hosts {
		if got := s.ask(h, "/env?name=FROM_FILE"); got != newer {
			t.Errorf("%s still has the old secret", h.Name)
		}
	}
	if !strings.Contains(fmt.Sprint(ev.Release.Changes), "env.FROM_FILE") {
		t.Errorf("the changes are %+v", ev.Release.Changes)
	}
	s.sees(values)
}

// sees fails the test where a secret is, in any of eight encodings, in something
// that is kept or shown: files, log, argv, answers, messages, and on the servers
// commands, processes, audit files, locks and labels.
func (s *scenario) sees(values map[string]string) {
	s.Helper()
	s.tidy(values)
	leaks := s.leaks(values)
	argv, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.daemon.Pid()))
	s.do(err)
	leaks("argv", argv)
	for _, verb := range [][]string{{"status"}, {"history"}, {"explain", s.service}, {"plan", s.service}} {
		answer, err := exec.CommandContext(s.Context(), shared.program, append(verb, "--json", "--config", s.path("fairlead.yml"))...).CombinedOutput()
		if err != nil && verb[0] != "plan" { // whose status tells of changes
			s.Errorf("fairlead %s: %v: %s", verb[0], err, answer)
		}
		leaks("the answer of "+verb[0], answer)
	}
	for _, h := range s.hosts {
		found, err := actor.Kept(s.Context(), h.Name, h, values)
		s.do(err)
		for _, leak := range found {
			s.Error(leak)
		}
	}
}

// leaks makes what fails the test where a text holds one of the secrets.
func (s *scenario) leaks(values map[string]string) func(where string, text []byte) {
	return func(where string, text []byte) {
		s.Helper()
		for _, leak := range actor.Leaks(text, values) {
			s.Errorf("%s: %s", where, leak)
		}
	}
}

// tidy looks for secrets in what a daemon leaves behind: its data folder, with
// the database, its log and its messages.
func (s *scenario) tidy(values map[string]string) {
	s.Helper()
	found, err := actor.Left(s.path("data"), s.daemon.Log, s.inbox, values)
	if err != nil {
		s.Error(err)
	}
	for _, leak := range found {
		s.Error(leak)
	}
}

// known are the secrets that the scenario's daemon was given: those of its file,
// the registry's, and the one that signs messages.
func (s *scenario) known() map[string]string {
	s.Helper()
	signs, err := os.ReadFile(s.path("hook-secret"))
	s.do(err)
	all := map[string]string{"the registry's password": registryPassword, "the messages' key": string(signs)}
	text, err := os.ReadFile(s.path("secrets"))
	s.do(err)
	values, err := secret.ParseDotenv(context.Background(), "secrets", string(text))
	s.do(err)
	for name, value := range values {
		if plain := value.Reveal(); len(plain) >= 12 { // words are elsewhere, too
			all[name] = plain
		}
	}
	return all
}

func TestADestinationIsALaneOfItsOwnAndTagsChooseVariables(t *testing.T) {
	t.Parallel()
	s := begin(t, "place")
	s.image("v1", nil)
	s.settings["destination"] = "production"
	s.start()
	base := s.file("v1").
		with("servers", "{ web: ["+s.hosts[0].Addr+", { "+s.hosts[1].Addr+": [eu] }] }").
		with("env", "{ clear: { REGION: none, STAGE: base }, tags: { eu: { REGION: eu-west-1 } } }")
	sha := s.pushFiles(map[string]string{
		"config/deploy.yml":            base.String(),
		"config/deploy.production.yml": "env: { clear: { STAGE: production } }\n",
		"config/deploy.staging.yml":    "env: { clear: { STAGE: staging } }\n",
	})
	ev := s.ends(sha, release.Succeeded)
	if ev.Lane != (release.Lane{Service: s.service, Destination: "production"}) {
		t.Errorf("the lane is %v", ev.Lane)
	}
	name := s.service + "-web-production-v1"
	s.runs(name)
	for i, region := range []string{"none", "eu-west-1"} {
		h := s.hosts[i]
		if got := s.ask(h, "/env?name=REGION"); got != region {
			t.Errorf("REGION on %s is %q, want %q", h.Name, got, region)
		}
		if got := s.ask(h, "/env?name=STAGE"); got != "production" {
			t.Errorf("STAGE on %s is %q", h.Name, got)
		}
		c := s.one(h, name)
		if got, _ := c.env("KAMAL_DESTINATION"); got != "production" || c.Config.Labels["destination"] != "production" {
			t.Errorf("%s has KAMAL_DESTINATION=%s and the labels %v", name, got, c.Config.Labels)
		}
		_, err := h.Docker(t.Context(), "image", "inspect", shared.fleet.Registry+"/"+s.service+":latest-production")
		s.do(err)
	}
}

func TestTwoServicesShareAProxyAndDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	one, two := begin(t, "uno"), begin(t, "due")
	one.image("v1", nil)
	two.image("v1", nil)
	two.image("v2", nil)
	one.start()
	two.start()
	first := one.push(one.file("v1"))
	second := two.push(two.file("v1"))
	one.ends(first, release.Succeeded)
	two.ends(second, release.Succeeded)
	leave := one.visitors()
	picture := one.picture()
	two.ends(two.push(two.file("v2")), release.Succeeded)
	leave()
	one.answers("v1")
	two.answers("v2")
	if now := one.picture(); now != picture {
		t.Errorf("it was\n%s\nand is\n%s", picture, now)
	}
}
