// Command testlog reads `go test -json` and prints what `go test` would have
// printed, in an order that serves a reader of long logs: a line per package as
// it ends, then the output of every test that failed, then go test's line of
// every package once more, those that failed last.
//
//	go test -json ./... | go run ./internal/features/cmd/testlog [-features docs/features.md]
//
// With -features it also fails if a test that the table names did not run and
// pass. Exit status: 0 all passed, 1 something failed, 2 wrong usage.
//
// Lives here: printing. May not live here: the running of tests.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/internal/features"
)

func main() {
	table := flag.String("features", "", "the table of promises whose tests must have run")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(os.Stdin, os.Stdout, *table); err != nil {
		if !errors.Is(err, errFailed) {
			fmt.Println("testlog:", err)
		}
		os.Exit(1)
	}
}

// errFailed says that a test failed, which the output tells at length.
var errFailed = errors.New("tests failed")

func run(in io.Reader, out io.Writer, table string) error {
	l := newLog(out)
	if err := l.read(in); err != nil {
		return err
	}
	var promises []features.Promise
	if table != "" {
		file, err := os.Open(table)
		if err != nil {
			return fmt.Errorf("read promises: %w", err)
		}
		defer file.Close()
		if promises, err = features.Read(file); err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	return l.finish(promises)
}

// event is a line of `go test -json` (go doc cmd/test2json).
type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Output      string
	FailedBuild string
}

// name identifies a test, or with an empty Test the whole package.
type name struct{ pkg, test string }

// log is what was seen of the run so far.
type log struct {
	out     io.Writer
	output  map[name][]string // of tests under way, and of those that failed
	builds  map[string][]string
	passed  map[name]bool
	failed  []name   // in the order of their ends
	results []string // go test's line of each package that passed
	bad     []string // and of those that did not
	tests   int
	skipped []name
}

func newLog(out io.Writer) *log {
	return &log{out: out, output: map[name][]string{}, builds: map[string][]string{}, passed: map[name]bool{}}
}

func (l *log) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) != nil {
				fmt.Fprint(l.out, line) // go itself says something
			} else {
				l.add(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read test events: %w", err)
		}
	}
}

func (l *log) add(e event) {
	n := name{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		l.builds[e.ImportPath] = append(l.builds[e.ImportPath], e.Output)
	case "output":
		l.output[n] = append(l.output[n], e.Output)
	case "pass":
		l.passed[n] = true
		l.end(n, e)
	case "skip":
		if e.Test != "" {
			l.skipped = append(l.skipped, n)
		}
		l.end(n, e)
	case "fail":
		l.unended(n)
		l.failed = append(l.failed, n)
		l.end(n, e)
	}
}

// unended counts the tests that were under way when their package's process
// died as failed: what a panic or the system said last is in their output.
func (l *log) unended(n name) {
	if n.test != "" {
		return
	}
	var cut []name
	for o := range l.output {
		if o.pkg == n.pkg && o.test != "" && !slices.Contains(l.failed, o) && !slices.Contains(l.skipped, o) {
			cut = append(cut, o)
		}
	}
	slices.SortFunc(cut, func(a, b name) int { return strings.Compare(a.test, b.test) })
	l.failed = append(l.failed, cut...)
	l.tests += len(cut)
}

// end prints a package's last line, and forgets the output of what passed.
func (l *log) end(n name, e event) {
	if n.test != "" {
		l.tests++
		if e.Action == "pass" {
			delete(l.output, n)
		}
		return
	}
	result := "?   \t" + n.pkg + "\n"
	for _, line := range l.output[n] {
		if strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "FAIL\t") || strings.HasPrefix(line, "?   \t") {
			result = line
		}
	}
	fmt.Fprint(l.out, result)
	if e.Action == "fail" {
		if e.FailedBuild != "" {
			l.output[n] = append(l.builds[e.FailedBuild], l.output[n]...)
		}
		l.bad = append(l.bad, result)
		return
	}
	l.results = append(l.results, result)
	delete(l.output, n)
}

// finish prints what failed and how, what the promises miss, and the summary.
func (l *log) finish(promises []features.Promise) error {
	for _, n := range l.skipped {
		fmt.Fprintf(l.out, "\n--- skipped %s %s\n%s", n.pkg, n.test, l.told(n))
	}
	for _, n := range l.failed {
		if text := l.told(n); strings.TrimSpace(text) != "" {
			fmt.Fprintf(l.out, "\n--- %s %s\n%s", n.pkg, n.test, text)
		}
	}
	missed := l.missed(promises)
	for _, m := range missed[:min(len(missed), maxMissed)] {
		fmt.Fprintln(l.out, m)
	}
	if more := len(missed) - maxMissed; more > 0 {
		fmt.Fprintf(l.out, "and %d more\n", more)
	}
	fmt.Fprintf(l.out, "\n%d tests, %d failed, %d skipped\n", l.tests, len(l.failed)-len(l.bad), len(l.skipped))
	for _, r := range slices.Concat(l.results, l.bad) {
		fmt.Fprint(l.out, r)
	}
	if len(l.failed) > 0 || len(missed) > 0 {
		fmt.Fprintln(l.out, "FAIL")
		return errFailed
	}
	if l.tests == 0 {
		return errors.New("no test ran")
	}
	return nil
}

// maxMissed is how many missed promises are listed: when a package does not
// build there are many.
const maxMissed = 20

// A test's output is told up to so many lines: a dump of all goroutines says
// what happened at its beginning, a test at its end.
const (
	maxFirst = 150
	maxLast  = 50
)

// told is what a test wrote, without go test's marks of its progress.
func (l *log) told(n name) string {
	lines := slices.DeleteFunc(l.output[n], func(line string) bool { return strings.HasPrefix(line, "=== ") })
	if more := len(lines) - maxFirst - maxLast; more > 0 {
		left := fmt.Sprintf("    … %d lines …\n", more)
		lines = slices.Concat(lines[:maxFirst], []string{left}, lines[len(lines)-maxLast:])
	}
	return strings.Join(lines, "")
}

func (l *log) missed(promises []features.Promise) []string {
	var missed []string
	for _, p := range promises {
		for _, t := range p.Tests {
			if !l.passed[name{features.Module + "/" + t.Package, t.Name}] {
				missed = append(missed, fmt.Sprintf("docs/features.md:%d: %s did not run and pass", p.Line, t))
			}
		}
	}
	return missed
}
