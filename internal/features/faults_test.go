package features_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/features"
)

// docs/reliability.md has each fault by its number once, with what shows how it
// is met: a test, the row that `make chaos` plays, or why it is not injected.
func TestEveryFaultHasItsPlaceInTheDocument(t *testing.T) {
	const faults = 62
	content, err := os.ReadFile(filepath.Join(root, "docs", "reliability.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, ok := strings.Cut(string(content), "## All faults by their number\n")
	played, _, _ := strings.Cut(string(content), "<!-- end of faults -->")
	if !ok {
		t.Fatal("docs/reliability.md has no list of all faults")
	}
	list, _, _ = strings.Cut(list, "\n## ")
	rows := regexp.MustCompile(`(?m)^\| (F\d+) \| [^|]+ \| ([^|]+) \|$`).FindAllStringSubmatch(list, -1)
	for i, row := range rows {
		id, shown := row[1], row[2]
		if want := fmt.Sprintf("F%d", i+1); id != want {
			t.Fatalf("%s stands where %s should", id, want)
		}
		above := strings.HasPrefix(shown, "above")
		if in := strings.Contains(played, "| "+id+" | "); in != above {
			t.Errorf("%s: `make chaos` plays it: %t, and the list says %q", id, in, shown)
		}
		if !above && len(features.Named(shown)) == 0 {
			t.Errorf("%s: nothing shows it: %s", id, shown)
		}
	}
	if len(rows) != faults {
		t.Errorf("%d faults are listed, want %d", len(rows), faults)
	}
}
