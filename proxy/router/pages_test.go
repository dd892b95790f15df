package router

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

func TestAnErrorPageIsNoProgram(t *testing.T) {
	for _, page := range []string{
		"{{ range 9999999999 }}x{{ end }}", "{{ if .Message }}a{{ end }}", "{{ printf \"%d\" 1 }}", "{{ .Message | js }}", "{{}}",
		strings.Repeat("{{ .Message }}", maxPlaces+1),
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "503.html"), []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
		r := newRig(t)
		address, _ := target(t, says("hello"))
		_, err := r.deploy("shop", []string{address}, options(func(o *control.Options) { o.ErrorPages = dir }))
		if KindOf(err) != control.Invalid || !strings.Contains(err.Error(), "503.html: ") {
			t.Errorf("%.40s: got %v", page, err)
		}
	}
}

func TestTheValuesOfAnErrorPageAreTextAndNoHTML(t *testing.T) {
	p, err := parsePage("a{{.Message}} {{ .Status }} {{- .Title -}} {{ .Text }}z {{ no end")
	if err != nil {
		t.Fatal(err)
	}
	got := p.fill(pageValues{Message: `<b a="1">{{ .Text }}`, Status: "503", Title: "T", Text: "&"})
	if want := "a&lt;b a=&#34;1&#34;&gt;{{ .Text }} 503 T &amp;z {{ no end"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzAnErrorPage(f *testing.F) {
	f.Add(builtinPage, "closed")
	f.Add("{{ .Message }}{{-.Status}}{{", "<")
	f.Fuzz(func(t *testing.T, page, message string) {
		p, err := parsePage(page)
		if err != nil {
			return
		}
		if out := p.fill(pageValues{Message: message}); len(out) > len(page)+maxPlaces*6*len(message) {
			t.Errorf("%d bytes of %d", len(out), len(page))
		}
	})
}
