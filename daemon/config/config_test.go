package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/release"
)

var update = flag.Bool("update", false, "rewrite golden files")

func parse(t testing.TB, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("fairlead.yml", "/etc/fairlead", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refuse returns the problems of a file that has some.
func refuse(t testing.TB, text string) config.Problems {
	t.Helper()
	_, err := config.Parse("fairlead.yml", "/etc/fairlead", []byte(text))
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		t.Fatalf("%q: got %v (%T); want Problems", text, err, err)
	}
	return problems
}

func TestTheDesignsExampleIsReadAsItStands(t *testing.T) {
	c, err := config.Load("testdata/design.yml")
	if err != nil {
		t.Fatal(err)
	}
	shop := c.Repositories["shop"]
	if shop.URL != "git@github.com:acme/shop.git" || shop.Branch != "main" || shop.Poll != 30*time.Second ||
		!slices.Equal(shop.Destinations, []string{"production"}) || shop.Mode != config.ModeDeploy ||
		shop.Secrets.File != "/etc/fairlead/secrets/shop.env" || !slices.Equal(shop.Allow, []string{"hooks"}) ||
		shop.Webhook == nil || shop.Webhook.Provider != "github" || shop.Webhook.Secret.Env != "SHOP_WEBHOOK_SECRET" {
		t.Errorf("repository: %+v", shop)
	}
	if !slices.Equal(c.SSH.Keys, []string{"/etc/fairlead/id_ed25519"}) || !slices.Equal(c.SSH.KnownHosts, []string{"/etc/fairlead/known_hosts"}) {
		t.Errorf("ssh: %+v", c.SSH)
	}
	if len(c.Notify) != 2 || c.Notify[0].Slack.Token.Env != "SLACK_TOKEN" || c.Notify[0].Slack.Channel != "#deploys" ||
		c.Notify[1].Webhook.Secret.File != "/run/secrets/hook" {
		t.Errorf("notify: %+v", c.Notify)
	}
	if url, ok := c.Notify[1].Webhook.URL.Literal(); url != "https://ops.example.com/hook" || !ok {
		t.Errorf("webhook url %q, %v", url, ok)
	}
	if url, _ := c.Heartbeat.URL.Literal(); url != "https://hc.example.com/abc" || c.Heartbeat.Every != time.Minute {
		t.Errorf("heartbeat: %+v", c.Heartbeat)
	}
}

func TestTheExampleIsValidAndShowsTheDefaultsAsTheyAre(t *testing.T) {
	got, least := parse(t, config.Example()), parse(t, "repositories: { x: { url: /srv/git/x } }")
	for _, pair := range [][2]any{
		{got.Listen, least.Listen}, {got.Socket, least.Socket}, {got.DataDir, least.DataDir}, {got.Reconcile, least.Reconcile},
		{got.Log, least.Log}, {got.Repositories["shop"].Poll, least.Repositories["x"].Poll}, {got.Heartbeat.Every, config.DefaultHeartbeat},
		{got.SSH.User, config.DefaultSSHUser}, {got.SSH.Port, config.DefaultSSHPort},
	} {
		if pair[0] != pair[1] {
			t.Errorf("the example says %v; the default is %v", pair[0], pair[1])
		}
	}
	for _, word := range slices.Concat(config.AllowWords(), config.WebhookProviders()) {
		if !strings.Contains(config.Example(), word) {
			t.Errorf("the example does not mention %s", word)
		}
	}
}

// exempt are fields that the example shows in comments, as they exclude others,
// or that a channel of another kind has.
var exempt = map[string]bool{
	"Repository.Tag": true, "Auth.User": true, "Auth.Token": true, "SSH.Proxy": true, "Host.Proxy": true, "Channel.Every": true,
}

func TestTheExampleSetsEveryField(t *testing.T) {
	set := make(map[string]bool)
	collect(reflect.ValueOf(*parse(t, config.Example())), set)
	for field, isSet := range set {
		if !isSet && !exempt[field] {
			t.Errorf("the example leaves %s unset", field)
		}
	}
	if len(set) < 50 {
		t.Errorf("only %d fields were looked at", len(set))
	}
}

// collect notes for each exported field below v whether any value sets it.
func collect(v reflect.Value, set map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			collect(v.Elem(), set)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			collect(v.MapIndex(key), set)
		}
	case reflect.Slice:
		for i := range v.Len() {
			collect(v.Index(i), set)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[config.Ref]() || v.Type().PkgPath() != reflect.TypeFor[config.Config]().PkgPath() {
			return
		}
		for i := range v.NumField() {
			name := v.Type().Name() + "." + v.Type().Field(i).Name
			set[name] = set[name] || !v.Field(i).IsZero()
			collect(v.Field(i), set)
		}
	}
}

func TestAllProblemsComeAtOnceWithTheirPlacesAndNoSecret(t *testing.T) {
	data, err := os.ReadFile("testdata/bad.yml")
	if err != nil {
		t.Fatal(err)
	}
	got := refuse(t, string(data)).Error() + "\n"
	if strings.Contains(got, "canary-x") || strings.Contains(got, "bot:canary") || strings.Contains(got, "A=canary") {
		t.Errorf("a secret is shown:\n%s", got)
	}
	golden := "testdata/bad.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFilesThatAreNoConfigurationSayWhereAndWhy(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "fairlead.yml:1: the file is empty; begin with `fairlead repo add URL`",
		"# nothing":                   "fairlead.yml:1: the file is empty; begin with `fairlead repo add URL`",
		"- a":                         "fairlead.yml:1:1: write keys and values here, not a list",
		"repositories:\n\t- x":        "fairlead.yml:2: this is no YAML",
		"ssh: {}\n---\nssh: {}":       "the file has more than one document",
		"ssh: &a {}\nhosts: *b":       "this is no YAML: unknown anchor 'b' referenced",
		"x-a: &a {}\nssh: { <<: *a }": `fairlead.yml:2:8: ssh."<<": merge keys are not understood; write the keys out`,
		"listen: none\nlisten: none":  "fairlead.yml:2:1: listen: repeated key, first at line 1; remove one of them",
		"listen: \"a\\nb\"":           "it has a control character",
		"? [a]\n: b":                  "a key must be a word, not a list",
		"listen: none\nrepositories: { a: { url: /x, webhook: { provider: github, secret: { env: X } } } }": "its webhook cannot arrive",
		"socket: /" + strings.Repeat("s", 107): "longer than the 103 bytes that a socket can have",
	} {
		if got := refuse(t, text).Error(); !strings.Contains(got, want) {
			t.Errorf("%.50q: got %s; want %s", text, got, want)
		}
	}
	if got := refuse(t, strings.Repeat("#", 2<<20)).Error(); !strings.Contains(got, "longer than") {
		t.Errorf("a huge file: %s", got)
	}
}

func TestValuesAreReadAsTheyAreWritten(t *testing.T) {
	c := parse(t, `
x-keys: &keys [a, /b]
repositories:
  one: { url: "https://github.com/acme/one.git", branch: "1.10", poll: never, destinations: [a, b], allow: hooks }
  two: { url: deploy@host:repo.git, schedule: "@hourly", auth: { token: { env: T } }, secrets: { env: NO } }
ssh: { keys: *keys }
reconcile: never
listen: off
registries: { localhost:5000: { insecure: yes } }
notify:
  - { slack: { url: { env: A } }, on: [failures, succeeded, failed] }
  - { slack: { url: { env: A } } }
  - { webhook: { url: { env: A } }, on: every }
`)
	one, two := c.Repositories["one"], c.Repositories["two"]
	if one.Branch != "1.10" || one.Poll >= 0 || !slices.Equal(one.Destinations, []string{"a", "b"}) || !slices.Equal(one.Allow, []string{"hooks"}) || one.Mode != config.ModeUnset {
		t.Errorf("one: %+v", one)
	}
	if two.Poll != 0 || two.Timezone != time.UTC || !slices.Equal(two.Secrets.Env, []string{"NO"}) {
		t.Errorf("two: %+v", two)
	}
	if !slices.Equal(c.SSH.Keys, []string{"/etc/fairlead/a", "/b"}) || c.Reconcile >= 0 || c.Listen != "" || !c.Registries["localhost:5000"].Insecure {
		t.Errorf("got %+v", c)
	}
	if n := c.Notify[0]; !slices.Equal(n.On, []release.Status{release.Failed, release.NeedsHuman, release.RolledBack, release.Succeeded}) || n.Alerts || n.Name != "slack" {
		t.Errorf("first channel: %+v", n)
	}
	if n := c.Notify[1]; n.On != nil || !n.Alerts || n.Name != "slack 2" {
		t.Errorf("second channel: %+v", n)
	}
	if n := c.Notify[2]; !n.Every || n.Alerts {
		t.Errorf("third channel: %+v", n)
	}
}

func TestAReferenceIsReadWhenItIsNeededAndSaysWhereItLooked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(file, []byte("from file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FAIRLEAD_TEST_TOKEN", "from env")
	c := parse(t, `
notify:
  - webhook: { url: "https://x/literal", secret: { file: `+file+` } }
  - webhook: { url: { env: FAIRLEAD_TEST_TOKEN }, secret: { env: FAIRLEAD_TEST_UNSET } }
  - webhook: { url: { file: /nonexistent/x } }
`)
	for _, tt := range []struct {
		ref       config.Ref
		want, err string
	}{
		{c.Notify[0].Webhook.URL, "https://x/literal", ""},
		{c.Notify[0].Webhook.Secret, "from file", ""},
		{c.Notify[1].Webhook.URL, "from env", ""},
		{c.Notify[1].Webhook.Secret, "", "read notify[1].webhook.secret: the environment variable FAIRLEAD_TEST_UNSET is not set"},
		{c.Notify[2].Webhook.URL, "", "read notify[2].webhook.url: open /nonexistent/x"},
		{config.Ref{}, "", ""},
	} {
		v, err := tt.ref.Resolve()
		if v.Reveal() != tt.want || (err == nil) != (tt.err == "") || (err != nil && !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("got %q, %v; want %q, %q", v.Reveal(), err, tt.want, tt.err)
		}
	}
}

// FuzzParse: no bytes make it panic, and what is refused has a reason in one
// line each.
func FuzzParse(f *testing.F) {
	f.Add(config.Example())
	for _, name := range []string{"testdata/design.yml", "testdata/bad.yml"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add("a: &a [*a, *a]\nrepositories: *a\nnotify: *a")
	f.Add("repositories: &r\n  a: *r\nlisten: 0x1F\nssh: !!binary aGk=")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse("f", "/d", []byte(text))
		if (c == nil) == (err == nil) {
			t.Fatalf("got %v and %v", c, err)
		}
		problems, _ := errors.AsType[config.Problems](err)
		for _, p := range problems {
			if p.Message == "" || strings.ContainsAny(p.Error(), "\n\r") {
				t.Fatalf("problem %q", p.Error())
			}
		}
	})
}

func TestARepositoryHasItsOwnPolicyOrThatOfAll(t *testing.T) {
	c := parse(t, `
repositories:
  own: { url: /srv/git/a, policy: { mode: strict, mounts: [/srv/a/, /srv/b], options: memory, registries: [ghcr.io/acme, "localhost:5000", docker.io] } }
  word: { url: /srv/git/b, policy: kamal }
  none: { url: /srv/git/c }
policy: { mode: strict, mounts: /srv/all }
`)
	for name, want := range map[string]config.Policy{
		"own": {Mode: config.PolicyStrict, Mounts: []string{"/srv/a", "/srv/b"}, Options: []string{"memory"},
			Registries: []string{"ghcr.io/acme", "localhost:5000", "docker.io"}},
		"word": {Mode: config.PolicyKamal},
		"none": {Mode: config.PolicyStrict, Mounts: []string{"/srv/all"}},
	} {
		if got := c.Repositories[name].Policy; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v; want %+v", name, got, want)
		}
	}
	if got := parse(t, "repositories: { x: { url: /srv/git/x } }").Repositories["x"].Policy; got.Mode != config.PolicyKamal {
		t.Errorf("without a word: %+v", got)
	}
}

func TestEachDeployFileOfARepositoryIsAProjectOfItsOwn(t *testing.T) {
	c := parse(t, `repositories:
  mono:
    url: /srv/git/mono
    destinations: [staging, production]
    deploy:
      - services/web/config/deploy.yml
      - { file: services/api/deploy.yml, paths: [services/api/, "libs/*"] }
      - config/deploy.jobs.yml
      - deploy.yml
  shop: { url: /srv/git/shop, config_file: ops/deploy.yml }
`)
	type project struct{ watched, folder, file, paths string }
	want := map[string]project{
		"mono:services-web": {"mono", "services/web", "config/deploy.yml", ""},
		"mono:services-api": {"mono", "services/api", "deploy.yml", "services/api libs/*"},
		"mono:deploy.jobs":  {"mono", "", "config/deploy.jobs.yml", ""},
		"mono:deploy":       {"mono", "", "deploy.yml", ""},
		"shop":              {"shop", "", "ops/deploy.yml", ""},
	}
	got := map[string]project{}
	for name, r := range c.Repositories {
		got[name] = project{r.Watched, r.Folder, r.ConfigFile, strings.Join(r.Paths, " ")}
		if r.Watched == "mono" && (len(r.Destinations) != 2 || r.URL != "/srv/git/mono" || r.Policy.Mode != config.PolicyKamal) {
			t.Errorf("%s lacks what the repository says: %+v", name, r)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
	if all := c.Of("mono"); len(all) != 4 {
		t.Errorf("of mono there are %q", all)
	}
}

func TestDeployFilesThatCannotBeToldApartAreRefused(t *testing.T) {
	for text, says := range map[string]string{
		"deploy: [a/b/deploy.yml, a-b/deploy.yml]":               "it would be called mono:a-b, as a/b/deploy.yml is",
		"deploy: [a/deploy.yml], config_file: deploy.yml":        "config_file",
		"deploy: [../deploy.yml]":                                "is no path in a repository",
		"deploy: [{ paths: [a] }]":                               "file is missing",
		"deploy: [{ file: a/deploy.yml, paths: [\"[a\"] }]":      "is no glob",
		"deploy: [{ file: a/deploy.yml, paths: [/etc], to: 1 }]": "unknown key",
	} {
		_, err := config.Parse("fairlead.yml", "/etc/fairlead", []byte("repositories: { mono: { url: /srv/git/mono, "+text+" } }"))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", text, err, says)
		}
	}
}
