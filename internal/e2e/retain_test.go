package e2e_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/release"
)

// kept are the versions of the service whose containers, and whose images, are
// on a host, sorted.
func (s *scenario) kept(h *fleet.Host) (containers, images []string) {
	s.Helper()
	for _, c := range s.containers(h) {
		containers = append(containers, strings.TrimPrefix(c.Name, s.web("")))
	}
	out, err := h.Docker(s.Context(), "images", "--format", "{{.Tag}}", shared.fleet.Registry+"/"+s.service)
	s.do(err)
	for tag := range strings.FieldsSeq(out) {
		if tag != "latest" && tag != "<none>" {
			images = append(images, tag)
		}
	}
	slices.Sort(containers)
	slices.Sort(images)
	return containers, images
}

func TestOldContainersAndTheirImagesGoAndTheRollbacksTargetStays(t *testing.T) {
	t.Parallel()
	s := begin(t, "retain")
	for version, knobs := range map[string]map[string]string{"v0": nil, "v1": nil, "v2": nil, "v3": nil, "bad1": {"EXIT": "1"}, "bad2": {"EXIT": "2"}} {
		s.image(version, knobs)
	}
	file := func(version string) yml {
		return s.file(version).with("retain_containers", "2").with("x-fairlead", "{ window: 1s }")
	}
	keeps := func(when string, want ...string) {
		t.Helper()
		for _, h := range s.hosts {
			if containers, images := s.kept(h); !slices.Equal(containers, want) || !slices.Equal(images, want) {
				t.Errorf("%s %s has the containers %v and the images %v, want %v", when, h.Name, containers, images, want)
			}
		}
	}
	s.start()
	s.ends(s.push(file("v0")), release.Succeeded)
	s.ends(s.push(file("v1")), release.Succeeded)
	s.ends(s.push(file("v2")), release.Succeeded)
	keeps("with v2", "v0", "v1", "v2")
	target := []string{s.one(s.hosts[0], s.web("v2")).ID, s.one(s.hosts[1], s.web("v2")).ID}

	// Of what failed the newest stays, to be looked at; it takes no place of
	// what a rollback goes to.
	s.ends(s.push(file("bad1")), release.RolledBack)
	s.ends(s.push(file("bad2")), release.RolledBack)
	s.ends(s.push(file("v3")), release.Succeeded)
	keeps("with v3", "bad2", "v1", "v2", "v3")
	s.says(0, "is live on 2 hosts", "rollback", s.service, "--follow")
	s.answers("v2")
	s.runs(s.web("v2"))
	for i, h := range s.hosts {
		if got := s.one(h, s.web("v2")).ID; got != target[i] {
			t.Errorf("on %s v2 is a new container, want the retained one", h.Name)
		}
	}
	keeps("after the rollback", "bad2", "v1", "v2", "v3")
}
