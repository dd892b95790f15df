package slack

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscapingKeepsWholeEscapes(t *testing.T) {
	for _, test := range []struct {
		in    string
		limit int
		want  string
	}{
		{"a<b>&c", 100, "a&lt;b&gt;&amp;c"},
		{"<!channel>", 100, "&lt;!channel&gt;"},
		{"<<<", 10, "&lt;&lt;…"},
		{"<<<", 9, "&lt;&lt;…"},
		{"<<<", 8, "&lt;…"},
		{"💥💥", 4, "💥…"},
		{"", 10, ""},
	} {
		if got := escape(test.in, test.limit); got != test.want {
			t.Errorf("escape(%q, %d) = %q, want %q", test.in, test.limit, got, test.want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"<!channel>", "<https://x|y>", "&lt;", "💥<>", "\xff<", strings.Repeat("&", 3000)} {
		f.Add(s, 50)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 2 + (limit&0x7fffffff)%4000
		got := escape(s, limit)
		if strings.ContainsAny(got, "<>") {
			t.Errorf("markup in %q", got)
		}
		if units(got) > limit {
			t.Errorf("%d units, limit %d", units(got), limit)
		}
		if utf8.ValidString(s) && units(strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)) < limit {
			if back := strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(got); back != s {
				t.Errorf("%q came back as %q", s, back)
			}
		}
		rest := strings.NewReplacer("&lt;", "", "&gt;", "", "&amp;", "").Replace(got)
		if strings.Contains(rest, "&") {
			t.Errorf("half an escape in %q", got)
		}
	})
}
