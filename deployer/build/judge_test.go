package build

import (
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/build/engine"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/release"
)

func TestAFailedBuildIsTheCommitsFaultUnlessItIsKnownToBeTheWorlds(t *testing.T) {
	for text, want := range map[string]release.Class{
		`executor failed running [/bin/sh -c bundle install]: exit code: 5`:                                                       release.Verdict,
		`process "/bin/sh -c curl https://x" did not complete successfully: exit code: 28`:                                        release.Verdict,
		`process "/bin/sh -c ./connect" did not complete successfully: connection refused, exit code: 1`:                          release.Verdict,
		`failed to solve with frontend dockerfile.v0: dockerfile parse error line 2: unknown instruction: COPPY`:                  release.Verdict,
		`failed to compute cache key: "/none" not found: not found`:                                                               release.Verdict,
		`docker.io/library/ruby:9.9: not found`:                                                                                   release.Verdict,
		`exec /bin/sh: exec format error`:                                                                                         release.Verdict,
		`something that nobody knows`:                                                                                             release.Verdict,
		`failed to do request: Head "https://registry-1.docker.io/v2/library/ruby/manifests/3": dial tcp: i/o timeout`:            release.World,
		`failed to authorize: failed to fetch anonymous token: unexpected status: 429 Too Many Requests`:                          release.World,
		`pull access denied, repository does not exist or may require authorization: server message: insufficient_scope`:          release.World,
		`failed to copy: write /var/lib/docker/x: no space left on device`:                                                        release.World,
		`Get "https://ghcr.io/v2/": x509: certificate signed by unknown authority`:                                                release.World,
		`failed to resolve source metadata for ghcr.io/acme/base:1: unexpected status from HEAD request: 503 Service Unavailable`: release.World,
	} {
		if e := judge(&engine.BuildError{Message: text}, nil); e.Class != want || e.Next == "" {
			t.Errorf("%s\n\tis %s, want %s; next: %s", text, e.Class, want, e.Next)
		}
	}
}

func TestTheOldestImagesOfABuilderGoAndNothingElse(t *testing.T) {
	image := func(age int, tags ...string) docker.Image {
		return docker.Image{Created: time.Unix(int64(1000-age), 0), RepoTags: tags}
	}
	list := []docker.Image{
		image(3, "acme/shop:c"), image(1, "acme/shop:a", "acme/shop:latest"), image(2, "acme/shop:b"),
		image(4, "acme/shop:d", "acme/shop:e"), image(5, "acme/shop:f", "acme/shop:latest-staging"), image(6, "acme/shop:g", "mine:1"),
	}
	got := outdated(list, "acme/shop", 3)
	if len(got) != 2 || got[0] != "acme/shop:d" || got[1] != "acme/shop:e" {
		t.Errorf("removed: %q", got)
	}
}

func TestTheAccountIsForTheRegistryOfDeployYMLAlone(t *testing.T) {
	for _, c := range []struct {
		asked, ours string
		want        bool
	}{
		{"ghcr.io", "ghcr.io", true}, {"registry-1.docker.io", "", true}, {"https://index.docker.io/v1/", "docker.io", true},
		{"registry.gitlab.com", "registry.gitlab.com/acme", true}, {"ghcr.io", "", false}, {"evil.example.com", "ghcr.io", false},
		{"10.0.0.2:5000", "10.0.0.2:5000", true}, {"10.0.0.2", "10.0.0.2:5000", false},
	} {
		if got := sameRegistry(c.asked, c.ours); got != c.want {
			t.Errorf("%q for %q: %v", c.asked, c.ours, got)
		}
	}
}
