package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// A module of its own, run by the real go test, so that the events are real.
func sample(t *testing.T, files map[string]string) []byte {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.com/sample\n\ngo 1.26.0\n"
	for path, content := range files {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "-p", "1", "./...")
	cmd.Dir = dir
	out, err := cmd.Output()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatal(err)
	}
	return out
}

func TestFailuresAreToldAfterThePackagesAndBeforeTheSummary(t *testing.T) {
	events := sample(t, map[string]string{
		"a/a_test.go": "package a\n\nimport \"testing\"\n\nfunc TestGood(t *testing.T) { t.Log(\"not shown\") }\n",
		"b/b_test.go": "package b\n\nimport \"testing\"\n\nfunc TestBad(t *testing.T) {\n\tt.Run(\"inside\", func(t *testing.T) { t.Error(\"why\") })\n}\n\nfunc TestNotHere(t *testing.T) { t.Skip(\"no such thing\") }\n",
		"c/c_test.go": "package c\n\nfunc broken( {\n",
		"d/d.go":      "package d\n",
	})
	var out bytes.Buffer
	if err := run(bytes.NewReader(events), &out, ""); !errors.Is(err, errFailed) {
		t.Errorf("got %v", err)
	}
	got := regexp.MustCompile(`\d\.\d+s`).ReplaceAllString(out.String(), "0.00s")
	golden := filepath.Join("testdata", "failed.txt")
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
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestWhatAProcessSaidAsItDiedIsTold(t *testing.T) {
	events := sample(t, map[string]string{
		"a/a_test.go": "package a\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestDies(t *testing.T) {\n\tos.Stderr.WriteString(\"last words\\n\")\n\tos.Exit(3)\n}\n",
		"b/b_test.go": "package b\n\nimport \"testing\"\n\nfunc TestBad(t *testing.T) {\n\tgo func() { panic(\"far away\") }()\n\tselect {}\n}\n",
	})
	var out bytes.Buffer
	if err := run(bytes.NewReader(events), &out, ""); !errors.Is(err, errFailed) {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{"TestDies\nlast words\n", "TestBad\npanic: far away\n", "2 tests, 2 failed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestAPromiseWhoseTestDidNotRunFails(t *testing.T) {
	table := filepath.Join(t.TempDir(), "features.md")
	if err := os.WriteFile(table, []byte("| promise | shown by |\n|---|---|\n| x | `a.TestX`, `a.TestY` |\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	const pkg = `"Package":"github.com/fairlead-deploy/fairlead/a"`
	x, y := `{"Action":"pass","Test":"TestX",`+pkg+"}\n", `{"Action":"pass","Test":"TestY",`+pkg+"}\n"
	var out bytes.Buffer
	if err := run(strings.NewReader(x), &out, table); !errors.Is(err, errFailed) || !strings.Contains(out.String(), "features.md:3: a.TestY did not run and pass") {
		t.Errorf("got %v:\n%s", err, out.String())
	}
	out.Reset()
	if err := run(strings.NewReader(x+y), &out, table); err != nil {
		t.Errorf("got %v:\n%s", err, out.String())
	}
}

func TestARunWithoutTestsFails(t *testing.T) {
	if err := run(strings.NewReader(""), &bytes.Buffer{}, ""); err == nil {
		t.Error("nothing was said")
	}
}

func TestAVeryLongOutputLosesItsMiddle(t *testing.T) {
	var events strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&events, `{"Action":"output","Package":"p","Test":"TestX","Output":"line %d\n"}`+"\n", i)
	}
	events.WriteString(`{"Action":"fail","Package":"p","Test":"TestX"}` + "\n")
	var out bytes.Buffer
	if err := run(strings.NewReader(events.String()), &out, ""); !errors.Is(err, errFailed) {
		t.Errorf("got %v", err)
	}
	got := out.String()
	if !strings.Contains(got, "line 149\n    … 800 lines …\nline 950\n") || strings.Contains(got, "line 500\n") {
		t.Errorf("got:\n%s", got)
	}
}
