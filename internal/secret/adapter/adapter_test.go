package adapter_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/internal/secret/adapter"
	"github.com/fairlead-deploy/fairlead/internal/secret/program"
	"github.com/fairlead-deploy/fairlead/internal/secret/vault"
)

// fetch asks programs of testdata/bin, which speak as the vendors' do.
func fetch(t *testing.T, q adapter.Query) (string, error) {
	t.Helper()
	bin, err := filepath.Abs("testdata/bin")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+strings.TrimPrefix(os.Getenv("PATH"), bin+":"))
	values, err := adapter.Fetch(t.Context(), q, func(ctx context.Context, argv, env []string, mute bool) (program.Output, error) {
		return program.Run(ctx, program.Command{Argv: argv, Env: append(program.Environ("FAKE_BW"), env...), Mute: mute})
	})
	plain := map[string]string{}
	for name, v := range values {
		plain[name] = v.Reveal()
	}
	return fmt.Sprint(plain), err
}

func TestEachVaultOfKamalsIsAskedInItsOwnWords(t *testing.T) {
	names := func(names ...string) []string { return names }
	for _, c := range []struct {
		q    adapter.Query
		want string
	}{
		{adapter.Query{Adapter: "1password", Account: "acme", From: "op://Prod/API", Names: names("username", "db/URL")}, "map[Prod/API/db/URL:postgres://db Prod/API/username:ana]"},
		{adapter.Query{Adapter: "one_password", Names: names("Prod/API", "Prod/API/URL")}, `map[Prod/API:canary "1" $x Prod/API/URL:postgres://db]`},
		{adapter.Query{Adapter: "1password", From: "Prod/API"}, `map[Prod/API:canary "1" $x Prod/API/db/URL:postgres://db Prod/API/username:ana]`},
		{adapter.Query{Adapter: "bitwarden", Account: "ana", Names: names("API", "API/KEY", "Note")}, "map[API:canary API/KEY:k Note/KEY:n]"},
		{adapter.Query{Adapter: "bitwarden-sm", Names: names("382580ab")}, "map[KEY:canary]"},
		{adapter.Query{Adapter: "bitwarden_secrets_manager", Names: names("all")}, "map[KEY:canary OTHER:o]"},
		{adapter.Query{Adapter: "bitwarden-sm", Names: names("p/all")}, "map[KEY:canary OTHER:o]"},
		{adapter.Query{Adapter: "lastpass", Account: "ana", From: "prod", Names: names("KEY", "OTHER")}, "map[prod/KEY:canary prod/OTHER:o]"},
		{adapter.Query{Adapter: "aws_secrets_manager", Account: "acme", From: "prod", Names: names("app", "plain")}, "map[prod/app/KEY:canary prod/app/PORT:5432 prod/plain:just text]"},
		{adapter.Query{Adapter: "doppler", From: "shop/prd", Names: names("KEY", "OTHER")}, "map[KEY:canary OTHER:o]"},
		{adapter.Query{Adapter: "doppler", Names: names("KEY", "OTHER")}, "map[KEY:canary OTHER:o]"},
		{adapter.Query{Adapter: "gcp", Account: "ana@example.com|bot@example.com", From: "shop", Names: names("KEY")}, "map[shop/KEY:canary?>?]"},
		{adapter.Query{Adapter: "gcp_secret_manager", Account: "default", Names: names("KEY", "shop/KEY/3")}, "map[KEY:canary?>? shop/KEY:canary?>?]"},
		{adapter.Query{Adapter: "enpass", Account: "/vault", From: "shop", Names: names("KEY")}, "map[shop/KEY:canary 1]"},
		{adapter.Query{Adapter: "passbolt", From: "prod", Names: names("KEY", "db/PW")}, "map[KEY:canary PW:p]"},
		{adapter.Query{Adapter: "passbolt", Names: names("KEY")}, "map[KEY:canary]"},
	} {
		if got, err := fetch(t, c.q); err != nil || got != c.want {
			t.Errorf("%+v: %v\n got %s\nwant %s", c.q, err, got, c.want)
		}
	}
}

func TestWhatAVaultDoesNotGiveIsOneSentenceWithoutAValue(t *testing.T) {
	for want, q := range map[string]adapter.Query{
		`there is no adapter "keepass"; there are 1password, aws_secrets_manager, bitwarden`: {Adapter: "keepass", Names: []string{"K"}},
		"name the secrets to fetch":                    {Adapter: "doppler"},
		`"--profile=x" would be an option`:             {Adapter: "lastpass", Names: []string{"--profile=x"}},
		"1Password has no Prod/API/GONE":               {Adapter: "1password", Names: []string{"Prod/API/GONE"}},
		`"API" is no VAULT/ITEM/FIELD`:                 {Adapter: "1password", Names: []string{"API"}},
		"run bw: exit status 1: Not found.":            {Adapter: "bitwarden", Names: []string{"GONE"}},
		"Bitwarden has no API/GONE":                    {Adapter: "bitwarden", Names: []string{"API/GONE"}},
		"LastPass has no GONE":                         {Adapter: "lastpass", Names: []string{"KEY", "GONE"}},
		"AWS Secrets Manager: gone: Secrets Manager":   {Adapter: "aws_secrets_manager", Names: []string{"gone"}},
		`"shop" is no PROJECT/CONFIG`:                  {Adapter: "doppler", From: "shop", Names: []string{"KEY"}},
		"name the vault's folder":                      {Adapter: "enpass", Names: []string{"shop/KEY"}},
		"run enpass-cli: exit status 64":               {Adapter: "enpass", Account: "/other", Names: []string{"shop/KEY"}},
		"Enpass has no shop/GONE":                      {Adapter: "enpass", Account: "/vault", Names: []string{"shop/GONE"}},
		"Passbolt has no folder gone":                  {Adapter: "passbolt", Names: []string{"gone/KEY"}},
		"run op: exit status 1: [ERROR] 2026/11/20 (4": {Adapter: "1password", Names: []string{"Prod/Limited"}},
	} {
		_, err := fetch(t, q)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%+v: %v; want %q", q, err, want)
		}
		if strings.Contains(want, "(4") && !vault.Limited(err) {
			t.Errorf("%v is not taken for a limit", err)
		}
	}
	t.Setenv("FAKE_BW", "unauthenticated")
	if _, err := fetch(t, adapter.Query{Adapter: "bitwarden", Account: "ana", Names: []string{"API"}}); err == nil || err.Error() != "bw is not logged in: `bw login ana`" {
		t.Errorf("logged out: %v", err)
	}
}

func TestOneSecretIsExtractedByItsNameOrItsEnd(t *testing.T) {
	object := secret.New(`{"Prod/API/KEY":"a \"quoted\" \\ value","KEY2":"two"}`)
	escaped := secret.New(`\{\"Prod/API/KEY\":\"a\ \\\"quoted\\\"\ \\\\\ value\",\"KEY2\":\"two\"\}`)
	for _, from := range []secret.Value{object, escaped} {
		for name, want := range map[string]string{"KEY": `a "quoted" \ value`, "Prod/API/KEY": `a "quoted" \ value`, "API/KEY": `a "quoted" \ value`, "KEY2": "two"} {
			if v, err := adapter.Extract(name, from); err != nil || v.Reveal() != want {
				t.Errorf("%s is %q, %v", name, v.Reveal(), err)
			}
		}
	}
	for _, plain := range []string{"a b'c\"d\\e$f`g\nh;i", "ünï code", "A_-.,:+/@Z09", "", "~{}[]()*?!#&|<>^%="} {
		whole := adapter.Object(map[string]secret.Value{"K": secret.New(plain)})
		if v, err := adapter.Extract("K", secret.New(adapter.Escape(whole.Reveal()))); err != nil || v.Reveal() != plain {
			t.Errorf("%q comes back as %q, %v", plain, v.Reveal(), err)
		}
	}
	if got := adapter.Escape(`{"a":"b c"}` + "\n"); got != `\{\"a\":\"b\ c\"\}`+"'\n'" {
		t.Errorf("it is escaped as %s", got)
	}
	if _, err := adapter.Extract("EY", object); err == nil || err.Error() != "there is no secret EY in it; there are KEY2, Prod/API/KEY" {
		t.Errorf("absent: %v", err)
	}
	if _, err := adapter.Extract("KEY", secret.New("hunter2")); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("no object: %v", err)
	}
}
