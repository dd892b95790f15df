package spec_test

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

const smallest = "service: app\nimage: acme/app\nservers: [10.0.0.1]\n"

func TestEnvIsMergedFromRootToRoleToTags(t *testing.T) {
	d, _ := load(t, `
service: app
image: acme/app
env:
  clear: {A: root, B: root, C: root, D: root}
  secret: [S, T:ROOT_T]
  tags:
    one: {C: one, D: one}
    two: {clear: {D: two}, secret: [T:TAG_T]}
servers:
  web:
    hosts: [{h1: [one, two]}, {h2: one}, h3]
    env: {clear: {B: role}, secret: [U]}
  jobs: [h3]
`, spec.Options{})
	for _, c := range []struct{ role, host, clear, secrets string }{
		{"web", "h1", "root role one two", "S=S T=TAG_T U=U"},
		{"web", "h2", "root role one one", "S=S T=ROOT_T U=U"},
		{"web", "h3", "root role root root", "S=S T=ROOT_T U=U"},
		{"jobs", "h3", "root root root root", "S=S T=ROOT_T"},
	} {
		clear, secrets := d.EnvFor(c.role, c.host)
		var list []string
		for _, s := range secrets {
			list = append(list, s.Name+"="+s.Source)
		}
		got := strings.Join([]string{clear["A"], clear["B"], clear["C"], clear["D"]}, " ")
		if got != c.clear || strings.Join(list, " ") != c.secrets {
			t.Errorf("%s on %s: %s; %s", c.role, c.host, got, strings.Join(list, " "))
		}
	}
}

func TestAClearValueWinsOverASecretAsInKamal(t *testing.T) {
	d, w := load(t, smallest+"env: {clear: {A: x}, secret: [A, B]}\n", spec.Options{})
	clear, secrets := d.EnvFor("web", "10.0.0.1")
	if clear["A"] != "x" || len(secrets) != 1 || secrets[0].Name != "B" || len(w) != 2 || !strings.Contains(w[1].Message, "A is clear as well") {
		t.Errorf("%v %v %v", clear, secrets, w)
	}
}

func TestSecretNamesCoverEveryPartOfTheFile(t *testing.T) {
	d, _ := load(t, `
service: app
image: acme/app
registry: {username: [REG_USER], password: [REG_PASS]}
env: {secret: [E1:E2], tags: {a: {secret: [TAG]}}}
servers:
  web: {hosts: [{h1: a}], env: {secret: [ROLE]}, proxy: {host: x.example.com, ssl: {certificate_pem: CERT, private_key_pem: KEY}}}
ssh: {key_data: [SSH]}
builder: {arch: amd64, secrets: [BUILD]}
accessories:
  db: {image: x, host: h, env: {secret: [ACC]}, registry: {username: u, password: [AREG]}, proxy: {host: y.example.com, ssl: {certificate_pem: AC, private_key_pem: AK}}}
`, spec.Options{})
	want := "AC ACC AK AREG BUILD CERT E2 KEY REG_PASS REG_USER ROLE SSH TAG"
	if got := strings.Join(d.SecretNames(), " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPositionsLeadToWhereAValueIsWritten(t *testing.T) {
	fsys := repository("service: app\nimage: acme/app\nservers:\n  web:\n    - 10.0.0.1\n    - 10.0.0.2\nproxy:\n  app_port: 3000\n")
	fsys["config/deploy.eu.yml"] = &fstest.MapFile{Data: []byte("proxy:\n  host: eu.example.com\n")}
	d, _, err := spec.Load(fsys, spec.Options{Destination: "eu"})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"servers.web[1]":        "config/deploy.yml:6:7",
		"servers.web[7].x.y":    "config/deploy.yml:5:5",
		"proxy.host":            "config/deploy.eu.yml:2:9",
		"proxy.app_port":        "config/deploy.yml:8:13",
		"nowhere":               "config/deploy.yml:1:1",
		"servers.web.proxy.ssl": "config/deploy.yml:8:3",
	} {
		if got := d.Pos(path).String(); got != want {
			t.Errorf("%s is at %s, want %s", path, got, want)
		}
	}
}

func TestADestinationMergesMapsAndReplacesLists(t *testing.T) {
	fsys := repository(smallest + "require_destination: true\nenv: {clear: {A: 1, B: 1}}\nvolumes: ['a:/a', 'b:/b']\n")
	fsys["config/deploy.staging.yml"] = &fstest.MapFile{Data: []byte("servers: [10.0.7.7]\nenv: {clear: {B: 2}}\nvolumes: ['c:/c']\n")}
	d, _, err := spec.Load(fsys, spec.Options{Destination: "staging"})
	if err != nil {
		t.Fatal(err)
	}
	clear, _ := d.EnvFor("web", "10.0.7.7")
	if !reflect.DeepEqual(d.Hosts(), []string{"10.0.7.7"}) || clear["A"]+clear["B"] != "12" || !reflect.DeepEqual(d.Volumes, []string{"c:/c"}) {
		t.Errorf("%v %v %v", d.Hosts(), clear, d.Volumes)
	}
	if d.File != "config/deploy.yml" || d.DestinationFile != "config/deploy.staging.yml" || d.Destination != "staging" {
		t.Errorf("%s %s", d.File, d.DestinationFile)
	}
}

func TestAMistakeInTheDestinationsFileIsLocatedThere(t *testing.T) {
	fsys := repository(smallest)
	fsys["config/deploy.staging.yml"] = &fstest.MapFile{Data: []byte("proxy:\n  hozt: a\n")}
	_, _, err := spec.Load(fsys, spec.Options{Destination: "staging"})
	if err == nil || err.Error() != `config/deploy.staging.yml:2:3: proxy: unknown key "hozt" (did you mean "host"?)` {
		t.Error(err)
	}
}

func TestMissingFilesAreToldApartFromWrongOnes(t *testing.T) {
	for name, c := range map[string]struct {
		fsys fstest.MapFS
		o    spec.Options
		want string
	}{
		"no file":        {fstest.MapFS{}, spec.Options{}, "the repository has no config/deploy.yml and no deploy.yml"},
		"no such path":   {repository(smallest), spec.Options{Path: "ops/deploy.yml"}, "the repository has no ops/deploy.yml"},
		"no destination": {repository(smallest), spec.Options{Destination: "eu"}, "needs the file config/deploy.eu.yml"},
	} {
		_, _, err := spec.Load(c.fsys, c.o)
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, o := range []spec.Options{{Destination: "../x"}, {Version: "a b"}, {Version: "-x"}} {
		if _, _, err := spec.Load(repository(smallest), o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	if d, _, err := spec.Load(fstest.MapFS{"deploy.yml": {Data: []byte(smallest)}}, spec.Options{}); err != nil || d.File != "deploy.yml" {
		t.Error(err)
	}
}

func TestLiteralSecretsAreNeverRendered(t *testing.T) {
	d, _ := load(t, smallest+`
registry: {username: canary-user, password: canary-password}
env:
  secret:
    - TOKEN=<%= ENV["SECURE_API_KEY"] || "x" %>
`, spec.Options{Env: environment})
	if d.Registry.Password.Literal.Reveal() != "canary-password" || d.Env.Secrets[0].Literal.Reveal() != "canary-from-env" {
		t.Errorf("the values are lost: %+v", d.Env)
	}
	for _, render := range []func() ([]byte, error){d.RenderJSON, d.RenderYAML} {
		out, err := render()
		if err != nil || strings.Contains(string(out), "canary") || !strings.Contains(string(out), "TOKEN=[redacted]") {
			t.Errorf("%v:\n%s", err, out)
		}
	}
}

func TestAListAsCommandKeepsItsWords(t *testing.T) {
	d, _ := load(t, "service: app\nimage: a/b\nservers: {web: {hosts: [h], cmd: [sh, -c, 'a && b', \"it's\"]}}\n", spec.Options{})
	again, _ := load(t, "service: app\nimage: a/b\nservers:\n  web:\n    hosts: [h]\n    cmd: |\n      "+d.Roles[0].Cmd.Raw+"\n", spec.Options{})
	want := []string{"sh", "-c", "a && b", "it's"}
	if !reflect.DeepEqual(d.Roles[0].Cmd.Args, want) || !reflect.DeepEqual(again.Roles[0].Cmd.Args, want) {
		t.Errorf("%q, then %q", d.Roles[0].Cmd, again.Roles[0].Cmd)
	}
}

func TestBootLimitIsAtLeastOneHost(t *testing.T) {
	for _, c := range []struct {
		limit spec.BootLimit
		n     int
		want  int
	}{
		{spec.BootLimit{}, 7, 7}, {spec.BootLimit{}, 0, 1}, {spec.BootLimit{Count: 2}, 7, 2},
		{spec.BootLimit{Percent: 25}, 7, 1}, {spec.BootLimit{Percent: 50}, 7, 3}, {spec.BootLimit{Percent: 1}, 7, 1},
	} {
		if got := c.limit.Of(c.n); got != c.want {
			t.Errorf("%+v of %d is %d, want %d", c.limit, c.n, got, c.want)
		}
	}
}

func TestThousandHostsLoadQuickly(t *testing.T) {
	var b strings.Builder
	b.WriteString("service: app\nimage: a/b\nservers:\n  web:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "    - 10.0.%d.%d\n", i/250, i%250)
	}
	start := time.Now()
	d, _ := load(t, b.String(), spec.Options{})
	took := time.Since(start)
	t.Logf("%d hosts in %s", len(d.Hosts()), took)
	if took > 5*100*time.Millisecond {
		t.Errorf("took %s", took)
	}
}

func TestADestinationMayTurnAListOfHostsIntoRoles(t *testing.T) {
	fsys := repository(smallest)
	fsys["config/deploy.eu.yml"] = &fstest.MapFile{Data: []byte("servers: {web: [10.0.0.5], jobs: [10.0.0.6]}\n")}
	d, _, err := spec.Load(fsys, spec.Options{Destination: "eu"})
	if err != nil || !reflect.DeepEqual(d.Hosts(), []string{"10.0.0.5", "10.0.0.6"}) {
		t.Errorf("%v %v", d, err)
	}
}

func TestRestartFalseIsDockersNo(t *testing.T) {
	d, _ := load(t, "service: app\nimage: a/b\nservers: {web: {hosts: [h], options: {restart: false}}}\n", spec.Options{})
	if d.Roles[0].Restart != "no" {
		t.Error(d.Roles[0].Restart)
	}
}

func TestAPortThatTheHostChoosesMayBePublishedBehindTheProxy(t *testing.T) {
	d, _ := load(t, "service: app\nimage: a/b\nservers: {web: {hosts: [h], options: {publish: [9000, '127.0.0.1::9001']}}}\n", spec.Options{})
	if !d.Roles[0].Proxied || len(d.Roles[0].Options["publish"]) != 2 {
		t.Errorf("%+v", d.Roles[0])
	}
}
