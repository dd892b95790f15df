package daemon

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/daemon/config"
)

func TestCommandsOfASecretsFileRunOnlyWhereTheyAreAllowed(t *testing.T) {
	t.Setenv("DAEMONS_TOKEN", "s3cr3t")
	files := fstest.MapFS{".kamal/secrets": {Data: []byte("BASE=sh\n" +
		"NAME=$(printf '%s' \"$BASE\" | sed s/sh/shop/)\nTOKEN=$(printf %s \"token $DAEMONS_TOKEN\")\nLONG=$(head -c 2000000 /dev/zero)\nBAD=$(exit 3)\n")}}
	allowed, err := settingsOf(config.Repository{Allow: []string{"commands"}}).Secrets(t.Context(), files, "", "")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"NAME": "shop", "TOKEN": "token "} {
		if v, ok, err := allowed.Lookup(name); v.Reveal() != want || !ok || err != nil {
			t.Errorf("%s is %q, %v, %v; want %q", name, v.Reveal(), ok, err, want)
		}
	}
	for name, want := range map[string]string{"LONG": "more than", "BAD": "exit status 3"} {
		if _, ok, err := allowed.Lookup(name); ok || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %q", name, ok, err, want)
		}
	}
	refused, err := settingsOf(config.Repository{}).Secrets(t.Context(), files, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := refused.Lookup("NAME"); ok || err == nil || !strings.Contains(err.Error(), "allow:") {
		t.Errorf("refused: %v, %v", ok, err)
	}
}
