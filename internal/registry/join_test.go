package registry_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/fairlead-deploy/fairlead/internal/registry"
)

// distribution starts the registry that Docker's own image of one holds.
func distribution(t *testing.T) (host string) {
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("docker-registry is not installed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %q}\n", filepath.Join(dir, "all"), host)
	if err := os.WriteFile(filepath.Join(dir, "config.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	serving := exec.CommandContext(ctx, program, "serve", filepath.Join(dir, "config.yml"))
	if err := serving.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = serving.Wait() })
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		answer, err := http.Get("http://" + host + "/v2/")
		if err == nil {
			_ = answer.Body.Close()
			return host
		}
		if time.Now().After(until) {
			t.Fatalf("the registry does not answer: %v", err)
		}
	}
}

func TestImagesOfTwoArchitecturesAreOneImageAtARealRegistry(t *testing.T) {
	t.Parallel()
	host := distribution(t)
	name, digests := host+"/acme/shop", map[string]string{}
	for _, arch := range []string{"amd64", "arm64"} {
		img, err := random.Image(256, 2)
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		config = config.DeepCopy()
		config.OS, config.Architecture = "linux", arch
		if img, err = mutate.ConfigFile(img, config); err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(parse(t, name+":v1-"+arch), img); err != nil {
			t.Fatal(err)
		}
		digests[arch] = digestOf(t, img)
	}
	c := client(t, registry.Options{})
	both := []string{digests["amd64"], digests["arm64"]}
	digest, err := c.Join(t.Context(), name, []string{"v1", "latest"}, both, registry.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"v1", "latest"} {
		if got, err := c.Resolve(t.Context(), name+":"+tag, registry.Auth{}); got != digest || err != nil {
			t.Errorf("%s is %s, %v; want %s", tag, got, err, digest)
		}
		for arch, want := range digests {
			img, err := remote.Image(parse(t, name+":"+tag), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: arch}))
			if err != nil {
				t.Fatalf("%s for %s: %v", tag, arch, err)
			}
			if got := digestOf(t, img); got != want {
				t.Errorf("%s for %s is %s, want %s", tag, arch, got, want)
			}
		}
	}
	if again, err := c.Join(t.Context(), name, []string{"v1"}, both, registry.Auth{}); again != digest || err != nil {
		t.Errorf("joined again it is %s, %v; want %s", again, err, digest)
	}
	if _, err := c.Join(t.Context(), name, []string{"v2"}, []string{digests["amd64"], "sha256:" + fmt.Sprintf("%064d", 7)}, registry.Auth{}); err == nil {
		t.Error("an image that is not there was joined")
	}
	if _, err := c.Resolve(t.Context(), name+":v2", registry.Auth{}); err == nil {
		t.Error("half a join has a tag")
	}
}
