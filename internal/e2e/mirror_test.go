package e2e_test

import (
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

// mirrored makes the fleet's registry the mirror of the two registries that
// most images are of, which nobody can reach here.
func (s *scenario) mirrored() {
	s.Helper()
	s.write("mirror-password", registryPassword)
	account := "mirror: { address: http://" + shared.fleet.Registry + ", username: " + registryUser + ", password: { file: " + s.path("mirror-password") + " } }"
	s.operator["registries"] = "{ docker.io: { " + account + " }, ghcr.io: { " + account + " } }"
}

// images are the names of the images of a host.
func (s *scenario) images() string {
	s.Helper()
	out, err := s.hosts[0].Docker(s.Context(), "images", "--all", "--digests", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}")
	s.do(err)
	return out
}

func TestImagesOfDockerHubAndOfGitHubComeByTheMirror(t *testing.T) {
	t.Parallel()
	s := begin(t, "mirrored")
	s.onNewHost()
	s.mirrored()
	push := func(repository, version string) {
		t.Helper()
		_, err := shared.fleet.Push(t.Context(), shared.app.Image(version, nil), repository+":"+version)
		s.do(err)
	}
	s.start()

	// Docker Hub's own images are below library/ at the mirror.
	push("library/mirrored", "v1")
	file := s.file("v1").with("image", "mirrored:v1").with("retain_containers", "1")
	delete(file, "registry")
	s.ends(s.push(file), release.Succeeded)
	s.answers("v1")
	if has := s.images(); !strings.Contains(has, "\nmirrored:v1 ") && !strings.HasPrefix(has, "mirrored:v1 ") {
		t.Errorf("no image has the name that deploy.yml says:\n%s", has)
	}
	s.says(0, "nothing to do", "plan")

	for _, version := range []string{"v2", "v3", "v4"} {
		push("acme/mirrored", version)
		s.ends(s.push(file.with("image", "ghcr.io/acme/mirrored:"+version)), release.Succeeded)
		s.answers(version)
	}
	// What the mirror called them goes with them.
	if has := s.images(); strings.Contains(has, "mirrored:v2 ") || strings.Count(has, shared.fleet.Registry+"/acme/mirrored:") != 2 {
		t.Errorf("of four versions two are kept; there are\n%s", has)
	}
	s.says(0, "is live on 1 host", "rollback", s.service, "--follow")
	s.answers("v3")
}
