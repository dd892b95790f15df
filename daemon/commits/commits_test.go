package commits_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/daemon/commits"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
	"github.com/fairlead-deploy/fairlead/watcher/mirror/mirrortest"
)

const deployYML = `service: shop
image: shop
servers: [127.0.0.1]
registry: { username: shop, password: [PASSWORD] }
secrets_path: <%= File.read("ops/where").strip %>
env: { clear: { RUBY: <%= File.read(".ruby-version").strip %> } }
`

// files is a repository in which a template names the secrets file, which
// names a third.
func files() map[string]string {
	return map[string]string{
		"config/deploy.yml": deployYML,
		"ops/where":         "ops/vault [1]/secrets",
		".ruby-version":     "3.4.1",
		"ops/vault [1]/secrets": "PASSWORD=$(cat ops/password.txt)\n" +
			"OTHER=$(touch ran)\n",
		"ops/vault [1]/unused": strings.Repeat("x", 2<<20),
		"ops/password.txt":     "geheim",
		"ops/unused":           strings.Repeat("x", 2<<20),
	}
}

func readings(destinations ...string) []spec.Options {
	var list []spec.Options
	for _, d := range destinations {
		list = append(list, spec.Options{Destination: d, AllowCommands: true, Command: func(string) (string, error) {
			panic("a command was run")
		}})
	}
	return list
}

func fetch(t *testing.T, r *commits.Repository) mirror.Snapshot {
	t.Helper()
	tip, err := r.Tip(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.Fetch(t.Context(), tip, watcher.DefaultPaths())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// password reads the registry's password as the deployer does.
func password(t *testing.T, s mirror.Snapshot) (string, error) {
	t.Helper()
	d, _, err := spec.Load(s.Files, spec.Options{})
	if err != nil {
		return "", err
	}
	source, err := secret.Open(t.Context(), secret.Options{Repo: s.Files, Path: d.SecretsPath})
	if err != nil {
		return "", err
	}
	v, _, err := source.Lookup("PASSWORD")
	return v.Reveal(), err
}

func opened(t *testing.T, remote mirror.Remote, destinations ...string) *commits.Repository {
	t.Helper()
	pool := mirror.NewPool(t.TempDir())
	t.Cleanup(pool.Close)
	remote.Name = "shop"
	m, err := pool.Open(remote)
	if err != nil {
		t.Fatal(err)
	}
	if len(destinations) == 0 {
		destinations = []string{""}
	}
	return commits.New(m, readings(destinations...))
}

func TestFilesThatDeployYMLAndSecretsNameElsewhereAreFetchedByEveryDoor(t *testing.T) {
	overHTTP := func(t *testing.T, dir string) mirror.Remote {
		return mirror.Remote{URL: mirrortest.ServeHTTP(t, filepath.Dir(dir)).URL + "/shop.git"}
	}
	overSSH := func(t *testing.T, dir string) mirror.Remote {
		s := mirrortest.ServeSSH(t)
		return mirror.Remote{URL: s.URL(dir), Auth: mirror.Auth{Signers: []ssh.Signer{s.Key}, KnownHosts: []string{s.KnownHosts}}}
	}
	ofDisk := func(_ *testing.T, dir string) mirror.Remote { return mirror.Remote{URL: "file://" + dir} }
	for _, door := range []struct {
		name    string
		partial bool
		remote  func(t *testing.T, dir string) mirror.Remote
	}{
		{"http partial", true, overHTTP}, {"http whole", false, overHTTP},
		{"ssh partial", true, overSSH}, {"ssh whole", false, overSSH}, {"file", false, ofDisk},
	} {
		t.Run(door.name, func(t *testing.T) {
			t.Parallel()
			repo := mirrortest.NewRepo(t, t.TempDir(), "shop.git")
			if door.partial {
				repo.AllowPartial()
			}
			repo.Commit("one", files())
			r := opened(t, door.remote(t, repo.Dir))
			s := fetch(t, r)
			if got, err := password(t, s); got != "geheim" || err != nil {
				t.Errorf("the password is %q, %v", got, err)
			}
			for _, name := range []string{"ops/unused", "ops/vault [1]/unused"} {
				if _, err := fs.Stat(s.Files, name); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s, which nothing names, was fetched too: %v", name, err)
				}
			}
			repo.Commit("two", map[string]string{"ops/password.txt": "neu"})
			if got, err := password(t, fetch(t, r)); got != "neu" || err != nil {
				t.Errorf("after the next commit the password is %q, %v", got, err)
			}
		})
	}
}

func TestACommitThatNamesTheSameFilesAsTheLastCostsOneFetch(t *testing.T) {
	repo := mirrortest.NewRepo(t, t.TempDir(), "shop.git").AllowPartial()
	repo.Commit("one", files())
	server := mirrortest.ServeHTTP(t, filepath.Dir(repo.Dir))
	r := opened(t, mirror.Remote{URL: server.URL + "/shop.git"})
	fetch(t, r)
	repo.Commit("two", map[string]string{"README": "2"})
	before := server.Uploads.Load()
	fetch(t, r)
	if got := server.Uploads.Load() - before; got != 1 {
		t.Errorf("a commit that touches none of the files cost %d requests, want 1", got)
	}
}

func TestEveryDestinationsFilesAreFetched(t *testing.T) {
	repo := mirrortest.NewRepo(t, t.TempDir(), "shop.git")
	repo.Commit("one", map[string]string{
		"config/deploy.yml":            strings.ReplaceAll(deployYML, `<%= File.read("ops/where").strip %>`, "ops/secrets"),
		"config/deploy.staging.yml":    "{}",
		"config/deploy.production.yml": "{}",
		".ruby-version":                "3.4.1",
		"ops/secrets.staging":          "A=1",
		"ops/secrets.production":       "A=2",
		"ops/secrets-common":           "B=$(cat ops/a)",
		"ops/a":                        "3",
	})
	s := fetch(t, opened(t, mirror.Remote{URL: repo.Dir}, "staging", "production"))
	for _, name := range []string{"ops/secrets.staging", "ops/secrets.production", "ops/secrets-common", "ops/a"} {
		if _, err := fs.ReadFile(s.Files, name); err != nil {
			t.Error(err)
		}
	}
}

func TestAFileThatIsTooBigIsNamedToTheOneWhoReadsItAndHoldsNothingElseUp(t *testing.T) {
	repo := mirrortest.NewRepo(t, t.TempDir(), "shop.git")
	all := files()
	all["ops/password.txt"] = strings.Repeat("x", 2<<20)
	repo.Commit("one", all)
	r := opened(t, mirror.Remote{URL: repo.Dir})
	if _, err := password(t, fetch(t, r)); err == nil || !strings.Contains(err.Error(), "too big: it has 2097152 bytes") {
		t.Errorf("the error is %v", err)
	}
	repo.Commit("two", map[string]string{"ops/password.txt": "klein"})
	if got, err := password(t, fetch(t, r)); got != "klein" || err != nil {
		t.Errorf("once it is small the password is %q, %v", got, err)
	}
	repo.Commit("three", map[string]string{"ops/password.txt": strings.Repeat("y", 2<<20)})
	if _, err := password(t, fetch(t, r)); err == nil || !strings.Contains(err.Error(), "too big") {
		t.Errorf("when it is big again the error is %v", err)
	}
}

func TestARepositoryThatNamesFilesWithoutEndIsToldSo(t *testing.T) {
	var env strings.Builder
	for i := range 300 {
		fmt.Fprintf(&env, "N%d=$(cat ops/%d)\n", i, i)
	}
	repo := mirrortest.NewRepo(t, t.TempDir(), "shop.git")
	repo.Commit("one", map[string]string{
		"config/deploy.yml": strings.ReplaceAll(strings.ReplaceAll(deployYML, `<%= File.read("ops/where").strip %>`, ".kamal/secrets"), `<%= File.read(".ruby-version").strip %>`, `"3"`),
		".kamal/secrets":    env.String() + "PASSWORD=$(cat ops/7)\n",
		"ops/7":             "geheim",
	})
	if _, err := password(t, fetch(t, opened(t, mirror.Remote{URL: repo.Dir}))); err == nil || !strings.Contains(err.Error(), "more than 256 files") {
		t.Errorf("the error is %v", err)
	}
}

func TestTheCommitsBeforeCanStillBeAskedFor(t *testing.T) {
	repo := mirrortest.NewRepo(t, t.TempDir(), "shop.git")
	first := repo.Commit("one", files())
	repo.Commit("two", map[string]string{"x": "x"})
	s := fetch(t, opened(t, mirror.Remote{URL: repo.Dir}))
	past, ok := s.Files.(interface {
		History(ctx context.Context, n int) ([]release.Revision, error)
	})
	if !ok {
		t.Fatal("the files know no history")
	}
	if list, err := past.History(t.Context(), 9); err != nil || len(list) != 2 || list[1].SHA != first {
		t.Errorf("the history is %v, %v", list, err)
	}
}
