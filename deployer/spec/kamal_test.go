package spec_test

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

// documented are the keys of Kamal 2.12's documentation, each with the root
// keys of a file that has it.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("testdata/kamal-2.12.txt")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if key, parts, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && !strings.HasPrefix(line, "#") {
			keys[key] = strings.Split(parts, " # ")
		}
	}
	if len(keys) < 125 {
		t.Fatalf("only %d keys", len(keys))
	}
	return keys
}

// with is a small file with these root keys in it.
func with(parts []string) string {
	file := strings.Join(parts, "\n") + "\n"
	for _, line := range []string{"service: app", "image: acme/app", "servers: {web: {hosts: [10.0.0.1, {10.0.0.2: big}]}}"} {
		root, _, _ := strings.Cut(line, ":")
		if !slices.ContainsFunc(parts, func(p string) bool { return strings.HasPrefix(p, root+":") }) && root != "" {
			file += line + "\n"
		}
	}
	return strings.ReplaceAll(file, "10.0.0.1, {10.0.0.2: big}", hostsFor(file))
}

// hostsFor: a certificate by ACME is for one host only, tags need one that has them.
func hostsFor(file string) string {
	if strings.Contains(file, "big:") {
		return "{10.0.0.1: big}"
	}
	return "10.0.0.1"
}

func TestEveryKeyThatKamalDocumentsIsRead(t *testing.T) {
	for key, parts := range documented(t) {
		file := with(parts)
		if _, _, err := spec.Load(repository(file), spec.Options{Env: environment}); err != nil {
			t.Errorf("%s: %v\n%s", key, err, file)
		}
		last := key[strings.LastIndex(key, ".")+1:]
		if last == "ROLE" || key == "x-*" {
			continue // anybody's own word
		}
		// The reader is strict there: what it takes, it knows.
		odd := regexp.MustCompile(`(^|[ {])`+last+`:`).ReplaceAllString(parts[len(parts)-1], "${1}zz"+last+":")
		_, _, err := spec.Load(repository(with(append(slices.Clone(parts[:len(parts)-1]), odd))), spec.Options{Env: environment})
		if located, ok := errors.AsType[spec.Errors](err); !ok || !strings.Contains(located.Error(), "zz"+last) {
			t.Errorf("%s: misspelt, it is taken: %v", key, err)
		}
	}
}

var quoted = regexp.MustCompile("`([^`]+)`")

func TestEveryKeyThatKamalDocumentsHasARowInTheDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/kamal.md")
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| `") || len(cells) < 3 {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[0], -1) {
			verdicts[m[1]] = strings.TrimSpace(cells[1])
		}
	}
	for key := range documented(t) {
		if v, ok := verdicts[key]; !ok {
			t.Errorf("docs/kamal.md has no row for %s", key)
		} else if v != "same" && v != "better" && v != "different" {
			t.Errorf("docs/kamal.md says %q of %s; want same, better or different", v, key)
		}
	}
}
