package actor_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/notify/webhook"
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

// shown is a server where each command prints the canary, but for one.
type shown struct{ secret, silent string }

func (s shown) Exec(_ context.Context, argv ...string) (string, error) {
	if line := strings.Join(argv, " "); !strings.Contains(line, s.silent) {
		return "before " + hex.EncodeToString([]byte(s.secret)) + " after", nil
	}
	return "nothing", nil
}

func TestACanaryIsFoundInEachPlaceThatASuiteLooksAt(t *testing.T) {
	canary := actor.Canary()
	secrets := map[string]string{"KEY": canary}
	dir := t.TempDir()
	data, log := filepath.Join(dir, "data"), filepath.Join(dir, "log")
	if found, err := actor.Left(data, log, nil, secrets); err != nil || len(found) != 0 {
		t.Errorf("where no daemon was: %q, %v", found, err)
	}
	for path, text := range map[string]string{filepath.Join(data, "deep/er/fairlead.db"): canary, log: "level=INFO " + canary} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inbox, err := actor.OpenInbox("signed")
	if err != nil {
		t.Fatal(err)
	}
	defer inbox.Close()
	talks, err := webhook.New(webhook.Config{URL: secret.New(inbox.URL), Secret: secret.New("signed")})
	if err == nil {
		err = talks.Notify(t.Context(), notify.Message{ID: "1", Title: "it says " + canary})
	}
	if err != nil {
		t.Fatal(err)
	}
	found, err := actor.Left(data, log, inbox, secrets)
	if !slices.Contains(found, "KEY in JSON: the messages") {
		t.Errorf("the messages: found %q", found)
	}
	for _, where := range []string{"fairlead.db", "log"} {
		if err != nil || !slices.ContainsFunc(found, func(leak string) bool {
			return strings.HasPrefix(leak, "KEY in plain text: ") && strings.HasSuffix(leak, where)
		}) {
			t.Errorf("%s: found %q, %v", where, found, err)
		}
	}
	for where, silent := range map[string]string{"the commands on h": "sshd.log", "the processes of h": "/proc/", "the files of h": ".kamal", "the containers of h": "docker ps"} {
		found, err := actor.Kept(t.Context(), "h", shown{canary, silent}, secrets)
		if err != nil || len(found) != 3 || slices.Contains(found, "KEY in hex: "+where) {
			t.Errorf("all but %s: found %q, %v", where, found, err)
		}
	}
}
