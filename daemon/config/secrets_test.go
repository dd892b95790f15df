package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/daemon/config"
)

func TestAProgramThatGivesSecretsIsReadWithItsDefaults(t *testing.T) {
	read := func(secrets string) (*config.Config, error) {
		return config.Parse("fairlead.yml", "/etc/fairlead", []byte("repositories: { shop: { url: /srv/shop.git, secrets: "+secrets+" } }\n"))
	}
	c, err := read("{ exec: { command: [op, inject, \"$HOME; id\"] }, age: { file: age.key } }")
	if err != nil {
		t.Fatal(err)
	}
	s := c.Repositories["shop"].Secrets
	if got := fmt.Sprintf("%q %s %s %s %s", s.Exec.Command, s.Exec.Cache, s.Exec.Deadline, s.Exec.Stale, s.Age.File); got != `["op" "inject" "$HOME; id"] 10m0s 30s 1h0m0s /etc/fairlead/age.key` {
		t.Errorf("it is %s", got)
	}
	if c, err = read("{ exec: { command: vault-secrets, cache: never, stale: never } }"); err != nil || c.Repositories["shop"].Secrets.Exec.Cache > 0 || c.Repositories["shop"].Secrets.Exec.Stale > 0 {
		t.Errorf("never: %v", err)
	}
	for secrets, want := range map[string]string{
		"{ exec: { command: op inject } }":                  "no shell reads it",
		"{ exec: { cache: 5m } }":                           "command",
		"{ exec: { command: [op], deadline: never } }":      "is no duration",
		"{ exec: { command: [op], env: [\"A=hunter2\"] } }": "a variable's name",
		"{ age: AGE-SECRET-KEY-1HUNTER2 }":                  "a secret is written out",
	} {
		_, err := read(secrets)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "HUNTER2") {
			t.Errorf("%s: %v; want %q", secrets, err, want)
		}
	}
}
