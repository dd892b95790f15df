package schema

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	shapes "github.com/fairlead-deploy/fairlead/internal/jsonschema"
)

// -update rewrites docs/schema; read the difference before committing it.
var update = flag.Bool("update", false, "rewrite docs/schema")

func TestTheSchemasInTheDocsAreDrawnFromTheReaders(t *testing.T) {
	for _, file := range []string{"deploy", "fairlead"} {
		got, err := Of(file)
		if err != nil {
			t.Fatal(err)
		}
		name := "../../../docs/schema/" + file + ".json"
		if *update {
			if err := os.WriteFile(name, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(name); err != nil || string(want) != string(got) {
			t.Errorf("%s is not what the readers take (%v); run go test ./internal/setup/schema -run Schemas -update", name, err)
		}
	}
	if _, err := Of("compose"); err == nil {
		t.Error("there is a schema of another file")
	}
}

func TestEveryKeyOfTheSchemasIsDescribedAndNoDescriptionIsLeftOver(t *testing.T) {
	for file, c := range map[string]struct {
		shape *shapes.Shape
		texts string
	}{"deploy": {spec.Shape(), deployTexts}, "fairlead": {config.Shape(), fairleadTexts}} {
		paths := shapes.Paths(c.shape)
		describe := describer(c.texts)
		for _, path := range paths {
			if describe(path) == "" {
				t.Errorf("%s: %s has no description in internal/setup/schema/%s.txt", file, path, file)
			}
		}
		for line := range strings.Lines(c.texts) {
			known, _, ok := strings.Cut(line, ": ")
			if !ok || !slices.ContainsFunc(paths, func(path string) bool { return path == known || strings.HasSuffix(path, "."+known) }) {
				t.Errorf("%s: no key is described by %q", file, line)
			}
		}
	}
}

// validator is the schema as another's program reads it.
func validator(t *testing.T, file string) *jsonschema.Schema {
	t.Helper()
	text, err := Of(file)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(file+".json", document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(file + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance is a YAML file as an editor sees it: by YAML 1.2, templates as texts.
func instance(src []byte) (any, error) {
	var v any
	if err := yaml.Unmarshal(src, &v); err != nil {
		return nil, err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(text))
}

func glob(t *testing.T, atLeast int, patterns ...string) []string {
	t.Helper()
	var all []string
	for _, pattern := range patterns {
		names, err := filepath.Glob("../../../" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, names...)
	}
	if len(all) < atLeast {
		t.Fatalf("%v: %d files", patterns, len(all))
	}
	return all
}

func TestEveryFileThatLoadsFitsItsSchema(t *testing.T) {
	for file, names := range map[string][]string{
		"deploy":   glob(t, 70, "deployer/spec/testdata/good/*.yml", "deployer/spec/testdata/post/*.yml", "examples/*/config/deploy.yml"),
		"fairlead": glob(t, 4, "examples/*/fairlead.yml", "daemon/config/example.yml", "daemon/config/testdata/design.yml"),
	} {
		s := validator(t, file)
		for _, name := range names {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			v, err := instance(src)
			if err != nil {
				// Only a template that is no YAML before it is evaluated, or a
				// key twice, which the post has.
				if !bytes.Contains(src, []byte("<%")) && !strings.Contains(name, "/post/") && !strings.Contains(name, "repeated") {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			if err := s.Validate(v); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Mistakes of shape are the schema's to find; what a value may be is not.
func TestFilesOfTheWrongShapeDoNotFitTheSchema(t *testing.T) {
	s := validator(t, "deploy")
	for _, more := range []string{
		"kubernetes: 1", "proxy: text", "proxy: {hozt: a}", "proxy: {app_port: many}", "proxy: {app_port: 70000}", "proxy: {ssl: {pem: A}}",
		"ssh: {port: [1]}", "ssh: {config: {a: b}}", "volumes: {a: b}", "env: [A]", "env: {clear: text}", "env: {secret: {a: b}}", "builder: {arch: sparc}",
		"builder: {args: [a]}", "boot: {wait: soon}", "deploy_timeout: later", "retain_containers: 0", "require_destination: maybe",
		"x-fairlead: {on_failure: cry}", "x-fairlead: {roles: {web: {strategy: fast}}}", "x-fairlead: {roles: [web]}", "accessories: [a]",
		"accessories: {db: {imagge: x}}", "accessories: {db: {files: [{remot: /a}]}}", "hooks: {pre-lunch: [a]}", "logging: x", "labels: [a]",
		"registry: {server: [a]}", "servers: {web: {hosts: [a], options: {nope: 1}}}", "servers: {web: {porxy: true}}", "aliases: {a: [b]}", "traefik: {arg: {}}",
	} {
		v, err := instance([]byte("service: app\nimage: acme/app\n" + more + "\n"))
		if err != nil {
			t.Fatal(more, err)
		}
		if s.Validate(v) == nil {
			t.Errorf("fits: %s", more)
		}
	}
	of := validator(t, "fairlead")
	for _, more := range []string{"listen: [a]", "repositories: {a: {ulr: x}}", "repositories: {a: {mode: sleep}}", "notify: {slack: {}}", "log: {level: loud}",
		"hosts: {a: {port: web}}", "ssh: {keyes: []}", "policy: lax", "notify: [{slack: {token: written-out}}]"} {
		v, err := instance([]byte(more + "\n"))
		if err != nil {
			t.Fatal(more, err)
		}
		if of.Validate(v) == nil {
			t.Errorf("fits: %s", more)
		}
	}
}
