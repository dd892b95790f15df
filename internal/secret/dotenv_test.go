package secret

import (
	"errors"
	"strings"
	"testing"
)

// read evaluates a file that refers to nothing outside.
func read(t testing.TB, data string) map[string]string {
	t.Helper()
	d, err := (&evaluator{}).evaluate(t.Context(), "secrets", data)
	if err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	got := make(map[string]string)
	for name := range d.values {
		v, _, err := d.Lookup(name)
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		got[name] = v.Reveal()
	}
	return got
}

func TestDotenvIsReadAsKamalReadsIt(t *testing.T) {
	for data, want := range map[string]string{
		"A=b":                               "b",
		"A=":                                "",
		"A:":                                "",
		"  A = b  ":                         "b",
		"export A=b":                        "b",
		"A: b":                              "b",
		"A=b c":                             "b c",
		"A=b # comment":                     "b",
		"A=b#comment":                       "b",
		"A='b#c' # comment":                 "b#c",
		`A="b#c"`:                           "b#c",
		"# comment\n\nA=b\n#end":            "b",
		"A=b\r\n":                           "b",
		"A='b\r\nc'\r\n":                    "b\nc",
		"A='b\nc'":                          "b\nc",
		"A=\"b\nc\"\n":                      "b\nc",
		`A='$B ${C} $(d) \n'`:               `$B ${C} $(d) \n`,
		`A="b\nc"`:                          `b\nc`,
		`A="b\tc\"d\\e"`:                    `btc"d\e`,
		`A="\$B \$(c)"`:                     `$B $(c)`,
		`A=\$B`:                             `$B`,
		`A=pa$$`:                            `pa$$`,
		`A=5$`:                              `5$`,
		`A='it\'s'`:                         `it\'s`,
		`A='C:\'`:                           `C:\`,
		"A='C:\\'\nB='x'":                   `C:\`,
		"A='old'\nA=b":                      "b",
		"B=x\nA=$B-${B}y":                   "x-xy",
		"B='$C'\nA=\"$B\"":                  "$C",
		"A=postgres://u:p@db:5432/x?y=z":    "postgres://u:p@db:5432/x?y=z",
		"A=中文 パス":                           "中文 パス",
		"A=\"-----BEGIN\nab+/=\n-----END\"": "-----BEGIN\nab+/=\n-----END",
		"A='" + strings.Repeat("x", 64<<10) + "'": strings.Repeat("x", 64<<10),
	} {
		if got := read(t, data)["A"]; got != want {
			t.Errorf("%.60q: got %.60q; want %.60q", data, got, want)
		}
	}
}

func TestWhatCannotBeReadIsNamedByLineAndKeyAndNeverByValue(t *testing.T) {
	for data, want := range map[string]string{
		"B=1\nA='canary":         "secrets:2: A: the quote is never closed",
		"A=\"canary\" canary":    "secrets:1: A: text after the closing quote",
		"# x\n\ncanary":          "secrets:3: no NAME=value",
		"export canary":          "secrets:1: no NAME=value",
		"A=$(canary":             "secrets:1: A: $( is never closed",
		"A=${X:-canary}":         "secrets:1: A: only ${NAME} is understood",
		"B='a\nb\nc'\nA='canary": "secrets:4: A: the quote",
	} {
		_, err := parse("secrets", data)
		if _, ok := errors.AsType[*ParseError](err); !ok || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: got %v; want %q", data, err, want)
		}
	}
}

func TestAllUnreadableLinesAreNamedAtOnce(t *testing.T) {
	_, err := parse("secrets", "A='x' y\nB=ok\nC=${\n")
	for _, want := range []string{"secrets:1: A:", "secrets:3: C:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestAFileThatIsTooLongIsRefused(t *testing.T) {
	if _, err := parse("secrets", strings.Repeat("#", maxFile+1)); err == nil {
		t.Error("no error")
	}
}

// FuzzDotenv: no bytes make it panic, an entry's span lies in its file, and
// what was read can be written and read again.
func FuzzDotenv(f *testing.F) {
	for _, seed := range []string{
		"A=b", "A='b", `A="\`, "export A: $B ${C} $(d (e))", "A=\"x\ny\"#z\nB='\\''", "\r\n=\x00\xff", "A=${", "A=$(", "A='\\'\nB=\"\\\"",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data string) {
		entries, _ := parse("fuzz", data)
		last := 0
		for _, e := range entries {
			if e.start < last || e.valueStart < e.start || e.valueEnd < e.valueStart || e.end < e.valueEnd || e.end > len(data) {
				t.Fatalf("%q: entry %q spans %d-%d with value %d-%d after %d", data, e.name, e.start, e.end, e.valueStart, e.valueEnd, last)
			}
			last = e.end
		}
		text, err := quote(data)
		if err != nil {
			return
		}
		if got := read(t, "A="+text+" # comment\nB='x'\n"); got["A"] != data || got["B"] != "x" {
			t.Fatalf("wrote %q as %s and read %q", data, text, got)
		}
	})
}
