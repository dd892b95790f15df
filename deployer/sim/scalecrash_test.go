package sim

import (
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// scaling are the ways in which the number of containers of a role changes.
func scaling() map[string]story {
	from := func(c commit) func(*daemon) {
		return func(s *daemon) {
			s.push(c)
			s.pass(calm)
		}
	}
	to := func(c commit) func(*daemon) { return func(s *daemon) { s.push(c) } }
	ends := func(version string, names ...string) func(*daemon) {
		return func(s *daemon) {
			s.carries(version, names...)
			s.last(release.Succeeded)
		}
	}
	return map[string]story{
		"up":   {before: from(scaled("1", "1")), do: to(scaled("1", "3")), end: ends("v1", "shop-web-v1", "shop-web-v1-2", "shop-web-v1-3")},
		"down": {before: from(scaled("1", "3")), do: to(scaled("1", "1")), end: ends("v1", "shop-web-v1")},
		"up, to another version": {
			before: from(scaled("1", "1")), do: to(scaled("2", "2")), end: ends("v2", "shop-web-v2", "shop-web-v2-2"),
		},
		"down, to another version": {
			before: from(scaled("1", "2")), do: to(scaled("2", "1")), end: ends("v2", "shop-web-v2"),
		},
		"up, to a version that fails": {
			before: func(s *daemon) {
				s.world.Push("acme/shop:v3", fleettest.App{Status: 503, OnlyOn: []string{"b"}})
				from(scaled("1", "2"))(s)
			},
			do: to(scaled("3", "3")),
			end: func(s *daemon) {
				s.carries("v1", "shop-web-v1", "shop-web-v1-2")
				s.last(release.RolledBack)
			},
		},
	}
}

// TestADeathWhileARoleIsScaledEndsWithAsManyAsGitSays kills the daemon before
// and after each effect of scaling up and down.
func TestADeathWhileARoleIsScaledEndsWithAsManyAsGitSays(t *testing.T) {
	dieEverywhere(t, scaling(), count)
}
