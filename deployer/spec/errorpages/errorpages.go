// Package errorpages reads a service's own error pages (error_pages_path) from
// the files of its repository.
//
// Lives here: which files are pages, how large they may be, and what Fairlead's
// own proxy would refuse. May not live here: how they reach a host
// (deployer/plan), the language of a page (proxy/page), and how one is shown.
package errorpages

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
	"github.com/fairlead-deploy/fairlead/proxy/page"
)

// Bounds in bytes: of one page, and of all together, which are kept with each
// release for a rollback.
const (
	MaxPage = 256 << 10
	MaxAll  = 1 << 20
)

// Read returns the pages in a folder, by path: public/404.html, public/5xx.html
// and so on. Each is asked for by its name, so that a folder with much else in
// it need not be listed. Problems say which were left out, and why. The folder
// "" has none.
func Read(fsys fs.FS, folder string) (pages map[string]string, problems []error) {
	if folder == "" {
		return nil, nil
	}
	pages = map[string]string{}
	left := int64(MaxAll)
	for _, name := range names() {
		at := path.Join(folder, name)
		text, err := read(fsys, at, min(MaxPage, left))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			problems = append(problems, fmt.Errorf("%s is left out: %w", at, err))
		default:
			pages[at] = text
			left -= int64(len(text))
		}
	}
	if len(pages)+len(problems) == 0 {
		problems = append(problems, errors.New("no page such as 404.html or 5xx.html is there"))
	}
	return pages, problems
}

// Refused are the mistakes of pages that Fairlead's own proxy does not take, so
// that a plan tells of them and not the rollout's last step.
func Refused(pages map[string]string) (all []*schema.Error) {
	for _, at := range slices.Sorted(maps.Keys(pages)) {
		_, err := page.Parse(pages[at])
		var e *page.Error
		if errors.As(err, &e) {
			all = append(all, &schema.Error{
				Position: schema.Position{File: at, Line: e.Line, Column: e.Column}, Path: "error_pages_path", Message: e.Problem,
				Hint: e.Hint + "; where kamal-proxy itself serves, write `x-fairlead: { proxy: kamal-proxy }`",
			})
		}
	}
	return all
}

// names are the files that are looked for: a page for each status of the IANA's
// list, and for each class of errors.
func names() []string {
	list := []string{"4xx.html", "5xx.html"}
	for _, span := range [][2]int{{400, 431}, {451, 451}, {500, 511}} {
		for status := span[0]; status <= span[1]; status++ {
			list = append(list, strconv.Itoa(status)+".html")
		}
	}
	return list
}

func read(fsys fs.FS, at string, limit int64) (string, error) {
	f, err := fsys.Open(at)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("it is larger than %d KiB, or all are larger than %d KiB; make it smaller", MaxPage>>10, MaxAll>>10)
	}
	return string(text), err
}
