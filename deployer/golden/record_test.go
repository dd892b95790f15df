//go:build record

package golden_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/daemon"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker/dockertest"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

var record = flag.String("record", "", "record the containers that this version makes, and Kamal's, under this name")

const deployYML = `service: shop
image: acme/shop:v1
registry: { server: "%s" }
servers:
  web:
    - 10.0.1.10
  worker:
    hosts: [10.0.1.10]
    cmd: /toy wait --queue "default,mail"
    options: { memory: 256m, cpus: 1.5, cap-drop: [NET_RAW], ulimit: "nofile=1024:2048" }
    env: { clear: { QUEUE: mail } }
proxy: { host: shop.example.com, app_port: 3000 }
labels: { prometheus.io/scrape: "true" }
volumes: [ "storage:/storage", "/tmp:/host-tmp:ro" ]
logging: { driver: json-file, options: { max-size: 20m, max-file: "3" } }
env:
  clear: { RAILS_ENV: production, GREETING: "it's $5, ${not}" }
  secret: [ DATABASE_URL ]
`

// TestRecord makes the containers on the local engine, sees that they plan
// nothing, and keeps what the engine says of them.
func TestRecord(t *testing.T) {
	if *record == "" {
		t.Fatal("say under which name: -record v0.2.0")
	}
	e := dockertest.Engine(t)
	if err := e.EnsureNetwork(t.Context(), plan.Network); err != nil {
		t.Fatal(err)
	}
	ref, digest := pushImage(t, e)
	dir := t.TempDir()
	yml := strings.ReplaceAll(fmt.Sprintf(deployYML, strings.TrimSuffix(ref, "/acme/shop:v1")), "${not}", "really")
	write(t, filepath.Join(dir, "deploy.yml"), []byte(yml))
	rec := recording{Version: "v1", Digest: digest, Secrets: map[string]string{"DATABASE_URL": "postgres://u:p$w'\"@db/shop"}, Host: "10.0.1.10"}
	d := want(t, os.DirFS(dir), rec)
	for _, maker := range []struct {
		name string
		make func(*testing.T, *docker.Engine, plan.Unit)
	}{{"fairlead-" + *record, ours}, {"kamal-2.12", kamals}} {
		t.Run(maker.name, func(t *testing.T) {
			for _, u := range d.Units {
				maker.make(t, e, u)
				t.Cleanup(func() { _ = e.Remove(context.WithoutCancel(t.Context()), u.Name) })
			}
			rec.Answers = answers(t, d)
			if p := plan.Make(d, look(t, d, rec)); !p.Empty() {
				t.Fatalf("it would %s:\n%+v", p.Summary(), p.Changes)
			}
			text, err := json.MarshalIndent(rec, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			to := filepath.Join("testdata", maker.name)
			if err := os.MkdirAll(to, 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(to, "deploy.yml"), []byte(yml))
			write(t, filepath.Join(to, "recording.json"), append(text, '\n'))
		})
	}
}

// ours makes a container as a rollout does.
func ours(t *testing.T, e *docker.Engine, u plan.Unit) {
	if _, err := e.Create(t.Context(), u.Name, u.Spec); err != nil {
		t.Fatal(err)
	}
	start(t, e, u.Name)
}

// kamals makes it with the docker command line that Kamal builds (Kamal 2.12,
// lib/kamal/commands/app.rb).
func kamals(t *testing.T, e *docker.Engine, u plan.Unit) {
	envFile := filepath.Join(t.TempDir(), "env")
	write(t, envFile, []byte("DATABASE_URL="+u.Spec.Env["DATABASE_URL"].Reveal()+"\n"))
	args := []string{"run", "--detach", "--restart", "unless-stopped", "--name", u.Name, "--network", "kamal",
		"--hostname", "10.0.1.10-4d2f6a1b9c3e", "--env-file", envFile,
		"--log-driver", "json-file", "--log-opt", "max-size=20m", "--log-opt", "max-file=3",
		"--volume", "storage:/storage", "--volume", "/tmp:/host-tmp:ro",
		"--label", "service=shop", "--label", "role=" + u.Role, "--label", "destination=", "--label", "prometheus.io/scrape=true"}
	for name := range u.Clear {
		args = append(args, "--env", name+"="+u.Spec.Env[name].Reveal())
	}
	if u.Role == "worker" {
		args = append(args, "--memory", "256m", "--cpus", "1.5", "--cap-drop", "NET_RAW", "--ulimit", "nofile=1024:2048")
	}
	args = append(append(args, u.Spec.Image), u.Spec.Cmd...)
	if out, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput(); err != nil {
		t.Fatalf("docker run: %v\n%s", err, out)
	}
}

func start(t *testing.T, e *docker.Engine, name string) {
	if err := e.Start(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	c, err := e.Inspect(t.Context(), name)
	if err != nil || c.State.Status != container.Running {
		t.Fatalf("%s does not run: %v %+v", name, err, c.State)
	}
}

// pushImage puts the toy into a registry of the test's own and on the engine,
// and returns its reference and digest.
func pushImage(t *testing.T, e *docker.Engine) (ref, digest string) {
	srv := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(srv.Close)
	ref = strings.TrimPrefix(srv.URL, "http://") + "/acme/shop:v1"
	local := dockertest.Image(t, e, dockertest.Config{Entrypoint: []string{}, Cmd: []string{"/toy", "wait"}, Env: []string{"PATH=/bin"}})
	from, err := name.NewTag(local)
	if err != nil {
		t.Fatal(err)
	}
	img, err := daemon.Image(from)
	if err != nil {
		t.Fatal(err)
	}
	to, err := name.NewTag(ref, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(to, img); err != nil {
		t.Fatal(err)
	}
	hash, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Pull(t.Context(), ref, docker.Auth{}, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.RemoveImage(context.WithoutCancel(t.Context()), ref) })
	return ref, hash.String()
}

// answers asks the local engine what observing asks, and keeps the bytes. Only
// the containers of the deployment are kept of the list.
func answers(t *testing.T, d plan.Desired) map[string]json.RawMessage {
	kept := map[string]json.RawMessage{"/info": limits(t)}
	var list, ours []map[string]any
	decode(t, get(t, "/containers/json?all=1"), &list)
	for _, c := range list {
		names, _ := c["Names"].([]any)
		for _, u := range d.Units {
			if len(names) == 0 || names[0] != "/"+u.Name {
				continue
			}
			ours = append(ours, c)
			id, image := c["Id"].(string), c["ImageID"].(string)
			kept["/containers/"+id+"/json"] = get(t, "/containers/"+id+"/json")
			kept["/images/"+image+"/json"] = get(t, "/images/"+image+"/json")
		}
	}
	text, err := json.Marshal(ours)
	if err != nil {
		t.Fatal(err)
	}
	kept["/containers/json"] = text
	return kept
}

// limits keeps of the engine's word on its machine what comparing needs.
func limits(t *testing.T) json.RawMessage {
	var all map[string]any
	decode(t, get(t, "/info"), &all)
	kept := map[string]any{}
	for _, key := range []string{"MemoryLimit", "SwapLimit", "CpuCfsPeriod", "CpuCfsQuota", "CPUShares", "CPUSet", "PidsLimit", "OSType", "Architecture", "ServerVersion", "CgroupVersion"} {
		kept[key] = all[key]
	}
	text, err := json.Marshal(kept)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func get(t *testing.T, path string) []byte {
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", dockertest.Socket)
	}}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://docker.invalid/v1.41" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d %v %s", path, resp.StatusCode, err, body)
	}
	return bytes.TrimSpace(body)
}

func decode(t *testing.T, text []byte, v any) {
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, file string, text []byte) {
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
