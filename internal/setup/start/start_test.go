package start

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// checkout is a folder called name with these files.
func checkout(t *testing.T, name string, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	for file, text := range files {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func origin(url string) string {
	return "[core]\n\tbare = false\n[remote \"upstream\"]\n\turl = https://github.com/other/other\n[remote \"origin\"]\n\turl = " + url + "\n\tfetch = +refs/heads/*\n[branch \"main\"]\n"
}

func TestACheckoutTellsServiceRegistryAndPort(t *testing.T) {
	for name, c := range map[string]struct {
		folder string
		files  map[string]string
		want   Project
	}{
		"an empty folder": {"My Shop!", nil, Project{"my-shop", "", "your-user/my-shop", 80, "", ""}},
		"GitHub by ssh": {"x", map[string]string{".git/config": origin("git@github.com:Acme/Shop.git"), "Dockerfile": "FROM a\nEXPOSE 9\nFROM b\nEXPOSE 3000/tcp\n"},
			Project{"shop", "ghcr.io", "acme/shop", 3000, "Dockerfile", ""}},
		"GitLab by https": {"x", map[string]string{".git/config": origin("https://gitlab.com/group/sub/api"), "Procfile": "release: x\nweb: bundle exec puma -p 5000\n"},
			Project{"api", "registry.gitlab.com", "group/sub/api", 5000, "Procfile", ""}},
		"another forge": {"x", map[string]string{".git/config": origin("ssh://git@git.example.com:2222/team/app.git"), "package.json": `{"scripts":{"start":"next start -p 4000"}}`},
			Project{"app", "", "team/app", 4000, "package.json", ""}},
		"Node without a port":   {"web", map[string]string{"package.json": `{"scripts":{"start":"node ."}}`}, Project{"web", "", "your-user/web", 3000, "package.json", ""}},
		"Rails":                 {"blog", map[string]string{"Gemfile": "gem \"rails\", \"~> 8.0\"\n"}, Project{"blog", "", "your-user/blog", 3000, "Gemfile", "/rails/public/assets"}},
		"Rails in a container":  {"blog", map[string]string{"Gemfile": "gem 'rails'\n", "Dockerfile": "EXPOSE 80\n"}, Project{"blog", "", "your-user/blog", 80, "Dockerfile", "/rails/public/assets"}},
		"a port that is none":   {"a", map[string]string{"Dockerfile": "EXPOSE 99999\n", "Procfile": "web: x --port=7000"}, Project{"a", "", "your-user/a", 7000, "Procfile", ""}},
		"a remote on this disk": {"a", map[string]string{".git/config": origin("/srv/git/a.git")}, Project{"a", "", "your-user/a", 80, "", ""}},
		"broken files":          {"a", map[string]string{"package.json": "{", ".git/config": "[remote \"origin\"]\n"}, Project{"a", "", "your-user/a", 80, "", ""}},
	} {
		if got := Detect(checkout(t, c.folder, c.files)); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestWhatIsWrittenLoadsAndPlans(t *testing.T) {
	for _, files := range []map[string]string{nil, {".git/config": origin("git@github.com:acme/shop.git"), "Gemfile": "gem 'rails'\n"}} {
		dir := checkout(t, "shop", files)
		out, err := Write(dir, Detect(dir))
		if err != nil || len(out.Written) != 4 || len(out.Kept) != 0 {
			t.Fatalf("%+v %v", out, err)
		}
		d, _, err := spec.Load(os.DirFS(dir), spec.Options{Version: "v1"})
		if err != nil {
			t.Fatal(err)
		}
		if d.Service != "shop" || d.Roles[0].Proxy.AppPort != Detect(dir).Port {
			t.Errorf("%+v", d)
		}
		in := plan.Inputs{Release: "20261123-061502-9c1e0aa-3f2a", Version: "v1", Digest: "sha256:" + strings.Repeat("ab", 32),
			Secrets: map[string]secret.Value{}, Home: map[string]string{"192.0.2.1": "/root"}}
		for _, name := range d.SecretNames() {
			in.Secrets[name] = secret.New("x")
		}
		want, err := plan.Want(d, in)
		if err != nil {
			t.Fatal(err)
		}
		if p := plan.Make(want, plan.Observed{Hosts: map[string]plan.Host{"192.0.2.1": {}}}); len(p.Live) != 1 {
			t.Errorf("planned: %s", p.Summary())
		}
	}
}

func TestNothingThatIsThereIsOverwritten(t *testing.T) {
	dir := checkout(t, "shop", map[string]string{"config/deploy.yml": "mine", ".kamal/secrets": "A=b", ".gitignore": "/.kamal/secrets\n"})
	out, err := Write(dir, Detect(dir))
	if err != nil || !slices.Equal(out.Kept, []string{"config/deploy.yml", ".kamal/secrets"}) || out.Exposed {
		t.Errorf("%+v %v", out, err)
	}
	for file, want := range map[string]string{"config/deploy.yml": "mine", ".kamal/secrets": "A=b"} {
		if got, _ := os.ReadFile(filepath.Join(dir, file)); string(got) != want {
			t.Errorf("%s: %q", file, got)
		}
	}
	again, err := Write(dir, Detect(dir))
	if err != nil || len(again.Written) != 0 {
		t.Errorf("%+v %v", again, err)
	}
	short := checkout(t, "shop", map[string]string{"deploy.yml": "mine"})
	if out, err := Write(short, Detect(short)); err != nil || !slices.Contains(out.Kept, "deploy.yml") || !out.Exposed {
		t.Errorf("%+v %v", out, err)
	}
}

func TestNothingIsWrittenThroughALinkOutOfTheCheckout(t *testing.T) {
	outside := t.TempDir()
	dir := checkout(t, "shop", nil)
	if err := os.Symlink(outside, filepath.Join(dir, ".kamal")); err != nil {
		t.Fatal(err)
	}
	_, err := Write(dir, Detect(dir))
	left, readErr := fs.ReadDir(os.DirFS(outside), ".")
	if err == nil || readErr != nil || len(left) != 0 {
		t.Errorf("%v, %v: %v", err, readErr, left)
	}
}
