package page_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/proxy/page"
)

func TestTheValuesOfAnErrorPageAreTextAndNoHTML(t *testing.T) {
	p, err := page.Parse("a{{.Message}} {{ .Status }} {{- .Title -}} {{ .Text }}z {{ no end")
	if err != nil {
		t.Fatal(err)
	}
	got := p.Fill(page.Values{Message: `<b a="1">{{ .Text }}`, Status: "503", Title: "T", Text: "&"})
	if want := "a&lt;b a=&#34;1&#34;&gt;{{ .Text }} 503 T &amp;z {{ no end"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWhatIsNoPageIsTheReasonAndItsPlace(t *testing.T) {
	for text, want := range map[string]page.Error{
		"<p>\n a {{ if .Message }}b{{ end }}": {Line: 2, Column: 4, Problem: "{{ if .Message }} is not filled in"},
		"{{ .Message | js }}":                 {Line: 1, Column: 1, Problem: "{{ .Message | js }} is not filled in"},
		strings.Repeat("{{ .Message }}\n", page.MaxPlaces+1): {
			Line: page.MaxPlaces + 1, Column: 1, Problem: "it has more than 100 places for values",
		},
	} {
		_, err := page.Parse(text)
		var e *page.Error
		if !errors.As(err, &e) || e.Line != want.Line || e.Column != want.Column || e.Problem != want.Problem || e.Hint == "" || e.Error() != e.Problem+"; "+e.Hint {
			t.Errorf("%.40q: got %#v", text, err)
		}
	}
}

func FuzzAnErrorPage(f *testing.F) {
	f.Add("<h1>{{ .Status }} {{ .Title }}</h1> {{ .Text }}", "closed")
	f.Add("{{ .Message }}{{-.Status}}{{", "<")
	f.Add("\n{{ if }}", "")
	f.Fuzz(func(t *testing.T, text, message string) {
		p, err := page.Parse(text)
		if err != nil {
			var e *page.Error
			if lines := 1 + strings.Count(text, "\n"); !errors.As(err, &e) || e.Line < 1 || e.Line > lines || e.Column < 1 {
				t.Errorf("%#v in %d lines", err, lines)
			}
			return
		}
		if out := p.Fill(page.Values{Message: message}); len(out) > len(text)+page.MaxPlaces*6*len(message) {
			t.Errorf("%d bytes of %d", len(out), len(text))
		}
	})
}
