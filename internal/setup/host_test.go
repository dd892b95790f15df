package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/daemon/config"
)

func TestAHostIsAddedAndWhatElseIsWrittenStays(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "fairlead.yml")
	before := "# ours\nrepositories:\n  shop: { url: /srv/shop.git }\nhosts:\n  db1: { address: 10.0.0.9 } # the old one\ndata_dir: " + dir + "\n"
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	add := func(h NewHost) error {
		c, err := config.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		return h.Add(file, c)
	}
	if err := add(NewHost{Name: "web1.example.com", Address: "10.0.1.10", User: "deploy", Port: 2222}); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if h := c.Hosts["web1.example.com"]; h.Address != "10.0.1.10" || h.User != "deploy" || h.Port != 2222 {
		t.Errorf("it is written as %+v", h)
	}
	after, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(before), "\n") {
		if !strings.Contains(string(after), line) {
			t.Errorf("%q is gone from\n%s", line, after)
		}
	}
	if err := add(NewHost{Name: "db1", Address: "10.0.0.1"}); err == nil || !strings.Contains(err.Error(), "change it there") {
		t.Errorf("a host that is there already: %v", err)
	}
	if again, err := os.ReadFile(file); err != nil || string(again) != string(after) {
		t.Errorf("a refused one changed the file: %v\n%s", err, again)
	}
}
