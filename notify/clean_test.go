package notify_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/fairlead-deploy/fairlead/notify"
)

func TestCleanMakesOneSafeLine(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"plain", "plain"},
		{"  tabs\tand\nlines\r\n", "tabs and lines"},
		{"\x1b[1;31mred\x1b[0m text", "red text"},
		{"\x1b]0;title\x07after", "after"},
		{"\x1b]8;;http://x\x1b\\link", `\link`},
		{"\x1bcreset", "creset"},
		{"bell\x07 null\x00 del\x7f c1\u0085\u009b", "bell null del c1"},
		{"\u202egnp.exe\u2066\u2069\u200e\u200f\u061c", "gnp.exe"},
		{"\ufefftag\U000e0041", "tag"},
		{"bad \xff\xfe utf8", "bad \ufffd\ufffd utf8"},
		{"para\u2029graph", "para graph"},
		{"Łódź 日本 💥 <b>&", "Łódź 日本 💥 <b>&"},
		{strings.Repeat("é", 21), strings.Repeat("é", 19) + "…"},
		{strings.Repeat("é", 20), strings.Repeat("é", 20)},
		{"\x1b[", ""},
		{"", ""},
	} {
		if got := notify.Clean(test.in, 20); got != test.want {
			t.Errorf("Clean(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"a\x1b[31mb", "\x1b]x", "\u202e", "\xff", "\x1b", "\x1b[", strings.Repeat("\x1b[1m", 3000), "é\u2028"} {
		f.Add(s, 20)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 1 + (limit&0x7fffffff)%1000
		got := notify.Clean(s, limit)
		if !utf8.ValidString(got) {
			t.Errorf("invalid UTF-8 %q", got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
			t.Errorf("controls in %q", got)
		}
		if utf8.RuneCountInString(got) > limit {
			t.Errorf("%d runes, limit %d", utf8.RuneCountInString(got), limit)
		}
		if again := notify.Clean(got, limit); again != got {
			t.Errorf("cleaning %q again gives %q", got, again)
		}
	})
}
