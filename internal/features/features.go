// Package features reads docs/features.md, where each promise that Fairlead
// makes stands beside the tests that show it.
//
// Lives here: the reading of that table. May not live here: the running of
// tests; command testlog says which ran.
package features

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Module is the module's path, which the names of tests in the table leave out.
const Module = "github.com/fairlead-deploy/fairlead"

// Promise is one row of the table.
type Promise struct {
	Line     int      // in the file, from 1
	Text     string   // what is promised, in Markdown
	Tests    []Test   // those that show it
	Commands []string // what else shows it, such as "make demo ONCE=1"
}

// Test names one test function.
type Test struct {
	Package string // below the module, such as "deployer/plan"
	Name    string // such as "TestAnEqualFleetPlansNothing"
}

func (t Test) String() string { return t.Package + "." + t.Name }

var (
	code     = regexp.MustCompile("`([^`]+)`")
	testName = regexp.MustCompile(`^([a-z][a-z0-9/]*)\.((?:Test|Fuzz)\w+)$`)
)

// Read reads all rows of the Markdown tables in r whose last cell has `code`
// in it: tests as FOLDER.TestName, commands as they are typed. A row without
// any is an error: a promise that nothing shows.
func Read(r io.Reader) ([]Promise, error) {
	var all []Promise
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		cells, ok := row(lines.Text())
		if !ok {
			continue
		}
		p := Promise{Line: n, Text: cells[0]}
		for _, m := range code.FindAllStringSubmatch(cells[len(cells)-1], -1) {
			if t := testName.FindStringSubmatch(m[1]); t != nil {
				p.Tests = append(p.Tests, Test{Package: t[1], Name: t[2]})
			} else {
				p.Commands = append(p.Commands, m[1])
			}
		}
		if len(p.Tests)+len(p.Commands) == 0 {
			return nil, fmt.Errorf("line %d: nothing shows %q", n, p.Text)
		}
		all = append(all, p)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read promises: %w", err)
	}
	return all, nil
}

// Named returns the tests that a document quotes as `FOLDER.TestName`.
func Named(document string) []Test {
	var all []Test
	for _, m := range code.FindAllStringSubmatch(document, -1) {
		if t := testName.FindStringSubmatch(m[1]); t != nil {
			all = append(all, Test{Package: t[1], Name: t[2]})
		}
	}
	return all
}

// row splits a line of a table; headings and rules are none.
func row(line string) ([]string, bool) {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|--") || strings.HasPrefix(line, "| promise ") {
		return nil, false
	}
	cells := strings.Split(strings.Trim(line, "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells, len(cells) > 1
}
