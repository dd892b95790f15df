package router

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"regexp"
	"strconv"

	"github.com/fairlead-deploy/fairlead/proxy/page"
)

const (
	// maxPage bounds an error page, in bytes, maxPages their number in a folder.
	maxPage  = 1 << 20
	maxPages = 100
)

//go:embed page.html
var builtinPage string

// pages are a service's own error pages by file name without ".html": "404", "5xx".
type pages map[string]*page.Page

// readPages reads the pages in a folder. It returns those that could be read also with an error.
func readPages(dir string) (pages, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("read error pages: %w", err)
	}
	defer func() { _ = root.Close() }()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("read error pages: %w", err)
	}
	named := regexp.MustCompile(`^([45](?:[0-9][0-9]|xx))\.html$`)
	found, errs := pages{}, []error(nil)
	for _, entry := range entries {
		match := named.FindStringSubmatch(entry.Name())
		if match == nil || len(found) == maxPages {
			continue
		}
		one, err := readPage(root, entry.Name())
		if err != nil {
			errs = append(errs, fmt.Errorf("read error page %s: %w", entry.Name(), err))
			continue
		}
		found[match[1]] = one
	}
	return found, errors.Join(errs...)
}

func readPage(root *os.Root, name string) (*page.Page, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxPage))
	if err != nil {
		return nil, err
	}
	return page.Parse(string(text))
}

// page answers with the proxy's own words: the service's page for the status, else for its class,
// else the built-in one.
func (x *exchange) page(status int, message string) {
	var own pages
	if x.service != nil {
		own = x.service.pages
	}
	values := page.Values{Message: message, Status: strconv.Itoa(status), Title: http.StatusText(status), Text: cmp.Or(message, explain(status))}
	shown := cmp.Or(own[values.Status], own[fmt.Sprintf("%dxx", status/100)], x.router.page)
	body := shown.Fill(values)
	h := x.w.Header()
	maps.Copy(h, http.Header{
		"Content-Type":   {"text/html; charset=utf-8"},
		"Cache-Control":  {"no-store"},
		"X-Request-Id":   {x.id},
		"Content-Length": {strconv.Itoa(len(body))},
	})
	x.w.WriteHeader(status)
	if x.req.Method != http.MethodHead {
		_, _ = io.WriteString(x.w, body) // a client that is gone needs no page
	}
}

func explain(status int) string {
	switch status {
	case http.StatusNotFound:
		return "No application is served at this address."
	case http.StatusRequestEntityTooLarge:
		return "What was sent is larger than this application accepts."
	case http.StatusServiceUnavailable:
		return "This application is not available right now. Please try again in a little while."
	case http.StatusGatewayTimeout:
		return "The application took too long to answer. Please try again in a little while."
	case http.StatusBadGateway:
		return "The application could not be reached. Please try again in a little while."
	}
	return "Something went wrong. Please try again in a little while."
}
