package examples

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/fairlead-deploy/fairlead/daemon/config"
)

func TestTheReadmeIsShort(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(readme, []byte("\n")); n > 150 {
		t.Errorf("%d lines; 150 are read to the end", n)
	}
}

// The files that the README shows are a repository as well.
func TestTheFilesInTheReadmeLoadAndPlan(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n# (\\S+)\n(.*?)```").FindAllSubmatch(readme, -1)
	dir := t.TempDir()
	found := map[string]bool{}
	for _, b := range blocks {
		path := filepath.Join(dir, string(b[1]))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b[2], 0o644); err != nil {
			t.Fatal(err)
		}
		found[string(b[1])] = true
	}
	if !found["config/deploy.yml"] || !found["/etc/fairlead/fairlead.yml"] {
		t.Fatalf("found %v", found)
	}
	if _, err := config.Load(filepath.Join(dir, "etc/fairlead/fairlead.yml")); err != nil {
		t.Error(err)
	}
	plans(t, dir, "shop", "", "")
}
