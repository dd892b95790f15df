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

// docs/security.md has each attack by its number once, in their order, with the
// test that tries it, or a sentence why there is none.
func TestEveryAttackHasItsPlaceInTheDocument(t *testing.T) {
	const attacks = 26
	content, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| A(\d+) ([^|]+) \| (.+) \|$`).FindAllStringSubmatch(string(content), -1)
	untried := map[string]bool{"21": true, "22": true} // there are no roles and no pages
	for i, row := range rows {
		if want := fmt.Sprint(i + 1); row[1] != want {
			t.Fatalf("A%s stands where A%s should", row[1], want)
		}
		if tried := len(features.Named(row[3])) > 0; tried == untried[row[1]] || len(strings.Fields(row[3])) < 4 && !tried {
			t.Errorf("A%s:%s: a test tries it: %t, and it says %q", row[1], row[2], tried, row[3])
		}
	}
	if len(rows) != attacks {
		t.Errorf("%d attacks are listed, want %d", len(rows), attacks)
	}
}
