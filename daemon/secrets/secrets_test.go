package secrets_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/daemon/secrets"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// executable writes a small program.
func executable(t *testing.T, path, script string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func plain(t *testing.T, s secret.Source, name string) string {
	t.Helper()
	v, _, err := s.Lookup(name)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return v.Reveal()
}

func TestEncryptedFilesOpenWithTheKeyThatFairleadYmlNames(t *testing.T) {
	sealed := "../../internal/secret/sealed/testdata/"
	text, err := os.ReadFile(sealed + "sealed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{".kamal/secrets.yaml": {Data: text}}
	r := config.Repository{}
	if _, err := secrets.Open(r, nil)(t.Context(), files, "", ""); err == nil || !strings.Contains(err.Error(), "add `age: { file:") {
		t.Errorf("without a key: %v", err)
	}
	r.Secrets.Age.File = sealed + "age.key"
	s, err := secrets.Open(r, nil)(t.Context(), files, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if got := plain(t, s, "PASSWORD"); got != "hunter2-of-sops" {
		t.Errorf("PASSWORD is %q", got)
	}
}

func TestTheProgramSopsRunsOnlyWhereCommandsAreAllowed(t *testing.T) {
	dir := t.TempDir()
	executable(t, filepath.Join(dir, "sops"), `[ "$*" = "--decrypt --input-type dotenv --output-type json /dev/stdin" ] || exit 9
[ "$(cat)" = "$(cat "$0.file")" ] || exit 8
printf '{"PASSWORD":"hunter2","TOKENS":"%s"}' "$VAULT_TOKEN$DAEMONS_TOKEN"
`)
	foreign := "PASSWORD=ENC[]\nsops_pgp__list_0__map_fp=X\nsops_mac=x"
	if err := os.WriteFile(filepath.Join(dir, "sops.file"), []byte(foreign), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("VAULT_TOKEN", "listed")
	t.Setenv("DAEMONS_TOKEN", "not listed")
	files := fstest.MapFS{".kamal/secrets": {Data: []byte(foreign)}}
	r := config.Repository{Secrets: config.Secrets{Env: []string{"VAULT_TOKEN"}}}
	if _, err := secrets.Open(r, nil)(t.Context(), files, "", ""); err == nil || !strings.Contains(err.Error(), "but for: pgp; the program sops may open it with `commands`") {
		t.Errorf("refused: %v", err)
	}
	r.Allow = []string{"commands"}
	s, err := secrets.Open(r, nil)(t.Context(), files, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if plain(t, s, "PASSWORD") != "hunter2" || plain(t, s, "TOKENS") != "listed" {
		t.Errorf("it gave %q and %q", plain(t, s, "PASSWORD"), plain(t, s, "TOKENS"))
	}
}

func TestTheOperatorsProgramIsAskedOnceAndItsFailureIsAnAlert(t *testing.T) {
	dir := t.TempDir()
	script := executable(t, filepath.Join(dir, "vault"), `echo asked >> "$1"
[ -e "$1.down" ] && { echo 'rate limit exceeded' >&2; exit 1; }
printf '{"FROM_VAULT":"%s%s"}' "$VAULT_TOKEN" "$DAEMONS_TOKEN"
`)
	log := filepath.Join(dir, "log")
	t.Setenv("VAULT_TOKEN", "listed")
	t.Setenv("DAEMONS_TOKEN", "not listed")
	memory, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := memory.Close(); err != nil {
			t.Error(err)
		}
	})
	vaults := &secrets.Vaults{Alerts: memory, Random: func() float64 { return 0 }, Log: slog.New(slog.DiscardHandler)}
	r := config.Repository{Secrets: config.Secrets{Exec: &config.Exec{
		Command: []string{script, log}, Env: []string{"VAULT_TOKEN"}, Cache: time.Hour, Deadline: time.Minute, Stale: time.Hour,
	}}}
	look := func() (secret.Source, error) {
		return vaults.Open("shop", r)(t.Context(), fstest.MapFS{}, "", "")
	}
	asked := func() int {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "asked")
	}
	for range 3 {
		s, err := look()
		if err != nil {
			t.Fatal(err)
		}
		if got := plain(t, s, "FROM_VAULT"); got != "listed" {
			t.Errorf("it gave %q", got)
		}
	}
	if n := asked(); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	exec := *r.Secrets.Exec // a reload with other words asks anew
	exec.Cache = -1
	r.Secrets.Exec = &exec
	if _, err := look(); err != nil || asked() != 2 {
		t.Errorf("after a reload: %v, asked %d times", err, asked())
	}
	if err := os.WriteFile(log+".down", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := look()
	if err != nil {
		t.Fatal(err)
	}
	if got := plain(t, s, "FROM_VAULT"); got != "listed" {
		t.Errorf("while it fails it gives %q", got)
	}
	alerts, err := memory.Alerts(context.Background())
	if err != nil || len(alerts) != 1 || alerts[0].Kind != release.EventAlert || !strings.Contains(alerts[0].Message, "the secrets of shop are old: run vault: exit status 1: rate limit exceeded") {
		t.Errorf("the alerts are %+v, %v", alerts, err)
	}
}

func TestVaultsAreAskedForARepositoryOnlyWhereCommandsAreAllowed(t *testing.T) {
	dir := t.TempDir()
	executable(t, filepath.Join(dir, "doppler"), `[ "$*" = "secrets get KEY --json -p shop -c prd" ] || exit 9
printf '{"KEY":{"computed":"%s %s"}}' "$DOPPLER_TOKEN$DAEMONS_TOKEN" "$BASE"
`)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("DOPPLER_TOKEN", "listed")
	t.Setenv("DAEMONS_TOKEN", "not listed")
	files := fstest.MapFS{".kamal/secrets": {Data: []byte("BASE=base\nSECRETS=$(kamal secrets fetch --adapter doppler --from shop/prd KEY)\nKEY=$(kamal secrets extract KEY $SECRETS)\n")}}
	r := config.Repository{Secrets: config.Secrets{Env: []string{"DOPPLER_TOKEN"}}}
	s, err := secrets.Open(r, nil)(t.Context(), files, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Lookup("SECRETS"); err == nil || !strings.Contains(err.Error(), "`commands` to the repository's `allow:`") {
		t.Errorf("refused: %v", err)
	}
	r.Allow = []string{"commands"}
	if s, err = secrets.Open(r, nil)(t.Context(), files, "", ""); err != nil {
		t.Fatal(err)
	}
	if got := plain(t, s, "KEY"); got != "listed base" {
		t.Errorf("KEY is %q", got)
	}
}

func TestAPersonsAgeKeysAreWhereSopsLooks(t *testing.T) {
	sealed := "../../internal/secret/sealed/testdata/"
	text, err := os.ReadFile(sealed + "sealed.env")
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(sealed + "age.key")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOPS_AGE_KEY", "")
	t.Setenv("SOPS_AGE_KEY_FILE", "")
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("PATH", t.TempDir()) // no program sops
	look := func() (string, error) {
		s, err := secrets.OfPerson(t.Context(), t.TempDir(), fstest.MapFS{".kamal/secrets": {Data: text}}, "", ".kamal/secrets")
		if err != nil {
			return "", err
		}
		if names := strings.Join(s.Names(), " "); names != "EMPTY LINES PASSWORD SPACED" {
			t.Errorf("the names are %s", names)
		}
		return plain(t, s, "PASSWORD"), nil
	}
	if _, err := look(); err == nil || !strings.Contains(err.Error(), "set SOPS_AGE_KEY_FILE") {
		t.Errorf("without a key: %v", err)
	}
	file := filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "sops", "age", "keys.txt")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, key, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := look(); got != "hunter2-of-sops" || err != nil {
		t.Errorf("with a key: %q, %v", got, err)
	}
}
