package spec_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

// -update rewrites the golden files; read the difference before committing it.
var update = flag.Bool("update", false, "rewrite golden files")

// environment is what templates in the test files may read.
func environment(name string) (string, bool) {
	v, ok := map[string]string{
		"DEPLOY_HOST": "10.0.9.9", "REGISTRY": "registry.example.com", "SECURE_API_KEY": "canary-from-env", "EMPTY": "",
		"APP_PORT": "3000", "SSH_PORT": "2222",
	}[name]
	return v, ok
}

// repository is a tree with file as config/deploy.yml.
func repository(file string) fstest.MapFS {
	return fstest.MapFS{
		"config/deploy.yml":      {Data: []byte(file)},
		".ruby-version":          {Data: []byte("3.4.1\n")},
		".kamal/hooks/pre-build": {Data: []byte("#!/bin/sh\n"), Mode: 0o755},
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got:\n%s", name, got)
	}
}

// resolved is what a golden file holds: the warnings, then the resolved file.
func resolved(t *testing.T, d *spec.Deploy, warnings []spec.Warning) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, w := range warnings {
		b.WriteString("# " + w.String() + "\n")
	}
	y, err := d.RenderYAML()
	if err != nil {
		t.Fatal(err)
	}
	b.Write(y)
	return b.Bytes()
}

func files(t *testing.T, pattern string, atLeast int) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) < atLeast {
		t.Fatalf("%s: %d files, want %d or more (%v)", pattern, len(names), atLeast, err)
	}
	return names
}

func TestRealisticFilesResolveToTheirGoldenOutput(t *testing.T) {
	for _, name := range files(t, "testdata/good/*.yml", 60) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			d, warnings, err := spec.Load(repository(string(src)), spec.Options{Env: environment})
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(name, ".yml")+".golden", resolved(t, d, warnings))
		})
	}
}

// Every bad file begins with a comment per line of its error: "# want: …".
func TestBadFilesAreRefusedWithLocatedMessages(t *testing.T) {
	for _, name := range files(t, "testdata/bad/*.yml", 60) {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yml"), func(t *testing.T) {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			d, _, err := spec.Load(repository(string(src)), spec.Options{Env: environment})
			if err == nil || d != nil {
				t.Fatalf("loaded: %v", d)
			}
			var want []string
			for line := range strings.Lines(string(src)) {
				if text, ok := strings.CutPrefix(line, "# want: "); ok {
					want = append(want, strings.TrimSpace(text))
				}
			}
			if got := err.Error(); got != strings.Join(want, "\n") || len(want) == 0 {
				t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
			}
		})
	}
}

func load(t *testing.T, file string, o spec.Options) (*spec.Deploy, []spec.Warning) {
	t.Helper()
	d, w, err := spec.Load(repository(file), o)
	if err != nil {
		t.Fatal(err)
	}
	return d, w
}
