package sim

import (
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

// TestASecretThatChangedAtItsSourceRollsByItselfOnlyWhereItIsFollowed rotates a
// secret while the commit stays the same, and reconciles.
func TestASecretThatChangedAtItsSourceRollsByItselfOnlyWhereItIsFollowed(t *testing.T) {
	runs := func(s *daemon, want string) {
		s.t.Helper()
		for _, name := range two {
			if got := s.world.Host(name).Env("web", "KEY"); got != want {
				s.t.Errorf("%s runs with the key %q, want %q", name, got, want)
			}
		}
		s.runs("v1")
	}
	rotate := func(s *daemon, to string) {
		s.key = to
		s.look(release.CauseReconcile)
		s.pass(calm)
	}
	t.Run("followed", func(t *testing.T) {
		scenario(t, two, func(s *daemon) {
			s.push(commit{sha: "c1", image: "v1", more: "  follow: [secrets]\n"})
			s.pass(calm)
			runs(s, "first")
			rotate(s, "second")
			runs(s, "second")
			s.last(release.Succeeded)
			s.quiet()
		})
	})
	t.Run("left to the next commit, or a person", func(t *testing.T) {
		scenario(t, two, func(s *daemon) {
			s.push(v("1"))
			s.pass(calm)
			rotate(s, "second")
			runs(s, "first")
			s.ask(release.Request{})
			s.pass(calm)
			runs(s, "second")
			rotate(s, "third")
			runs(s, "second")
			s.push(commit{sha: "c3", image: "v1", env: "red"})
			s.pass(calm)
			runs(s, "third")
		})
	})
}
