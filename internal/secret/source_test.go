package secret_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

func files(pairs ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i+1 < len(pairs); i += 2 {
		fsys[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return fsys
}

func write(t *testing.T, name, data string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(data), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func environ(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func open(t *testing.T, o secret.Options) secret.Source {
	t.Helper()
	s, err := secret.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// look returns the plain text, or "none" or the error as text.
func look(s secret.Source, name string) string {
	v, found, err := s.Lookup(name)
	switch {
	case err != nil:
		return "error: " + err.Error()
	case !found:
		return "none"
	}
	return v.Reveal()
}

func TestPlacesAreAskedFromTheOperatorsToTheRepositorys(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string]string{"A": "dir", "B": "dir\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, secret.Options{
		File: write(t, "shop.env", "A=file\n", 0o600),
		Dir:  dir,
		Env:  secret.Env{Names: []string{"A", "B", "C"}, LookupEnv: environ("A", "env", "B", "env", "C", "env", "SLACK_TOKEN", "canary")},
		Repo: files(".kamal/secrets", "A=repo\nB=repo\nC=repo\nD=repo\nE=$SLACK_TOKEN\n"),
	})
	for name, want := range map[string]string{"A": "file", "B": "dir", "C": "env", "D": "repo", "E": "none", "../B": "none", "Z": "none"} {
		if got := look(s, name); got != want {
			t.Errorf("%s: got %q; want %q", name, got, want)
		}
	}
}

func TestTheDestinationPicksTheRepositorysFiles(t *testing.T) {
	all := files(
		".kamal/secrets-common", "A=common\nB=common\nC=common\nD=common",
		".kamal/secrets", "A=plain\nX=plain",
		".kamal/secrets.staging", "A=staging",
		"config/secrets", "E=config\nF=config",
		"config/secrets.staging", "E=config-staging",
		"config/secrets.production", "G=config-production",
	)
	for _, tt := range []struct{ destination, name, want string }{
		{"", "A", "plain"}, {"", "B", "common"}, {"", "E", "config"}, {"", "G", "none"},
		{"staging", "A", "staging"}, {"staging", "B", "common"}, {"staging", "X", "none"},
		{"staging", "E", "config-staging"}, {"staging", "F", "config"},
		{"production", "A", "common"}, {"production", "G", "config-production"},
	} {
		if got := look(open(t, secret.Options{Repo: all, Destination: tt.destination}), tt.name); got != tt.want {
			t.Errorf("destination %q, %s: got %q; want %q", tt.destination, tt.name, got, tt.want)
		}
	}
}

func TestConfigSecretsProductionStandsInWhereThereIsNoConfigSecrets(t *testing.T) {
	s := open(t, secret.Options{Repo: files("config/secrets.production", "DATABASE_URL=postgresql://user:pass@db-host:5432/myapp_production")})
	if got := look(s, "DATABASE_URL"); got != "postgresql://user:pass@db-host:5432/myapp_production" {
		t.Errorf("got %q", got)
	}
}

func TestVariablesComeFromTheAllowedEnvironmentAndAnUnsetOneIsMissing(t *testing.T) {
	s := open(t, secret.Options{
		Env:  secret.Env{Prefix: "SHOP_", LookupEnv: environ("SHOP_KAMAL_REGISTRY_PASSWORD", "hunter2")},
		Repo: files(".kamal/secrets", "KAMAL_REGISTRY_PASSWORD=$KAMAL_REGISTRY_PASSWORD\nURL=https://x:${KAMAL_REGISTRY_PASSWORD}@y\n\nLOST=$NOWHERE"),
	})
	if got := look(s, "URL"); got != "https://x:hunter2@y" {
		t.Errorf("got %q", got)
	}
	err := s.Missing([]string{"URL", "LOST"})
	if err == nil || !strings.Contains(err.Error(), "LOST (.kamal/secrets:4 refers to $NOWHERE, which is not set)") {
		t.Errorf("got %v", err)
	}
}

func TestCatReadsFilesOfTheRepositoryAndNoOthers(t *testing.T) {
	s := open(t, secret.Options{Repo: files(
		".kamal/secrets", "KEY=$(cat config/master.key)\nQUOTED=\"<$(cat 'config/a b')>\"\nDOT=$(cat ./config/master.key)\nUP=$(cat ../etc/passwd)\nROOT=$(cat /etc/passwd)\nPIPE=$(cat config/master.key | rev)\nGONE=$(cat config/gone.key)",
		"config/master.key", "abc123\n",
	)})
	for name, want := range map[string]string{
		"KEY": "abc123", "DOT": "abc123", "GONE": "none",
		"UP":   `error: .kamal/secrets:4: UP: "../etc/passwd" is outside of the repository`,
		"ROOT": `error: .kamal/secrets:5: ROOT: "/etc/passwd" is outside of the repository`,
		"PIPE": "error: .kamal/secrets:6: PIPE: commands other than $(cat FILE) are refused; add `commands` to the repository's `allow:` in fairlead.yml, or put this secret into its `secrets:`",
	} {
		if got := look(s, name); got != want {
			t.Errorf("%s: got %q; want %q", name, got, want)
		}
	}
	if err := s.Missing([]string{"GONE"}); err == nil || !strings.Contains(err.Error(), "config/gone.key, which is not in the repository") {
		t.Errorf("got %v", err)
	}
}

func TestAnAllowedCommandGetsEarlierValuesByEnvironment(t *testing.T) {
	run := func(_ context.Context, command string, env []string) ([]byte, error) {
		if command == "false" {
			return nil, errors.New("exit status 1")
		}
		return fmt.Appendf(nil, "%s with %s\r\n", command, strings.Join(env, ",")), nil
	}
	s := open(t, secret.Options{Run: run, Repo: files(".kamal/secrets", "A='$x'\nB=$(vault read (a) \"$A\")\nC=$(false)")})
	if got, want := look(s, "B"), `vault read (a) "$A" with A=$x`; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	if got, want := look(s, "C"), "error: .kamal/secrets:3: C: run its command: exit status 1"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
}

func TestACommandThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := func(ctx context.Context, _ string, _ []string) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		s := open(t, secret.Options{Run: run, Repo: files(".kamal/secrets", "A=$(op read x)")})
		if got := look(s, "A"); !strings.Contains(got, "longer than 30s") {
			t.Errorf("got %q", got)
		}
	})
}

func TestAnOverriddenSecretsCommandDoesNotRun(t *testing.T) {
	run := func(context.Context, string, []string) ([]byte, error) {
		t.Error("the command ran")
		return nil, nil
	}
	s := open(t, secret.Options{Run: run, File: write(t, "s", "A=mine", 0o600), Repo: files(".kamal/secrets", "A=$(op read x)\nB=<$A>")})
	if got := look(s, "A") + look(s, "B"); got != "mine<mine>" {
		t.Errorf("got %q", got)
	}
}

func TestAFileThatOthersMayReadIsRefusedWithTheCommandToRun(t *testing.T) {
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o620} {
		path := write(t, "shop.env", "A=canary", mode)
		_, err := secret.Open(t.Context(), secret.Options{File: path})
		if err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) || strings.Contains(err.Error(), "canary") {
			t.Errorf("mode %o: got %v", mode, err)
		}
	}
}

func TestAllMissingSecretsAreNamedAtOnceWithWhereToPutThem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.env")
	s := open(t, secret.Options{File: path, Env: secret.Env{Names: []string{"EMPTY"}, LookupEnv: environ("EMPTY", "")}, Repo: files(".kamal/secrets", "A=1")})
	err := s.Missing([]string{"REDIS_URL", "A", "DATABASE_URL", "EMPTY", "REDIS_URL"})
	want := "missing secrets: DATABASE_URL, EMPTY (it is set, but empty), REDIS_URL; looked in " + path +
		" (which does not exist yet), the environment (EMPTY), .kamal/secrets; put it into " + path +
		" (which does not exist yet), for instance with `fairlead secret set DATABASE_URL`"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	mine := open(t, secret.Options{Env: secret.Env{Prefix: "$", LookupEnv: environ("$OTHER", "1")}, Repo: files(".kamal/secrets", "A=1")})
	want = "missing secret: B; looked in the environment, .kamal/secrets; say in .kamal/secrets where it is: B=$B, or B=$(cat FILE)"
	if err := mine.Missing([]string{"B"}); err == nil || err.Error() != want {
		t.Errorf("a person is told %v", err)
	}
	if err := s.Missing([]string{"A"}); err != nil {
		t.Errorf("nothing is missing, but: %v", err)
	}
	if err := (secret.Source{}).Missing([]string{"A"}); err == nil || !strings.Contains(err.Error(), "add `secrets: { file: … }`") {
		t.Errorf("without places: %v", err)
	}
}

func TestWhereTheEnvironmentIsLastAFileWinsAndCanStillUseIt(t *testing.T) {
	env := secret.Env{Prefix: "$", LookupEnv: func(name string) (string, bool) {
		plain, ok := map[string]string{"$DATABASE_URL": "development", "$TOKEN": "from the shell", "$ONLY": "outside"}[name]
		return plain, ok
	}}
	files := fstest.MapFS{".kamal/secrets": {Data: []byte("DATABASE_URL=production\nTOKEN=$TOKEN\n")}}
	for last, want := range map[bool]string{true: "production", false: "development"} {
		s, err := secret.Open(t.Context(), secret.Options{Repo: files, Env: env, EnvLast: last})
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"DATABASE_URL": want, "TOKEN": "from the shell", "ONLY": "outside"} {
			if v, ok, err := s.Lookup(name); !ok || err != nil || v.Reveal() != want {
				t.Errorf("last %t: %s is %q, %t, %v; want %q", last, name, v.Reveal(), ok, err, want)
			}
		}
	}
}
