package actor_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
)

func TestACanaryIsFoundInEachOfEightEncodings(t *testing.T) {
	canary := actor.Canary()
	if n := len(actor.Encodings(canary)); n != 8 {
		t.Errorf("there are %d encodings", n)
	}
	inJSON, err := json.Marshal(map[string]string{"k": canary})
	if err != nil {
		t.Fatal(err)
	}
	for how, text := range map[string]string{
		"plain text": "x" + canary + "y", "hex": hex.EncodeToString([]byte(canary)), "JSON": string(inJSON),
		"base64":           base64.StdEncoding.EncodeToString([]byte("user:" + canary + "tail")),
		"base64 of URL":    base64.URLEncoding.EncodeToString([]byte("u:" + canary)),
		"a URL":            "https://h/?" + url.Values{"k": {canary}}.Encode(),
		"a shell's quotes": `'` + strings.ReplaceAll(canary, `'`, `'\''`) + `'`,
		"YAML":             `k: '` + strings.ReplaceAll(canary, `'`, `''`) + `'`,
	} {
		if found := actor.Leaks([]byte(text), map[string]string{"KEY": canary}); !slices.Contains(found, "KEY in "+how) {
			t.Errorf("%s: found %q in %s", how, found, text)
		}
	}
	if found := actor.Leaks([]byte("nothing of it here"), map[string]string{"KEY": canary}); len(found) > 0 {
		t.Errorf("found %q in nothing", found)
	}
}
