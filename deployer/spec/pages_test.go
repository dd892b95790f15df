package spec_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

func TestAnErrorPageThatIsAProgramIsRefusedAtItsLine(t *testing.T) {
	load := func(more string) (*spec.Deploy, error) {
		d, _, err := spec.Load(fstest.MapFS{
			"config/deploy.yml": {Data: []byte(small + "error_pages_path: public\n" + more)},
			"public/503.html":   {Data: []byte("<html>\n  <p>{{ if .Message }}{{ .Message }}{{ end }}</p>\n")},
			"public/404.html":   {Data: []byte("<p>{{ .Message }}</p>")},
		}, spec.Options{})
		return d, err
	}
	const want = "public/503.html:2:6: error_pages_path: {{ if .Message }} is not filled in (use {{ .Message }}, {{ .Status }}, {{ .Title }} or {{ .Text }} alone; " +
		"where kamal-proxy itself serves, write `x-fairlead: { proxy: kamal-proxy }`)"
	for _, ours := range []string{"", "x-fairlead: {proxy: fairlead}", "x-fairlead: {proxy: fairlead}\nproxy: {run: {version: v0.9.2}}"} {
		_, err := load(ours)
		var all spec.Errors
		if !errors.As(err, &all) || all.Error() != want || !strings.Contains(all.Excerpts(), "2 |   <p>{{ if .Message }}") {
			t.Errorf("%q: got %v", ours, err)
		}
	}
	for _, other := range []string{"x-fairlead: {proxy: kamal-proxy}", "x-fairlead: {proxy: none}", "x-fairlead: {proxy: traefik}", "proxy: {run: {version: v0.9.2}}"} {
		if d, err := load(other); err != nil || len(d.ErrorPages) != 2 {
			t.Errorf("%q: got %v", other, err)
		}
	}
}
