package features_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/features"
)

func TestEveryLinkBetweenDocumentsLeadsSomewhere(t *testing.T) {
	var documents []string
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, found...)
	}
	if len(documents) < 10 {
		t.Fatalf("found only %q", documents)
	}
	link := regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)
	for _, path := range documents {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(content), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

func TestTheReadmeIsShort(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(content), "\n"); n > 150 {
		t.Errorf("the README has %d lines; 150 are enough", n)
	}
}

// A dependency without a reason in docs/design.md is one too many.
func TestEveryDirectDependencyHasAReason(t *testing.T) {
	design, err := os.ReadFile(filepath.Join(root, "docs", "design.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range direct(t) {
		if !strings.Contains(string(design), module) {
			t.Errorf("docs/design.md gives no reason for %s", module)
		}
	}
}

// direct lists the modules that a package of ours, or its test, imports.
func direct(t *testing.T) []string {
	t.Helper()
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+\.\S+) v`).FindAllStringSubmatch(string(mod), -1) {
		if imported(t, m[1]) {
			all = append(all, m[1])
		}
	}
	if len(all) < 15 {
		t.Fatalf("found only %q", all)
	}
	return all
}

// The post has 13 fenced blocks: seven of YAML, which are kept word for word as
// tests' input, one of secrets, two that install the tool, and three of commands.
func TestEveryBlockAndCommandOfThePostHasARow(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "docs", "features.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(content), "\n## The post\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows, err := features.Read(strings.NewReader(section))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, row := range rows {
		text.WriteString(row.Text + "\n")
	}
	blocks, err := filepath.Glob(filepath.Join(root, "deployer/spec/testdata/post/*.yml"))
	if err != nil || len(blocks) != 7 {
		t.Fatalf("%d blocks of YAML, %v", len(blocks), err)
	}
	wanted := []string{
		"`gem install`", "a Gemfile", "config/secrets.production", "rsync",
		"`kamal init`", "`kamal setup`", "`kamal deploy`", "`kamal deploy --version=v2.1.0`", "`kamal deploy --roles=web`",
		"`kamal build`", "`kamal push`", "`kamal app restart`", "`kamal app scale web=3`", "`kamal app logs --follow`",
		"`kamal app exec 'bin/rails console'`", "`kamal rollback`", "`kamal accessory exec postgres \"pg_dump -U postgres myapp_production\" > ",
	}
	for _, block := range blocks {
		wanted = append(wanted, `Block "`+strings.TrimSuffix(filepath.Base(block), ".yml")+`"`)
	}
	for _, want := range wanted {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no row of the post has %s", want)
		}
	}
}
