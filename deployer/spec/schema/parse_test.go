package schema_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

func parse(src string) (*schema.Node, error) {
	if err := schema.Check("f.yml", []byte(src)); err != nil {
		return nil, err
	}
	var report schema.Report
	n := schema.Parse(schema.Source{File: "f.yml", Bytes: []byte(src)}, &report)
	return n, report.Err()
}

func TestHostileFilesAreRefusedQuickly(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 9; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	nested := ""
	for i := range 200 {
		nested += strings.Repeat(" ", i) + "a:\n"
	}
	for name, c := range map[string]struct{ src, want string }{
		"a file of more than a mebibyte": {strings.Repeat("# comment\n", 200_000), "f.yml:1:1: the file is larger than 1024 KiB"},
		"UTF-16":                         {"\xff\xfea\x00", "f.yml:1:1: the file is UTF-16 (save it as UTF-8)"},
		"bytes that are not UTF-8":       {"a: b\nc: \xc3\x28\n", "f.yml:2:4: byte 0xc3 is not UTF-8 (save the file as UTF-8)"},
		"a NUL":                          {"a: \x00\n", "f.yml:1:4: character U+0000 is not allowed (remove it)"},
		"an escape sequence":             {"a: \x1b[31m\n", "f.yml:1:4: character U+001B is not allowed (remove it)"},
		"a byte order mark in the midst": {"a: \ufeffb\n", "f.yml:1:4: character U+FEFF is not allowed (remove it)"},
		"a line end of old":              {"a: b\rc: d\n", "f.yml:1:5: line end U+000D is not allowed (end lines with a line feed)"},
		"deep brackets":                  {"a: " + strings.Repeat("[", 500_000), "f.yml:1:132: values nest deeper than 32"},
		"deep braces":                    {strings.Repeat("{a: ", 200_000), "f.yml:1:513: values nest deeper than 32"},
		"deep dashes":                    {strings.Repeat("- ", 500_000), "f.yml:1:257: values nest deeper than 32"},
		"deep maps":                      {nested, "f.yml:34:34: values nest deeper than 32"},
		"many values":                    {"a: [" + strings.Repeat("x,", 500_000) + "]", "f.yml:1:80004: the file has more than 20000 values"},
		"many lines":                     {strings.Repeat("a\n", 500_000), "f.yml:40001:2: the file has more than 20000 values"},
		"aliases that multiply":          {bomb, "f.yml:1:16: the file has more than 20000 values (use fewer aliases)"},
		"an alias of itself":             {"a: &a [*a]\n", "f.yml:1:4: values nest deeper than 32"},
		"a merge of itself":              {"a: &a {<<: *a}\n", "values nest deeper than 32"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := parse(c.src)
			took := time.Since(start)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			t.Logf("%d KiB in %s", len(c.src)>>10, took)
			if took > 5*50*time.Millisecond {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestScalarsReadAsTheirAuthorMeans(t *testing.T) {
	root, err := parse(`
octal: 0640
port: 22:22
grouped: 400_000
symbol: :verbose
yes: Yes
off: OFF
quoted: "yes"
quoted_symbol: ":verbose"
tagged: !!str yes
null: ~
seconds: 5
fraction: 0.25
text: 1m30s
size: 10m
big: 1_000_000
`)
	if err != nil {
		t.Fatal(err)
	}
	r := schema.Reader{Report: &schema.Report{}}
	v := r.Root(root)
	for name, c := range map[string]struct{ got, want any }{
		"an octal number keeps its text":   {v.Get("octal").Plain(), "0640"},
		"a port pair keeps its text":       {v.Get("port").Plain(), "22:22"},
		"grouped digits are a number":      {v.Get("grouped").Int(0, 1e6), 400_000},
		"grouped digits in text are plain": {v.Get("grouped").Plain(), "400000"},
		"a symbol is a word":               {v.Get("symbol").Text(), "verbose"},
		"yes is true":                      {v.Get("yes").Bool(), true},
		"yes as text is true":              {v.Get("yes").Plain(), "true"},
		"yes as written":                   {v.Get("yes").Text(), "Yes"},
		"off is false":                     {v.Get("off").Bool(), false},
		"a quoted yes is text":             {v.Get("quoted").Plain(), "yes"},
		"a quoted yes is no boolean":       {v.Get("quoted").IsBool(), false},
		"a quoted symbol is text":          {v.Get("quoted_symbol").Text(), ":verbose"},
		"a tagged yes is text":             {v.Get("tagged").Plain(), "yes"},
		"null is absent":                   {v.Get("null").Absent(), true},
		"a number is seconds":              {v.Get("seconds").Duration(), 5 * time.Second},
		"a fraction is seconds":            {v.Get("fraction").Duration(), 250 * time.Millisecond},
		"a text is a duration":             {v.Get("text").Duration(), 90 * time.Second},
		"a size has units":                 {v.Get("size").Bytes(), int64(10 << 20)},
		"a size has groups":                {v.Get("big").Bytes(), int64(1_000_000)},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %v, want %v", name, c.got, c.want)
		}
	}
	if err := r.Report.Err(); err != nil {
		t.Error(err)
	}
}

func TestSuggestionsAreNearOrNone(t *testing.T) {
	known := []string{"hosts", "cmd", "options", "proxy", "stop_timeout"}
	for word, want := range map[string]string{
		"hostz": "hosts", "host": "hosts", "optoins": "options", "stoptimeout": "stop_timeout",
		"zzzzzz": "", "x": "", "kubernetes": "",
	} {
		got := schema.Suggest(word, known)
		if want != "" {
			want = `did you mean "` + want + `"?`
		}
		if got != want {
			t.Errorf("%s: %s, want %s", word, got, want)
		}
	}
}
