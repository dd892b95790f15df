package daemon

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/deployer/reach"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher/mirror/mirrortest"
)

const deployYML = `service: shop
image: shop
servers: [127.0.0.1]
registry: { server: "127.0.0.1:1", username: shop, password: [REGISTRY_PASSWORD] }
proxy: { host: <%= ENV["SHOP_HOST"] || "shop.example.com" %> }
`

// put writes a file of a checkout, with its folders.
func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func opened(t *testing.T, dir, file, destination string) *Checkout {
	t.Helper()
	c, err := OpenCheckout(dir, file, destination)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestAProjectIsFoundFromAnyFolderInItsRepository(t *testing.T) {
	top := t.TempDir()
	mirrortest.Git(t, top, "init", "-q")
	put(t, filepath.Join(top, "apps/shop/config/deploy.yml"), deployYML)
	put(t, filepath.Join(top, "apps/shop/lib/a/b"), "")
	put(t, filepath.Join(top, "apps/blog/deploy.yml"), strings.ReplaceAll(deployYML, "service: shop", "service: blog"))
	for dir, want := range map[string]string{
		"apps/shop": "shop", "apps/shop/config": "shop", "apps/shop/lib/a": "shop", "apps/blog": "blog",
	} {
		if c := opened(t, filepath.Join(top, dir), "", ""); c.Deploy.Service != want {
			t.Errorf("in %s it is %s", dir, c.Deploy.Service)
		}
	}
	put(t, filepath.Join(filepath.Dir(top), "deploy.yml"), deployYML) // above the repository
	if _, err := OpenCheckout(filepath.Join(top, "apps"), "", ""); !errors.Is(err, ErrNoCheckout) {
		t.Errorf("in apps: %v", err)
	}
}

func TestACheckoutKnowsItsCommitAndWhatIsNotInIt(t *testing.T) {
	for name, prepare := range map[string]func(r *mirrortest.Repo){
		"on a branch":          func(*mirrortest.Repo) {},
		"with a detached head": func(r *mirrortest.Repo) { r.Git("checkout", "-q", "--detach") },
	} {
		t.Run(name, func(t *testing.T) {
			r := mirrortest.NewRepo(t, t.TempDir(), "shop")
			r.Commit("Begin", map[string]string{"apps/shop/config/deploy.yml": deployYML, "apps/shop/config/deploy.eu.yml": "env: { REGION: eu }\n"})
			first := r.Head()
			second := r.Commit("Go on", map[string]string{"README.md": "Shop\n"})
			prepare(r)
			top := strings.TrimSpace(r.Git("rev-parse", "--show-toplevel"))
			dir := filepath.Join(top, "apps/shop")

			c := opened(t, dir, "", "eu")
			rev, files, dirty, err := c.commit(t.Context())
			if err != nil || rev.SHA != r.Head() || rev.Subject != "Go on" || len(dirty) != 0 {
				t.Fatalf("got %+v, %v, %v", rev, dirty, err)
			}
			commits, err := files.(interface {
				History(ctx context.Context, n int) ([]release.Revision, error)
			}).History(t.Context(), 10)
			if err != nil || len(commits) != 2 || commits[1].SHA != first {
				t.Errorf("history of %s: %+v, %v", second, commits, err)
			}

			put(t, filepath.Join(dir, "config/deploy.eu.yml"), "env: { REGION: asia }\n")
			c = opened(t, dir, "", "eu")
			_, files, dirty, err = c.commit(t.Context())
			if err != nil || !slices.Equal(dirty, []string{"config/deploy.eu.yml"}) {
				t.Errorf("got %v, %v", dirty, err)
			}
			if text, err := fs.ReadFile(files, "config/deploy.eu.yml"); err != nil || !strings.Contains(string(text), "asia") {
				t.Errorf("it deploys %s, %v", text, err)
			}
		})
	}
}

func TestNothingOutsideOfAProjectCanBeReached(t *testing.T) {
	outer := t.TempDir()
	put(t, filepath.Join(outer, "outside"), "a secret\n")
	put(t, filepath.Join(outer, "shop/config/deploy.yml"), deployYML)
	if err := os.Symlink("../outside", filepath.Join(outer, "shop/link")); err != nil {
		t.Fatal(err)
	}
	c := opened(t, filepath.Join(outer, "shop"), "", "")
	if text, err := fs.ReadFile(c.Files(), "link"); err == nil {
		t.Errorf("got %q", text)
	}
	for _, file := range []string{"../outside", filepath.Join(outer, "outside")} {
		if _, err := OpenCheckout(filepath.Join(outer, "shop"), file, ""); err == nil || !strings.Contains(err.Error(), "outside") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestOutsideOfGitThereIsNothingToName(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "config/deploy.yml"), deployYML)
	if _, _, _, err := opened(t, dir, "", "").commit(t.Context()); err == nil || !strings.Contains(err.Error(), "git init") {
		t.Errorf("got %v", err)
	}
}

func TestAPersonsSecretsAreTheProjectsAndThenTheShells(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "config/deploy.yml"), deployYML)
	l := &Local{checkout: opened(t, dir, "", "")}
	t.Setenv("REGISTRY_PASSWORD", "the shell's")
	lookUp := func(name string) string {
		t.Helper()
		s, err := l.secrets(context.Background(), l.checkout.Files(), "", ".kamal/secrets")
		if err != nil {
			t.Fatal(err)
		}
		v, _, err := s.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		return v.Reveal()
	}
	if got := lookUp("REGISTRY_PASSWORD"); got != "the shell's" {
		t.Errorf("without a file it is %q", got)
	}
	put(t, filepath.Join(dir, ".kamal/secrets"), "REGISTRY_PASSWORD=$(cat .token; printf %s \"$REGISTRY_PASSWORD\")\nOTHER=$REGISTRY_PASSWORD!\n")
	put(t, filepath.Join(dir, ".token"), "by command, after ")
	if got := lookUp("OTHER"); got != "by command, after the shell's!" {
		t.Errorf("with one it is %q", got)
	}
}

func TestAPersonsOwnDeployMeetsItsServers(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "config/deploy.yml"), deployYML)
	l := &Local{checkout: opened(t, dir, "", ""), o: LocalOptions{
		Config: &config.Config{Hosts: map[string]config.Host{"here": {Home: dir}}},
		Log:    slog.New(slog.DiscardHandler), Rand: rand.New(rand.NewPCG(1, 2)),
	}}
	if err := l.wire(t.Context(), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	defer l.pool.Close()
	s, err := l.fleet.Server(t.Context(), reach.Address{Name: "here", Host: "local"})
	if err != nil || s.Work.Proxy == nil {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestACordonOfFairleadYmlHoldsWithoutADaemonToo(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "config/deploy.yml"), deployYML)
	l := &Local{
		o:        LocalOptions{Config: &config.Config{Hosts: map[string]config.Host{"web2": {Cordoned: "its disk is being replaced"}, "web1": {}}}},
		checkout: opened(t, dir, "", ""),
	}
	if got := l.settings().Cordoned; len(got) != 1 || got["web2"] != "its disk is being replaced" {
		t.Errorf("cordoned: %v", got)
	}
	l.o.Config = nil
	if got := l.settings().Cordoned; len(got) != 0 {
		t.Errorf("without fairlead.yml: %v", got)
	}
}

// A person who deploys wants a release that failed tried again; one who goes
// back asks for nothing of the kind.
func TestADeployWithoutADaemonLiftsAQuarantineAndARollbackDoesNot(t *testing.T) {
	l := &Local{checkout: &Checkout{Deploy: &spec.Deploy{Destination: "eu"}}, revision: release.Revision{Repo: "shop", SHA: "abc"}}
	if req := l.here(release.Request{}); !req.Retry || req.Destination != "eu" || req.Revision.SHA != "abc" {
		t.Errorf("a deploy asks for %+v", req)
	}
	if req := l.here(release.Request{Rollback: true}); req.Retry {
		t.Errorf("a rollback asks for %+v", req)
	}
}
