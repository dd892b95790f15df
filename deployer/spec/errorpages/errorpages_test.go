package errorpages_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/deployer/spec/errorpages"
)

func TestPagesAreReadByNameAndNothingElseIs(t *testing.T) {
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"404.html": "gone", "5xx.html": "broken", "503.html": "<p>{{ .Message }}</p>",
		"index.html": "home", "404.htm": "no", "600.html": "no", "4040.html": "no", "sub/500.html": "no",
		"500.html": strings.Repeat("x", errorpages.MaxPage+1),
	} {
		files["public/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	pages, problems := errorpages.Read(files, "public")
	if got := slices.Sorted(maps.Keys(pages)); !slices.Equal(got, []string{"public/404.html", "public/503.html", "public/5xx.html"}) || pages["public/404.html"] != "gone" {
		t.Errorf("got %q", got)
	}
	if len(problems) != 1 || !strings.Contains(problems[0].Error(), "public/500.html is left out: it is larger than 256 KiB") {
		t.Errorf("got %v", problems)
	}
	if pages, problems := errorpages.Read(files, "nowhere"); len(pages) > 0 || len(problems) != 1 {
		t.Errorf("of an empty folder: %v, %v", pages, problems)
	}
	if pages, problems := errorpages.Read(files, ""); len(pages)+len(problems) > 0 {
		t.Errorf("of none: %v, %v", pages, problems)
	}
}

func TestPagesTogetherAreBounded(t *testing.T) {
	files := fstest.MapFS{}
	for _, name := range []string{"400", "401", "402", "403", "404", "405"} {
		files["p/"+name+".html"] = &fstest.MapFile{Data: make([]byte, errorpages.MaxPage)}
	}
	pages, problems := errorpages.Read(files, "p")
	if len(pages) != 4 || len(problems) != 2 {
		t.Errorf("%d pages, %v", len(pages), problems)
	}
}
