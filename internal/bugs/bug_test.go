package bugs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mattn/go-shellwords"
)

// bug is one file of testdata/bugs.
type bug struct {
	name    string // of the file, without .patch
	says    string // one sentence
	catcher catcher
	changes []change
}

// catcher is tests of one package.
type catcher struct {
	pkg  string // "./deployer/sim"
	args string // of its test binary, one per line: "-test.run=TestPlans"
}

// change is one hunk.
type change struct{ file, before, after string }

func load(path string) (bug, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return bug{}, err
	}
	return parse(strings.TrimSuffix(filepath.Base(path), ".patch"), string(text))
}

func parse(name, text string) (bug, error) {
	head, diff, ok := strings.Cut(text, "\n\n")
	says, command, two := strings.Cut(head, "\n")
	if !ok || !two || !strings.HasSuffix(says, ".") {
		return bug{}, errors.New("want a sentence, a line with go test, an empty line, and a diff")
	}
	b := bug{name: name, says: says}
	var err error
	if b.catcher, err = parseCatcher(command); err != nil {
		return bug{}, err
	}
	b.changes, err = parseDiff(diff)
	return b, err
}

func parseCatcher(command string) (catcher, error) {
	words, err := shellwords.Parse(command)
	if err != nil {
		return catcher{}, err
	}
	if len(words) < 3 || words[0] != "go" || words[1] != "test" {
		return catcher{}, fmt.Errorf("%q is no go test PACKAGE", command)
	}
	var args []string
	for _, word := range words[3:] {
		if flag, ok := strings.CutPrefix(word, "-"); ok && !strings.Contains(flag, ".") {
			word = "-test." + flag
		}
		args = append(args, word)
	}
	return catcher{words[2], strings.Join(args, "\n")}, nil
}

func parseDiff(diff string) ([]change, error) {
	var all []change
	file := ""
	for line := range strings.Lines(diff) {
		if !strings.HasSuffix(line, "\n") {
			return nil, errors.New("the last line has no end")
		}
		kind, rest := line[0], line[1:]
		last := len(all) - 1
		switch {
		case strings.HasPrefix(line, "--- "):
			file = strings.TrimSpace(line[4:])
		case line == "@@\n" && file != "":
			all = append(all, change{file: file})
		case last < 0:
			return nil, fmt.Errorf("%q comes before the first @@", line)
		case kind == ' ':
			all[last].before, all[last].after = all[last].before+rest, all[last].after+rest
		case kind == '-':
			all[last].before += rest
		case kind == '+':
			all[last].after += rest
		default:
			return nil, fmt.Errorf("%q begins with none of ---, @@, space, - and +", line)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("nothing is changed")
	}
	return all, nil
}

// apply returns the changed files by their path below root.
func (b bug) apply(root string) (map[string]string, error) {
	files := map[string]string{}
	for _, c := range b.changes {
		text, ok := files[c.file]
		if !ok {
			raw, err := os.ReadFile(filepath.Join(root, c.file))
			if err != nil {
				return nil, err
			}
			text = string(raw)
		}
		at, n := places(lines(text), lines(c.before))
		if n != 1 {
			return nil, fmt.Errorf("%s has this %d times, not once:\n%s", c.file, n, c.before)
		}
		all := slices.Replace(lines(text), at, at+len(lines(c.before)), lines(c.after)...)
		files[c.file] = strings.Join(all, "")
	}
	return files, nil
}

func lines(text string) []string { return slices.Collect(strings.Lines(text)) }

// places counts where part is in all, whatever the indentation, and returns
// the last place.
func places(all, part []string) (at, n int) {
	alike := func(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) }
	for i := range len(all) - len(part) + 1 {
		if slices.EqualFunc(all[i:i+len(part)], part, alike) {
			at, n = i, n+1
		}
	}
	return at, n
}

func TestAPatchIsAppliedOnceOrRefused(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.go"), []byte("one\ntwo\ntwo\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const head = "It is wrong.\ngo test ./a -run 'TestA|TestB' -sim.n=3\n\n--- a.go\n@@\n"
	cases := map[string]struct{ diff, want, err string }{
		"a line is replaced":             {" one\n-two\n+2\n", "one\n2\ntwo\nthree\n", ""},
		"two hunks of one file":          {"-one\n@@\n-three\n+3\n", "two\ntwo\n3\n", ""},
		"what is there twice":            {"-two\n", "", "2 times"},
		"what is gone":                   {"-four\n", "", "0 times"},
		"another indentation":            {"-\tone\n+1\n", "1\ntwo\ntwo\nthree\n", ""},
		"the end of a line alone":        {"-ne\n", "", "0 times"},
		"something else than a diff":     {"one\n", "", "begins with none"},
		"a line of another file's lines": {"-one\n-three\n", "", "0 times"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b, err := parse("a", head+c.diff)
			var files map[string]string
			if err == nil {
				files, err = b.apply(root)
			}
			if got := files["a.go"]; got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q, %v", got, err)
			}
			if err == nil && b.catcher != (catcher{"./a", "-test.run=TestA|TestB\n-sim.n=3"}) && b.catcher != (catcher{"./a", "-test.run\nTestA|TestB\n-sim.n=3"}) {
				t.Errorf("caught by %+v", b.catcher)
			}
		})
	}
	for _, bad := range []string{"", "No command.\n\n--- a\n@@\n-a\n", "It is wrong.\ngo build ./a\n\n--- a\n@@\n-a\n", "It is wrong.\ngo test ./a\n\n--- a\n"} {
		if _, err := parse("a", bad); err == nil {
			t.Errorf("taken: %q", bad)
		}
	}
}
