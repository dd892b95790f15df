package router

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"regexp"
	"strconv"
)

const (
	// maxPage bounds an error page, in bytes, maxPages their number in a folder.
	maxPage  = 1 << 20
	maxPages = 100
)

//go:embed page.html
var builtinPage string

// pages are a service's own error pages by file name without ".html": "404", "5xx".
type pages map[string]*template.Template

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
		page, err := readPage(root, entry.Name())
		if err != nil {
			errs = append(errs, fmt.Errorf("read error page %s: %w", entry.Name(), err))
			continue
		}
		found[match[1]] = page
	}
	return found, errors.Join(errs...)
}

func readPage(root *os.Root, name string) (*template.Template, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxPage))
	if err != nil {
		return nil, err
	}
	return template.New(name).Parse(string(text))
}

// page answers with the proxy's own words: the service's page for the status, else for its class,
// else the built-in one.
func (x *exchange) page(status int, message string) {
	var own pages
	if x.service != nil {
		own = x.service.pages
	}
	data := pageData{Message: message, Status: status, Title: http.StatusText(status), Text: explain(status)}
	var body bytes.Buffer
	for _, t := range []*template.Template{own[strconv.Itoa(status)], own[fmt.Sprintf("%dxx", status/100)], x.router.page} {
		body.Reset()
		if t != nil && t.Execute(&body, data) == nil {
			break
		}
	}
	h := x.w.Header()
	maps.Copy(h, http.Header{
		"Content-Type":   {"text/html; charset=utf-8"},
		"Cache-Control":  {"no-store"},
		"X-Request-Id":   {x.id},
		"Content-Length": {strconv.Itoa(body.Len())},
	})
	x.w.WriteHeader(status)
	if x.req.Method != http.MethodHead {
		_, _ = x.w.Write(body.Bytes()) // a client that is gone needs no page
	}
}

// pageData is what a page may use. Kamal documents Message only.
type pageData struct {
	Message string
	Status  int
	Title   string
	Text    string
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
