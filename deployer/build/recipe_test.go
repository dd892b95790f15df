package build_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/deployer/build"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
)

// deploy is a deploy.yml with a builder.
func deploy(t *testing.T, builder, more string) *spec.Deploy {
	t.Helper()
	text := "service: shop\nimage: acme/shop\nservers: [h1]\nregistry: { server: ghcr.io, username: acme, password: [TOKEN] }\nproxy: { host: shop.example.com }\n" + more
	if builder != "" {
		text += "\nbuilder: " + builder + "\n"
	}
	d, _, err := spec.Load(fstest.MapFS{"config/deploy.yml": {Data: []byte(text)}}, spec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestARecipeSaysWhatIsBuiltWhereAndUnderWhichNames(t *testing.T) {
	for name, c := range map[string]struct{ builder, more, want string }{
		"here":                    {"{ arch: amd64 }", "", " linux/amd64 ghcr.io/acme/shop:v1 ghcr.io/acme/shop:latest;"},
		"the other architecture":  {"{ arch: arm64, remote: ssh://b }", "", "ssh://b linux/arm64 ghcr.io/acme/shop:v1 ghcr.io/acme/shop:latest;"},
		"its own stays here":      {"{ arch: amd64, remote: ssh://b }", "", " linux/amd64 ghcr.io/acme/shop:v1 ghcr.io/acme/shop:latest;"},
		"unless it may not":       {"{ arch: amd64, remote: ssh://b, local: false }", "", "ssh://b linux/amd64 ghcr.io/acme/shop:v1 ghcr.io/acme/shop:latest;"},
		"without another machine": {"{ arch: arm64 }", "", " linux/arm64 ghcr.io/acme/shop:v1 ghcr.io/acme/shop:latest;"},
		"both":                    {"{ arch: [amd64, arm64], remote: ssh://b }", "", " linux/amd64 ghcr.io/acme/shop:v1-amd64;ssh://b linux/arm64 ghcr.io/acme/shop:v1-arm64; joined v1 latest"},
		"a cache in the image":    {"{ arch: amd64, cache: { type: registry, image: acme/shop-cache } }", "", " linux/amd64 ghcr.io/acme/shop:v1 ghcr.io/acme/shop:latest from ghcr.io/acme/shop:latest ghcr.io/acme/shop-cache;"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := build.RecipeOf(deploy(t, c.builder, c.more), "v1", "amd64")
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, p := range r.Parts {
				fmt.Fprintf(&got, "%s %s %s", p.At, p.Order.Platform, strings.Join(p.Order.Tags, " "))
				if len(p.Order.CacheFrom) > 0 {
					fmt.Fprintf(&got, " from %s", strings.Join(p.Order.CacheFrom, " "))
				}
				got.WriteString(";")
				if p.Order.Labels["service"] != "shop" {
					t.Errorf("its labels are %v", p.Order.Labels)
				}
			}
			if len(r.Joined) > 0 {
				got.WriteString(" joined " + strings.Join(r.Joined, " "))
			}
			if got.String() != c.want {
				t.Errorf("it is %q\n want %q", got.String(), c.want)
			}
		})
	}
}

func TestWhatCannotBeBuiltIsRefusedWithAReasonAndAWayOut(t *testing.T) {
	for name, c := range map[string]struct{ builder, more, says, next string }{
		"no builder":           {"", "", "no builder:", "builder: {arch"},
		"buildpacks":           {"{ arch: amd64, pack: { builder: heroku/builder } }", "", "pack", "Dockerfile"},
		"Docker's cloud":       {`{ arch: amd64, driver: "cloud acme/x" }`, "", "cloud", "builder.remote"},
		"an engine by TCP":     {"{ arch: arm64, remote: tcp://b:2375 }", "", "SSH", "ssh://"},
		"another repository":   {`{ arch: amd64, context: "https://example.com/x.git" }`, "", "the commit that is deployed", "leave builder.context out"},
		"a key of the machine": {"{ arch: amd64, ssh: default=/root/.ssh/id_rsa }", "", "no file of its machine", "SSH_AUTH_SOCK"},
		"two to load":          {"{ arch: [amd64, arm64] }", "x-fairlead: { transport: load }", "several architectures", "one architecture"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := build.RecipeOf(deploy(t, c.builder, c.more), "v1", "amd64")
			bad, ok := errors.AsType[*build.Error](err)
			if !ok || bad.Class != release.Verdict || !strings.Contains(bad.Message, c.says) || !strings.Contains(bad.Next, c.next) {
				t.Errorf("err = %#v", err)
			}
		})
	}
}
