package sealed_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/internal/secret/sealed"
)

// sample is a file of testdata, which the program sops wrote.
func sample(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFilesThatSopsWroteAreDecryptedWithAnAgeKey(t *testing.T) {
	k := sealed.Keys{Age: func() (secret.Value, error) { return secret.New(sample(t, "age.key")), nil }}
	inYAML := map[string]string{
		"PASSWORD": "hunter2-of-sops", "port": "5432", "ratio": "0.5", "tls": "true", "off": "false", "empty": "", "key": "one\ntwo\n",
		"database.hosts.0": "db1", "database.hosts.1": "db2", "database.nested.deep": "ünïcode", "region_unencrypted": "eu", "count_unencrypted": "7",
	}
	for from, c := range map[string]struct {
		to   string
		want map[string]string
	}{
		"sealed.env": {".kamal/secrets", map[string]string{
			"PASSWORD": "hunter2-of-sops", "EMPTY": "", "SPACED": `two words = "quoted" 'single' #no comment`, "LINES": "one\ntwo"}},
		"sealed.yaml": {"config/secrets.yml", inYAML},
		"partly.yaml": {".kamal/secrets-common.yaml", inYAML},
		"sealed.json": {".kamal/secrets.json", map[string]string{
			"PASSWORD": "hunter2-of-sops", "port": "5432", "big": "12345678901", "ratio": "1.25", "tls": "true", "list.0": "a", "list.1.b": "c",
			"esc": "é\n\"q\"", "note_unencrypted": "plain", "n_unencrypted": "3"}},
	} {
		whole := sample(t, from)
		s, err := open(t, k, fstest.MapFS{c.to: file(whole)}, "")
		if err != nil {
			t.Errorf("%s: %v", from, err)
			continue
		}
		for name, want := range c.want {
			if v, ok, err := s.Lookup(name); v.Reveal() != want || !ok || err != nil {
				t.Errorf("%s: %s is %q, %v, %v; want %q", from, name, v.Reveal(), ok, err, want)
			}
		}
		changed := strings.Replace(whole, "_unencrypted", "_unencrypteD", 1)
		if from == "sealed.env" {
			changed = strings.Replace(whole, "EMPTY=\n", "", 1) + "MORE=x\n"
		}
		if _, err := open(t, k, fstest.MapFS{c.to: file(changed)}, ""); err == nil && from != "partly.yaml" {
			t.Errorf("%s: a change is not noticed", from)
		}
	}
	if _, err := open(t, k, fstest.MapFS{".kamal/secrets.json": file(sample(t, "groups.json"))}, ""); err == nil || !strings.Contains(err.Error(), "split among groups") {
		t.Errorf("groups of keys: %v", err)
	}
}
