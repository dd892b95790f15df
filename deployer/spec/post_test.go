package spec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

// The files of testdata/post are the YAML blocks of the post that the product
// starts from, verbatim. A fragment gets what every file needs around it.
func postsBlock(t *testing.T, name string) string {
	t.Helper()
	block, err := os.ReadFile("testdata/post/" + name + ".yml")
	if err != nil {
		t.Fatal(err)
	}
	return string(block)
}

// postsSecrets are the two alternatives that its block about secrets is: it
// writes `env:` once for each.
func postsSecrets(t *testing.T) (files, stores string) {
	t.Helper()
	files, stores, ok := strings.Cut(postsBlock(t, "secrets"), "\n# Integration")
	if !ok {
		t.Fatal("the block about secrets is another one")
	}
	return files, "# Integration" + stores
}

func TestEveryBlockOfThePostLoads(t *testing.T) {
	blocks := map[string]string{}
	for _, name := range files(t, "testdata/post/*.yml", 7) {
		name = strings.TrimSuffix(filepath.Base(name), ".yml")
		blocks[name] = postsBlock(t, name)
	}
	delete(blocks, "secrets")
	blocks["secrets-files"], blocks["secrets-stores"] = postsSecrets(t)
	for name, file := range blocks {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(file, "service:") {
				file += "\nservice: myapp\nimage: myorg/myapp\n"
			}
			if !strings.Contains(file, "\nservers:") {
				file += "servers: [10.0.1.10, 10.0.1.11]\n"
			}
			d, warnings := load(t, file, spec.Options{Env: environment})
			golden(t, "testdata/post/"+name+".golden", resolved(t, d, warnings))
		})
	}
}

func TestThePostsTwoWaysToSecretsAreNotOneFile(t *testing.T) {
	_, _, err := spec.Load(fstest.MapFS{"config/deploy.yml": {Data: []byte(
		postsBlock(t, "secrets") + "\nservice: myapp\nimage: myorg/myapp\nservers: [10.0.1.10]\n")}}, spec.Options{Env: environment})
	if want := "config/deploy.yml:8:1: env: written already at line 2 (merge them or remove one)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestThePostTakenTogetherIsOneFile(t *testing.T) {
	_, routing, _ := strings.Cut(postsBlock(t, "load-balancing"), "\nlabels:")
	file := postsBlock(t, "production") + "\nlabels:" + routing
	d, _ := load(t, file, spec.Options{Env: environment})
	web, _ := d.Role("web")
	worker, _ := d.Role("worker")
	p := web.Proxy
	switch {
	case d.Image.Ref("v1") != "ghcr.io/myorg/myapp:v1":
		t.Errorf("image %s", d.Image)
	case worker.Proxied || !web.Primary:
		t.Errorf("roles %+v %+v", web, worker)
	case p.AppPort != 3000 || p.Healthcheck.Path != "/health" || !p.SSL.Enabled || p.Hosts[0] != "myapp.com":
		t.Errorf("proxy %+v", p)
	case d.XFairlead.Proxy.ACMEEmail != "admin@myorg.com":
		t.Errorf("x-fairlead %+v", d.XFairlead)
	case len(web.Labels) != 0:
		t.Errorf("labels left on the container: %v", web.Labels)
	}
}

func TestACommandOfThePostRunsWhereCommandsAreAllowed(t *testing.T) {
	_, stores := postsSecrets(t)
	file := stores + "\nservice: myapp\nimage: myorg/myapp\nservers: [10.0.1.10]\n"
	var ran []string
	run := func(line string) (string, error) {
		ran = append(ran, line)
		return "canary-token\n", nil
	}
	refused, _ := load(t, file, spec.Options{Command: run})
	if len(ran) != 0 {
		t.Fatalf("ran %q although commands are not allowed", ran)
	}
	_, secrets := refused.EnvFor("web", "10.0.1.10")
	if s := secrets[len(secrets)-1]; s.Name != "VAULT_TOKEN" || s.Source != "VAULT_TOKEN" {
		t.Errorf("without commands: %+v", s)
	}
	d, _ := load(t, file, spec.Options{Command: run, AllowCommands: true})
	_, secrets = d.EnvFor("web", "10.0.1.10")
	if s := secrets[len(secrets)-1]; s.Source != "" || s.Literal.Reveal() != "canary-token" {
		t.Errorf("with commands: %+v", s)
	}
	if strings.Join(ran, ";") != "vault print -field=token secret/myapp/token" {
		t.Errorf("ran %q", ran)
	}
	if got := strings.Join(d.SecretNames(), " "); got != "SECURE_API_KEY" {
		t.Errorf("secret names %s", got)
	}
	for _, render := range []func() ([]byte, error){d.RenderJSON, d.RenderYAML} {
		if out, err := render(); err != nil || strings.Contains(string(out), "canary") {
			t.Errorf("the rendering shows the secret (%v):\n%s", err, out)
		}
	}
}
