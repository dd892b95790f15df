package image_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/deployer/image"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/registry"
	"github.com/fairlead-deploy/fairlead/release"
)

// shelf is a registry that has images by tag.
type shelf map[string]string

func (s shelf) Resolve(_ context.Context, ref string, _ registry.Auth) (string, error) {
	if digest, ok := s[ref]; ok {
		return digest, nil
	}
	return "", &registry.Error{Kind: registry.ErrNotFound, Ref: ref}
}

// noPins forgets at once.
type noPins struct{}

func (noPins) Pin(context.Context, release.Lane, string, string, string) error   { return nil }
func (noPins) Repin(context.Context, release.Lane, string, string, string) error { return nil }
func (noPins) Pinned(context.Context, release.Lane, string, string) (string, bool, error) {
	return "", false, nil
}

// board keeps one digest per tag.
type board map[string]string

func (b board) Pin(_ context.Context, _ release.Lane, _, ref, digest string) error {
	if b[ref] == "" {
		b[ref] = digest
	}
	return nil
}

func (b board) Repin(_ context.Context, _ release.Lane, _, ref, digest string) error {
	b[ref] = digest
	return nil
}

func (b board) Pinned(_ context.Context, _ release.Lane, _, ref string) (string, bool, error) {
	digest, ok := b[ref]
	return digest, ok, nil
}

func TestATagThatMovedIsSeenAndTakenOnlyWhereItIsFollowed(t *testing.T) {
	const ref = "acme/shop:stable"
	for name, tc := range map[string]struct {
		finder image.Finder
		now    string // what the registry says; empty: nothing
		want   image.Found
		pinned string
	}{
		"left":              {image.Finder{}, "new", image.Found{Version: "stable", Digest: "old", Newer: "new"}, "old"},
		"followed":          {image.Finder{Follow: true}, "new", image.Found{Version: "stable", Digest: "new", Moved: true}, "new"},
		"followed, to look": {image.Finder{Follow: true, Dry: true}, "new", image.Found{Version: "stable", Digest: "new", Moved: true}, "old"},
		"begun with it":     {image.Finder{Follow: true, Settled: true}, "new", image.Found{Version: "stable", Digest: "old"}, "old"},
		"not moved":         {image.Finder{Follow: true}, "old", image.Found{Version: "stable", Digest: "old"}, "old"},
		"nobody says":       {image.Finder{Follow: true}, "", image.Found{Version: "stable", Digest: "old"}, "old"},
	} {
		for _, own := range []bool{false, true} { // named by the file, or the commit's own
			pins, images := board{ref: "old"}, shelf{ref: tc.now}
			if tc.now == "" {
				images = shelf{}
			}
			f := tc.finder
			f.Revision, f.Image, f.Pattern = release.Revision{SHA: "aaaaaaaaaaaa"}, spec.Image{Repository: "acme/shop", Tag: "stable"}, "{sha}"
			f.Registry, f.Pins = images, pins
			if own {
				f.Image.Tag, f.Pattern = "", "stable"
			}
			found, err := f.Find(t.Context(), "", fstest.MapFS{})
			if err != nil || found != tc.want || pins[ref] != tc.pinned {
				t.Errorf("%s, own %t: found %+v, pinned %s, %v", name, own, found, pins[ref], err)
			}
		}
	}
}

// past is a commit's files that know the commits before it.
type past struct {
	fs.FS
	commits []string
}

func (p past) History(context.Context, int) (list []release.Revision, err error) {
	for _, sha := range p.commits {
		list = append(list, release.Revision{SHA: sha})
	}
	return list, nil
}

func find(t *testing.T, images shelf, good []release.Release, commits ...string) (image.Found, error) {
	return image.Finder{
		Revision: release.Revision{SHA: commits[0]}, Image: spec.Image{Repository: "acme/shop"}, Pattern: "{sha}",
		Good: good, Followed: good, Registry: images, Pins: noPins{},
	}.Find(t.Context(), "", past{fstest.MapFS{}, commits})
}

func TestTheImageOfACommitIsItsOwnElseTheNewestBeforeIt(t *testing.T) {
	const a, b, c, d = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc", "dddddddddddd"
	live := func(sha, version string) []release.Release {
		return []release.Release{{Revision: release.Revision{SHA: sha}, Version: version, Digest: "sha256:live"}}
	}
	cases := map[string]struct {
		images  shelf
		good    []release.Release
		commits []string
		version string
		waits   bool   // the commit's own image may still come
		first   string // the commit that goes first
	}{
		"its own":                             {shelf{"acme/shop:" + b: "1"}, live(a, a), []string{b, a}, b, false, ""},
		"a docs commit on a deployed one":     {shelf{"acme/shop:" + a: "1"}, live(a, a), []string{b, a}, a, true, ""},
		"the newest between goes first":       {shelf{"acme/shop:" + c: "1", "acme/shop:" + b: "3", "acme/shop:" + a: "2"}, live(a, a), []string{d, c, b, a}, c, true, c},
		"never deployed, an older one":        {shelf{"acme/shop:" + a: "1"}, nil, []string{b, a}, a, true, a},
		"deployed on the image before itself": {shelf{"acme/shop:" + a: "1"}, live(b, a), []string{d, c, b, a}, a, true, ""},
		"the image of a deployed one is late": {shelf{"acme/shop:" + a: "1", "acme/shop:" + b: "2"}, live(b, a), []string{c, b, a}, b, true, b},
		"never deployed, none yet":            {shelf{}, nil, []string{b, a}, "", false, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			found, err := find(t, tc.images, tc.good, tc.commits...)
			if absent := new(*image.AbsentError); tc.version == "" && !errors.As(err, absent) || tc.version != "" && err != nil {
				t.Fatalf("err = %v", err)
			}
			if found.Version != tc.version || (found.Awaits != nil) != tc.waits {
				t.Errorf("version %q, waits for its own: %v", found.Version, found.Awaits)
			}
			if first := found.Commit; (first != nil) != (tc.first != "") || first != nil && first.SHA != tc.first {
				t.Errorf("%v goes first", first)
			}
		})
	}
}

func TestAfterAPersonsChoiceTheNewestImageOfGitIsFoundAgain(t *testing.T) {
	const a, b, docs = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"
	is := func(sha, version string) release.Release {
		return release.Release{Revision: release.Revision{SHA: sha}, Version: version, Digest: "sha256:" + version}
	}
	// Asked for while the tip was the docs commit, it went back to a.
	found, err := image.Finder{
		Revision: release.Revision{SHA: docs}, Image: spec.Image{Repository: "acme/shop"}, Pattern: "{sha}",
		Good: []release.Release{is(docs, a), is(b, b), is(a, a)}, Followed: []release.Release{is(b, b), is(a, a)},
		Registry: shelf{"acme/shop:" + a: "1", "acme/shop:" + b: "2"}, Pins: noPins{},
	}.Find(t.Context(), "", past{fstest.MapFS{}, []string{docs, b, a}})
	if err != nil || found.Commit == nil || found.Commit.SHA != b {
		t.Errorf("%+v, %v", found, err)
	}
}
