package e2e_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/release"
)

// styled pushes an image with assets: one of its own, one that each version
// writes anew, and some more.
func (s *scenario) styled(version string) {
	s.Helper()
	img := shared.app.Image(version, nil)
	img.Files = map[string]string{
		"/app/assets/css/app-" + version + ".css": "style of " + version, "/app/assets/manifest.json": "of " + version,
	}
	img.Path = "/bin/app"
	for i := range 200 {
		img.Files[fmt.Sprintf("/app/assets/img/%s/%d.svg", version, i)] = strings.Repeat(version, 100)
	}
	_, err := shared.fleet.Push(s.Context(), img, s.service+":"+version)
	s.do(err)
}

// finds asks all hosts for files without a pause until stop is called, and
// fails where one is not found.
func (s *scenario) finds(paths ...string) (stop func()) {
	done, failed := make(chan struct{}), make(chan error, len(s.hosts)*len(paths))
	var wg sync.WaitGroup
	client := actor.NewClient()
	for _, h := range s.hosts {
		for _, p := range paths {
			wg.Go(func() {
				for tick := time.NewTicker(20 * time.Millisecond); ; {
					select {
					case <-done:
						tick.Stop()
						return
					case <-tick.C:
					}
					if _, err := actor.Get(s.Context(), client, s.site(h), "/file?path="+p); err != nil {
						failed <- fmt.Errorf("%s of %s: %w", p, h.Name, err)
						return
					}
				}
			})
		}
	}
	return func() {
		s.Helper()
		close(done)
		wg.Wait()
		close(failed)
		var all []error
		for err := range failed {
			all = append(all, err)
		}
		if err := errors.Join(all...); err != nil {
			s.Errorf("an asset was not found: %v", err)
		}
	}
}

func TestAssetsOfTheVersionBeforeAreServedDuringAndAfterTheSwitch(t *testing.T) {
	t.Parallel()
	s := begin(t, "assets")
	for _, version := range []string{"v1", "v2", "v3"} {
		s.styled(version)
	}
	file := func(version string) yml {
		return s.file(version).with("asset_path", "/app/assets").with("retain_containers", "1").with("x-fairlead", "{ window: 1s }")
	}
	const css, manifest = "/app/assets/css/app-", "/app/assets/manifest.json"
	s.start()
	s.ends(s.push(file("v1")), release.Succeeded)
	leave, stop := s.visitors(), s.finds(css+"v1.css", manifest, "/app/assets/img/v1/199.svg")
	s.ends(s.push(file("v2")), release.Succeeded)
	for _, h := range s.hosts {
		for path, want := range map[string]string{css + "v1.css": "style of v1", css + "v2.css": "style of v2", manifest: "of v2"} {
			if got := s.ask(h, "/file?path="+path); got != want {
				t.Errorf("%s serves %q as %s, want %q", h.Name, got, path, want)
			}
		}
	}
	stop()
	stop = s.finds(css+"v2.css", manifest)
	s.ends(s.push(file("v3")), release.Succeeded)
	s.says(0, "is live on 2 hosts", "rollback", s.service, "--follow")
	stop()
	leave()
	const root = "/root/.kamal/apps/assets/assets/"
	for _, h := range s.hosts {
		if got := s.ask(h, "/file?path="+css+"v3.css"); got != "style of v3" {
			t.Errorf("after the rollback %s serves %q as the style of v3", h.Name, got)
		}
		for _, dir := range []string{"extracted", "volumes"} {
			out, err := h.SSH(s.Context(), "ls "+root+dir)
			s.do(err)
			if got := strings.Fields(out); !slices.Equal(got, []string{"web-v2", "web-v3"}) {
				t.Errorf("%s has %v in %s", h.Name, got, dir)
			}
		}
		left, err := h.Docker(s.Context(), "ps", "-aq", "--filter", "name=assets-web-assets")
		s.do(err)
		if left != "" {
			t.Errorf("%s still has a container that carried assets", h.Name)
		}
	}
}
