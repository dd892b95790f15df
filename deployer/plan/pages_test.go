package plan_test

import (
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

const pagesFolder = ".kamal/proxy/apps-config/shop/error_pages"

// wantPages is what a repository with these error pages wants.
func wantPages(t *testing.T, pages map[string]string) plan.Desired {
	t.Helper()
	files := fstest.MapFS{"config/deploy.yml": {Data: []byte(shopYAML + "error_pages_path: public\n")}}
	for name, text := range pages {
		files["public/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	deploy, warnings, err := spec.Load(files, spec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		if strings.Contains(w.String(), "error_pages_path") == (len(pages) > 0) {
			t.Errorf("%s", w)
		}
	}
	d, err := plan.Want(deploy, inputs())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestErrorPagesArePutBesideTheRouteUnderAHashOfThem(t *testing.T) {
	first := find(t, wantPages(t, map[string]string{"503.html": "back soon", "index.html": "home"}), "10.0.0.1", "web")
	if len(first.Files) != 1 || path.Base(first.Files[0].Path) != "503.html" || path.Dir(path.Dir(first.Files[0].Path)) != pagesFolder ||
		first.Files[0].Secret || first.Files[0].Content.Reveal() != "back soon" {
		t.Fatalf("got %+v", first.Files)
	}
	folder := path.Base(path.Dir(first.Files[0].Path))
	if want := "/home/kamal-proxy/.apps-config/shop/error_pages/" + folder; first.Route.ErrorPages != want {
		t.Errorf("the proxy is told %q, want %q", first.Route.ErrorPages, want)
	}
	if !(plan.DropFolders{Roles: []string{"web"}}).Drops(folder) {
		t.Errorf("%s would never be removed", folder)
	}
	again := find(t, wantPages(t, map[string]string{"503.html": "back soon"}), "10.0.0.2", "web")
	other := find(t, wantPages(t, map[string]string{"503.html": "back at noon"}), "10.0.0.1", "web")
	if again.Route.ErrorPages != first.Route.ErrorPages || other.Route.ErrorPages == first.Route.ErrorPages {
		t.Errorf("the same pages are %s and %s, others %s", first.Route.ErrorPages, again.Route.ErrorPages, other.Route.ErrorPages)
	}
	none := find(t, wantPages(t, nil), "10.0.0.1", "web")
	if none.Route.ErrorPages != "" || len(none.Files) > 0 {
		t.Errorf("no pages: %+v, %+v", none.Route, none.Files)
	}
	if api := find(t, wantPages(t, map[string]string{"503.html": "x"}), "10.0.0.2", "api"); api.Route == nil && len(api.Files) > 0 {
		t.Errorf("a role without proxy: %+v", api.Files)
	}
}

// paged is a desired state whose web has error pages; "" is none.
func paged(d plan.Desired, hash string) plan.Desired {
	return routed(d, func(r *plan.Route) {
		if r.ErrorPages = ""; hash == "" {
			return
		}
		r.ErrorPages = "/home/kamal-proxy/.apps-config/shop/error_pages/web-" + hash
		for i := range d.Units {
			if d.Units[i].Route == r {
				d.Units[i].Files = []plan.File{{Path: pagesFolder + "/web-" + hash + "/404.html"}}
			}
		}
	})
}

func TestOtherErrorPagesChangeTheRouteAloneAndTheOldOnesGo(t *testing.T) {
	const before, after = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
	m := newModel()
	m.tells = true
	m.reach(paged(desired("r1", "v1", webA), before))
	for want, to := range map[string]string{"change": after, "end": ""} {
		p := plan.Make(paged(desired("r2", "v1", webA), to), m.observed())
		if len(p.Changes) != 1 || p.Changes[0].Step != "change route" || p.Changes[0].Field != "error_pages_path" {
			t.Fatalf("%s: %+v", want, p.Changes)
		}
		s, ok := drops(t, p)["a"]
		if !ok || s.Folder != pagesFolder || !s.Drops("web-"+before) || to != "" && s.Drops("web-"+to) {
			t.Errorf("%s: %+v", want, s)
		}
	}
	if p := plan.Make(paged(desired("r2", "v1", webA), before), m.observed()); !p.Empty() {
		t.Errorf("the same pages plan\n%s", text(p))
	}
	// Kamal's folder says nothing about what is in it.
	kamals := routed(desired("", "v1", webA), func(r *plan.Route) { r.ErrorPages = "/home/kamal-proxy/.apps-config/shop/error_pages/v1" })
	m = newModel()
	m.tells = true
	m.reach(kamals)
	if p := plan.Make(paged(desired("r1", "v1", webA), after), m.observed()); !p.Empty() {
		t.Errorf("over Kamal's pages:\n%s", text(p))
	}
}
