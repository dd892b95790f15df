package assets_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/assets"
)

var place = assets.In("/home/deploy", "shop-production", "web", "/rails/public/assets:ro")

func TestFoldersAreKamals(t *testing.T) {
	const root = ".kamal/apps/shop-production/assets/"
	for got, want := range map[string]string{
		place.Extracted("v2"): root + "extracted/web-v2",
		place.Volume("v2"):    root + "volumes/web-v2",
		place.Mount("v2"):     "/home/deploy/" + root + "volumes/web-v2:/rails/public/assets:ro",
		place.Inside():        "/rails/public/assets",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestOnlyFoldersOfRolesWithoutAContainerAreUnused(t *testing.T) {
	roles, keep := []string{"web", "web-admin"}, []string{"web-v2", "web-admin-v2"}
	for name, want := range map[string]bool{
		"web-v1": true, "web-v2": false, "web-admin-v1": true, "web-admin-v2": false, "job-v1": false, "web": false,
	} {
		if got := assets.Unused(name, roles, keep); got != want {
			t.Errorf("%s is unused: %t", name, got)
		}
	}
}

// entry is a file of an image; a name that ends with "/" is a folder.
type entry struct{ name, content, link string }

func image(t *testing.T, entries ...entry) io.Reader {
	t.Helper()
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	for _, e := range append([]entry{{name: "assets/"}}, entries...) {
		h := tar.Header{Name: e.name, Mode: 0o4644, Size: int64(len(e.content)), Typeflag: tar.TypeReg, Uid: 77}
		switch {
		case strings.HasSuffix(e.name, "/"):
			h.Typeflag = tar.TypeDir
		case e.link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
		}
		if err := out.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// disk unpacks streams as an engine does.
type disk map[string]string

func (d disk) unpack(t *testing.T, stream io.Reader) {
	t.Helper()
	in := tar.NewReader(stream)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Mode&^0o777 != 0 {
			t.Errorf("%s keeps the image's owner or its special bits: %d, %o", h.Name, h.Uid, h.Mode)
		}
		was, there := d[h.Name]
		if dir := h.Typeflag == tar.TypeDir; there && (was == "/") != dir {
			t.Errorf("%s would take the place of a file, or of a folder", h.Name)
		}
		switch h.Typeflag {
		case tar.TypeDir:
			d[h.Name] = "/"
		case tar.TypeLink:
			from, ok := d[h.Linkname]
			if !ok {
				t.Errorf("%s is linked to %s, which is not there", h.Name, h.Linkname)
			}
			d[h.Name] = from
		case tar.TypeSymlink:
			d[h.Name] = "-> " + h.Linkname
		default:
			d[h.Name] = string(body)
		}
	}
}

// tree is what is below a folder; nil where nothing is.
func (d disk) tree(folder string) assets.Tree {
	var all assets.Tree
	for name, content := range d {
		if rest, ok := strings.CutPrefix(name, folder+"/"); ok {
			if all == nil {
				all = assets.Tree{}
			}
			all[rest] = content == "/"
		}
	}
	return all
}

func (d disk) bridge(t *testing.T, next, old string, from io.Reader) {
	t.Helper()
	b := assets.Bridge{Place: place, New: next, Old: old}
	b.NewExtracted, b.NewVolume = d.tree("extracted/web-"+next), d.tree("volumes/web-"+next)
	if old != "" {
		b.OldExtracted, b.OldVolume = d.tree("extracted/web-"+old), d.tree("volumes/web-"+old)
	}
	var stream bytes.Buffer
	if err := b.Write(&stream, from); err != nil {
		t.Fatal(err)
	}
	d.unpack(t, &stream)
}

func (d disk) holds(t *testing.T, version string, want ...string) {
	t.Helper()
	var got []string
	for name, content := range d {
		if rest, ok := strings.CutPrefix(name, path.Join("volumes", "web-"+version)+"/"); ok && content != "/" {
			got = append(got, rest+"="+content)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s has %q, want %q", version, got, want)
	}
}

func TestBothVolumesHoldWhatBothVersionsNeed(t *testing.T) {
	d := disk{}
	one := []entry{{name: "assets/index", content: "1"}, {name: "assets/css/"}, {name: "assets/css/a-1", content: "a1"}}
	two := []entry{{name: "assets/index", content: "2"}, {name: "assets/css/"}, {name: "assets/css/a-2", content: "a2"}, {name: "assets/css/now", link: "a-2"}}
	d.bridge(t, "v1", "", image(t, one...))
	d.holds(t, "v1", "index=1", "css/a-1=a1")
	for range 2 { // as after a crash
		d.bridge(t, "v2", "v1", image(t, two...))
		d.holds(t, "v1", "index=1", "css/a-1=a1", "css/a-2=a2", "css/now=-> a-2")
		d.holds(t, "v2", "index=2", "css/a-2=a2", "css/now=-> a-2", "css/a-1=a1")
	}
	// Only one version back is bridged, so that nothing grows for ever.
	d.bridge(t, "v3", "v2", image(t, entry{name: "assets/index", content: "3"}))
	d.holds(t, "v3", "index=3", "css/a-2=a2", "css/now=-> a-2")
	// Back to v1, whose files were extracted when it was new.
	d.bridge(t, "v1", "v3", nil)
	d.holds(t, "v1", "index=1", "css/a-1=a1", "css/a-2=a2", "css/now=-> a-2")
	d.holds(t, "v3", "index=3", "css/a-1=a1", "css/a-2=a2", "css/now=-> a-2")
}

func TestAnEngineMayCallTheFolderADot(t *testing.T) {
	d := disk{}
	d.bridge(t, "v1", "", image(t, entry{name: "./"}, entry{name: "./css/"}, entry{name: "./css/a", content: "a"}, entry{name: "./b", content: "b"}))
	d.holds(t, "v1", "css/a=a", "b=b")
}

func TestAFileNeverTakesThePlaceOfAFolderOfTheOtherVersion(t *testing.T) {
	d := disk{}
	d.bridge(t, "v1", "", image(t, entry{name: "assets/app", content: "file"}))
	d.bridge(t, "v2", "v1", image(t, entry{name: "assets/app/"}, entry{name: "assets/app/x", content: "x"}))
	d.holds(t, "v1", "app=file")
	d.holds(t, "v2", "app/x=x")
}

func TestAnImageCannotReachOutOfItsFolder(t *testing.T) {
	d := disk{}
	d.bridge(t, "v1", "", image(t, entry{name: "assets/../../../etc/passwd", content: "x"}, entry{name: "/assets/ok", content: "y"}))
	for name := range maps.Keys(d) {
		if !strings.HasPrefix(name, "extracted/web-v1/") && !strings.HasPrefix(name, "volumes/web-v1/") {
			t.Errorf("it wrote %s", name)
		}
	}
}

func TestTooManyAssetsAreRefused(t *testing.T) {
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	for i := range assets.MaxFiles + 1 {
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "assets/" + strconv.Itoa(i) + "/", Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
	}
	err := assets.Bridge{Place: place, New: "v1"}.Write(io.Discard, &b)
	if !errors.Is(err, assets.ErrTooMuch) {
		t.Errorf("error %v", err)
	}
}
