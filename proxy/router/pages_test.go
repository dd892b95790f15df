package router

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/proxy/control"
	"github.com/fairlead-deploy/fairlead/proxy/page"
)

func TestAnErrorPageIsNoProgram(t *testing.T) {
	for _, text := range []string{
		"{{ range 9999999999 }}x{{ end }}", "{{ if .Message }}a{{ end }}", "{{ printf \"%d\" 1 }}", "{{ .Message | js }}", "{{}}",
		strings.Repeat("{{ .Message }}", page.MaxPlaces+1),
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "503.html"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r := newRig(t)
		address, _ := target(t, says("hello"))
		_, err := r.deploy("shop", []string{address}, options(func(o *control.Options) { o.ErrorPages = dir }))
		if KindOf(err) != control.Invalid || !strings.Contains(err.Error(), "503.html: ") {
			t.Errorf("%.40s: got %v", text, err)
		}
	}
}
