package chaos_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// The table is between these two lines of docs/reliability.md.
const (
	document = "../../docs/reliability.md"
	begins   = "<!-- faults: written by `make chaos` -->\n"
	ends     = "<!-- end of faults -->\n"
	heading  = "| | what happens | then | took |\n|---|---|---|---|\n"
)

// cells are the parts of a line that do not change from run to run.
func (r row) cells() string { return fmt.Sprintf("| %s | %s | %s |", r.id, r.fault, r.then) }

// writeTable writes how long each row took. A row that was not played keeps
// the time that stood there.
func writeTable(t *testing.T, took map[string]time.Duration) {
	t.Helper()
	before, old, after := parts(t)
	stood := map[string]string{}
	for line := range strings.Lines(old) {
		if i := strings.LastIndex(strings.TrimSuffix(line, " |\n"), "| "); i > 0 {
			stood[line[:i+1]] = line[i+1:]
		}
	}
	var b strings.Builder
	b.WriteString(heading)
	for _, r := range faults() {
		last, played := stood[r.cells()], false
		if d, ok := took[r.title()]; ok {
			last, played = fmt.Sprintf(" %.0f s |\n", d.Seconds()), true
		}
		if last == "" && !played {
			t.Errorf("%s was never played: run `make chaos` for all", r.title())
		}
		b.WriteString(r.cells() + last)
	}
	if err := os.WriteFile(document, []byte(before+begins+b.String()+ends+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// parts are what is before, in and after the table.
func parts(t *testing.T) (before, table, after string) {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begins)
	table, after, closed := strings.Cut(rest, ends)
	if !ok || !closed {
		t.Fatalf("%s has no place for the table: %q … %q", document, begins, ends)
	}
	return before, table, after
}

func TestTheDocumentHasExactlyTheseFaults(t *testing.T) {
	_, table, _ := parts(t)
	lines := strings.Split(strings.TrimSuffix(strings.TrimPrefix(table, heading), "\n"), "\n")
	rows := faults()
	if len(lines) != len(rows) {
		t.Errorf("the document has %d faults, and there are %d: run `make chaos`", len(lines), len(rows))
	}
	for i, r := range rows {
		if i < len(lines) && !strings.HasPrefix(lines[i], r.cells()) {
			t.Errorf("line %d is\n%s\nand the fault is\n%s", i+1, lines[i], r.cells())
		}
	}
}

func TestEveryFaultHasANameOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range faults() {
		if seen[r.title()] {
			t.Errorf("%s is there twice", r.title())
		}
		seen[r.title()] = true
	}
	if len(seen) < 30 {
		t.Errorf("%d faults; at least 30 were promised", len(seen))
	}
}
