package sim

import (
	"maps"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// asset ends x-fairlead.
const asset = "asset_path: " + fleettest.AssetPath + "\n"

// styled pushes images with assets: one that all versions have and write anew,
// and one of each version's own.
func styled(s *daemon) {
	for _, v := range []string{"v1", "v2", "v3"} {
		s.world.Push("acme/shop:"+v, fleettest.App{Boot: 2 * time.Second, Assets: map[string]string{
			"manifest.json": "of " + v, "css/app-" + v + ".css": "style of " + v,
		}})
	}
}

func volume(version string) string { return ".kamal/apps/shop/assets/volumes/web-" + version }

// bridged checks that the volumes of two versions have the assets of both, and
// each its own where they differ.
func bridged(s *daemon, versions ...string) {
	s.t.Helper()
	for _, name := range two {
		for _, version := range versions {
			want := map[string]string{"manifest.json": "of " + version}
			for _, v := range versions {
				want["css/app-"+v+".css"] = "style of " + v
			}
			if got := s.world.Host(name).Files(volume(version)); !maps.Equal(got, want) {
				s.t.Errorf("%s serves with %s the assets %v, want %v", name, version, got, want)
			}
		}
	}
}

func TestAssetsOfTwoVersionsAreThereBeforeAndAfterTheSwitch(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		styled(s)
		s.push(with("1", asset))
		s.pass(calm)
		bridged(s, "v1")
		s.push(with("2", asset))
		for s.world.Host("a").Serving(web) != "v2" {
			if s.world.Host("b").Serving(web) == "v2" {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		bridged(s, "v1", "v2") // in the very moment of the switch
		s.pass(calm)
		s.runs("v2")
		bridged(s, "v1", "v2")
		s.quiet()
	})
}

func TestAssetsAreBridgedOnTheWayBackToo(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		styled(s)
		for _, n := range []string{"1", "2", "3"} {
			s.push(with(n, asset))
			s.pass(calm)
		}
		if _, had := s.world.Host("a").Files(volume("v1"))["css/app-v3.css"]; had {
			t.Error("v1 has the assets of v3 before they met")
		}
		s.ask(release.Request{Rollback: true, Version: "v1"})
		s.pass(calm)
		s.runs("v1")
		if got := s.world.Host("a").Files(volume("v1")); got["css/app-v3.css"] != "style of v3" || got["manifest.json"] != "of v1" {
			t.Errorf("v1 serves the assets %v after v3", got)
		}
		s.quiet()
	})
}

func TestAssetsGoWithTheLastContainerOfTheirVersion(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		styled(s)
		for _, n := range []string{"1", "2", "3"} {
			s.push(with(n, asset+retainOne))
			s.pass(calm)
		}
		s.runs("v3")
		bridged := s.world.Host("b").Files(volume("v2"))
		if len(bridged) != 4 {
			t.Errorf("v2, which can be gone back to, has %v", bridged)
		}
		for _, dir := range []string{volume("v1"), ".kamal/apps/shop/assets/extracted/web-v1"} {
			if got := s.world.Host("b").Files(dir); got != nil {
				t.Errorf("%s is still there: %v", dir, got)
			}
		}
	})
}

func TestAnImageWithoutItsAssetsIsAVerdict(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(with("1", ""))
		s.pass(calm)
		s.push(with("2", "asset_path: /elsewhere\n"))
		s.pass(calm)
		s.runs("v1")
		if r := s.last(release.RolledBack); r.Failure == nil || r.Failure.Class != release.Verdict {
			t.Errorf("failure %+v", r.Failure)
		}
	})
}
