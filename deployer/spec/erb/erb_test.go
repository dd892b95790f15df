package erb_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fairlead-deploy/fairlead/deployer/spec/erb"
	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

func world() erb.World {
	return erb.World{
		Env: func(name string) (string, bool) {
			v, ok := map[string]string{"A": "a", "EMPTY": ""}[name]
			return v, ok
		},
		ReadFile: func(name string) ([]byte, error) {
			if name == "VERSION" {
				return []byte("1.2\n"), nil
			}
			return nil, fs.ErrNotExist
		},
		Command: func(line string) (string, error) {
			if line == "fail" {
				return "", errors.New("exit status 1")
			}
			return "[" + line + "]\n", nil
		},
	}
}

func TestExpressionsEvaluateAsInRuby(t *testing.T) {
	for code, want := range map[string]string{
		`ENV["A"]`:                           "a",
		`ENV['A']`:                           "a",
		`ENV["NO"]`:                          "",
		`ENV.fetch("A")`:                     "a",
		`ENV.fetch("NO", "d")`:               "d",
		`ENV.fetch("NO") { "b" }`:            "b",
		`ENV.fetch("NO", ENV["A"])`:          "a",
		`ENV["NO"] || ENV["A"] || "c"`:       "a",
		`ENV["NO"] || ENV["NEITHER"] || 'c'`: "c",
		`ENV["EMPTY"] || "c"`:                "", // an empty text is true in Ruby
		`ENV["EMPTY"].presence || "c"`:       "c",
		`(ENV["NO"] || "x").strip`:           "x",
		`"A" || ENV.fetch("NO")`:             "A", // never evaluated
		`"A" || fail`:                        "error",
		`"A" || %x(fail)`:                    "A",
		`ENV.fetch("A", ` + "`fail`" + `)`:   "a",
		`'it\'s'`:                            "it's",
		`"a\tb\"c\\"`:                        "a\tb\"c\\",
		`'a\tb'`:                             `a\tb`,
		`3_000`:                              "3000",
		`true`:                               "true",
		`nil.to_s`:                           "",
		`File.read("VERSION")`:               "1.2\n",
		`File.read("./VERSION").strip`:       "1.2",
		`File.read("../VERSION")`:            "error",
		`File.read("NONE")`:                  "error",
		"`cat VERSION`":                      "1.2",
		"`echo x`":                           "[echo x]",
		"%x(echo (x))":                       "[echo (x)]",
		"%x{a}":                              "[a]",
		"`fail`":                             "error",
		"`a #{b}`":                           "error",
		`"#{x}"`:                             "error",
		`ENV["A"].split(",")`:                "error",
		`ENV["A"] + "b"`:                     "error",
		`ENV["A"`:                            "error",
		`ENV.fetch("NO")`:                    "error",
		`"open`:                              "error",
		``:                                   "error",
		strings.Repeat("(", 99) + "1":        "error",
		`system("reboot")`:                   "error",
		`Kamal::Utils.docker_arch`:           "error",
		`eval("1")`:                          "error",
		`"a"; "b"`:                           "error",
	} {
		var report schema.Report
		tpl := erb.Scan("f", []byte("<%= "+code+" %>"), world(), &report)
		got, _, err := tpl.Expand(0)
		if err != nil {
			got = "error"
			if e, ok := errors.AsType[*schema.Error](err); !ok || e.Line != 1 || e.Column < 4 || e.Message == "" {
				t.Errorf("%s: the error has no place: %v", code, err)
			}
		}
		if got != want || report.Failed() {
			t.Errorf("%s is %q, want %q (%v)", code, got, want, err)
		}
	}
}

func TestMaskingKeepsEveryLineAndColumn(t *testing.T) {
	src := "a: <%= ENV[\"Ä\"] %> # <%= nothing %>\nb: x<%# gone %>y\n# <% if x %>\nc: '<%= \"é\" -%>'\n"
	var report schema.Report
	tpl := erb.Scan("f", []byte(src), world(), &report)
	if report.Failed() {
		t.Fatal(report.Err())
	}
	in, out := strings.Split(src, "\n"), strings.Split(string(tpl.Masked), "\n")
	if len(in) != len(out) {
		t.Fatalf("%d lines became %d", len(in), len(out))
	}
	for i := range in {
		if utf8.RuneCountInString(in[i]) != utf8.RuneCountInString(out[i]) {
			t.Errorf("%q became %q", in[i], out[i])
		}
		if strings.Contains(out[i], "<%=") {
			t.Errorf("a template is left in %q", out[i])
		}
	}
}

func TestATemplateWithoutEndIsLocated(t *testing.T) {
	var report schema.Report
	erb.Scan("f", []byte("a: b\nc: <%= ENV['X']\n"), world(), &report)
	if err := report.Err(); err == nil || !strings.HasPrefix(err.Error(), "f:2:4: the template has no end") {
		t.Error(err)
	}
}

func TestAnUnsetVariableIsNamed(t *testing.T) {
	var report schema.Report
	tpl := erb.Scan("f", []byte(`<%= ENV["NO"] || ENV["ALSO"] %>`), world(), &report)
	if _, unset, err := tpl.Expand(0); err != nil || strings.Join(unset, " ") != "NO ALSO" {
		t.Errorf("%v %v", unset, err)
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{"<%= ENV['A'] %>", "# <% x", "a: <%= `x` -%> b", "<%# c\n %>", "<%= (((\"", "<%=%>", "\"<%= 1 %>' #"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if schema.Check("f", []byte(src)) != nil {
			return
		}
		var report schema.Report
		tpl := erb.Scan("f", []byte(src), world(), &report)
		if got, want := utf8.RuneCount(tpl.Masked), utf8.RuneCountInString(src); got != want {
			t.Fatalf("%d runes became %d", want, got)
		}
		for i := range 3 {
			_, _, _ = tpl.Expand(i)
			tpl.EnvName(i)
			tpl.RunsCommand(i)
		}
	})
}
