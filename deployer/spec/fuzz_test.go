package spec_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

// FuzzLoad holds the promises of Load for any bytes: it neither panics nor
// hangs; a wrong file has located errors of the file; a right one renders.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yml", "testdata/bad/*.yml", "testdata/post/*.yml"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			f.Fatalf("no seeds in %s", pattern)
		}
		for _, name := range names {
			src, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(src))
		}
	}
	f.Fuzz(func(t *testing.T, file string) {
		start := time.Now()
		d, _, err := spec.Load(repository(file), spec.Options{Env: environment})
		if took := time.Since(start); took > 10*time.Second {
			t.Fatalf("took %s for %d bytes", took, len(file))
		}
		if err == nil {
			checkLoaded(t, d)
			return
		}
		located, ok := errors.AsType[spec.Errors](err)
		if !ok && !errors.Is(err, fs.ErrNotExist) || ok && len(located) == 0 {
			t.Fatalf("no located errors: %v", err)
		}
		lines := strings.Count(file, "\n") + 1
		for _, e := range located {
			if e.Line < 1 || e.Line > lines || e.Column < 1 || e.File == "" || e.Message == "" {
				t.Fatalf("%d lines, but: %v", lines, e)
			}
		}
	})
}

func checkLoaded(t *testing.T, d *spec.Deploy) {
	if d.Service == "" || d.Image.Repository == "" {
		t.Fatalf("loaded without service or image: %+v", d)
	}
	for _, r := range d.Roles {
		for _, h := range r.Hosts {
			if h.Address == "" || strings.ContainsAny(h.Address, " ;|&$`'\"\n<>(){}") || strings.HasPrefix(h.Address, "-") {
				t.Fatalf("host %q", h.Address)
			}
			d.EnvFor(r.Name, h.Address)
		}
		if r.Proxied != (r.Proxy != nil) || r.Scale < 1 {
			t.Fatalf("role %+v", r)
		}
	}
	for _, render := range []func() ([]byte, error){d.RenderYAML, d.RenderJSON} {
		if _, err := render(); err != nil {
			t.Fatal(err)
		}
	}
	d.SecretNames()
}
