package examples

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

const sha = "9c1e0aa5b1d2c3e4f5061728394a5b6c7d8e9f00"

// names are the folders with an example in them.
func names(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*/fairlead.yml")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range files {
		all = append(all, filepath.Dir(f))
	}
	if len(all) < 4 {
		t.Fatalf("found only %q", all)
	}
	return all
}

func TestEveryExampleLoadsAndPlans(t *testing.T) {
	for _, name := range names(t) {
		t.Run(name, func(t *testing.T) {
			c, err := config.Load(filepath.Join(name, "fairlead.yml"))
			if err != nil {
				t.Fatal(err)
			}
			for repo, r := range c.Repositories {
				for _, destination := range append([]string{""}, r.Destinations...) {
					if destination == "" && len(r.Destinations) > 0 {
						continue // deploy.yml alone is not what this repository deploys
					}
					plans(t, name, repo, destination, r.ConfigFile)
				}
			}
		})
	}
}

// plans loads what a repository deploys, and plans it onto empty hosts.
func plans(t *testing.T, folder, repo, destination, file string) {
	t.Helper()
	d, warnings, err := spec.Load(os.DirFS(folder), spec.Options{Path: file, Destination: destination})
	if err != nil {
		t.Fatalf("%s: %v", repo, err)
	}
	for _, w := range warnings {
		t.Errorf("%s: an example should need no warning: %s", repo, w)
	}
	in := plan.Inputs{Release: "20261123-061502-9c1e0aa-3f2a", Version: sha, Digest: "sha256:" + strings.Repeat("ab", 32),
		Revision: release.Revision{Repo: repo, SHA: sha}, Secrets: map[string]secret.Value{}, Home: map[string]string{}}
	for _, s := range d.SecretNames() {
		in.Secrets[s] = secret.New("the value of " + s)
	}
	observed := plan.Observed{Hosts: map[string]plan.Host{}}
	for _, h := range d.Hosts() {
		in.Home[h] = "/root"
		observed.Hosts[h] = plan.Host{}
	}
	want, err := plan.Want(d, in)
	if err != nil {
		t.Fatalf("%s: %v", repo, err)
	}
	p := plan.Make(want, observed)
	if p.Empty() || len(p.Live) != len(want.Units) {
		t.Errorf("%s: %d of %d containers would live: %s", repo, len(p.Live), len(want.Units), p.Summary())
	}
	shown, err := json.Marshal(p.Changes)
	if err != nil || strings.Contains(string(shown), "the value of ") {
		t.Errorf("%s: the plan shows a secret: %v\n%s", repo, err, shown)
	}
}

// A workflow must give the image the name that Fairlead looks for.
func TestTheWorkflowNamesTheImageAsDeployYmlSays(t *testing.T) {
	text, err := os.ReadFile("github-actions/.github/workflows/image.yml")
	if err != nil {
		t.Fatal(err)
	}
	var workflow map[string]any
	if err := yaml.Unmarshal(text, &workflow); err != nil {
		t.Fatal(err)
	}
	d, _, err := spec.Load(os.DirFS("github-actions"), spec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d.XFairlead.ImageTag != "sha-{sha7}" || !strings.Contains(string(text), `tag=sha-${GITHUB_SHA::7}`) ||
		!strings.Contains(string(text), d.Image.Name()+":${{ steps.name.outputs.tag }}") {
		t.Errorf("deploy.yml looks for %s, the workflow is\n%s", d.Image.Ref(d.XFairlead.ImageTag), text)
	}
}
