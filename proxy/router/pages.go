package router

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
)

const (
	// maxPage bounds an error page, in bytes, maxPages their number in a folder,
	// maxPlaces the places for values in one.
	maxPage   = 1 << 20
	maxPages  = 100
	maxPlaces = 100
)

//go:embed page.html
var builtinPage string

// pages are a service's own error pages by file name without ".html": "404", "5xx".
type pages map[string]*errorPage

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

func readPage(root *os.Root, name string) (*errorPage, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxPage))
	if err != nil {
		return nil, err
	}
	return parsePage(string(text))
}

// page answers with the proxy's own words: the service's page for the status, else for its class,
// else the built-in one.
func (x *exchange) page(status int, message string) {
	var own pages
	if x.service != nil {
		own = x.service.pages
	}
	values := pageValues{Message: message, Status: strconv.Itoa(status), Title: http.StatusText(status), Text: cmp.Or(message, explain(status))}
	shown := cmp.Or(own[values.Status], own[fmt.Sprintf("%dxx", status/100)], x.router.page)
	body := shown.fill(values)
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

// pageValues are what a page may ask for. Kamal documents Message only.
type pageValues struct {
	Message string
	Status  string // "503"
	Title   string // "Service Unavailable"
	Text    string // the message, or an explanation of the status
}

// errorPage is HTML with places for values. It is no program: kamal-proxy runs
// pages as Go's templates, where a loop in one service's page can keep busy the
// proxy that all services share.
type errorPage struct {
	text   []string // what stands before each place, and after the last
	places []string // "Message"
}

var placePattern = regexp.MustCompile(`\{\{-?\s*(.*?)\s*-?\}\}`)

// parsePage finds the places: {{ .Message }}, {{ .Status }}, {{ .Title }}, {{ .Text }}.
func parsePage(html string) (*errorPage, error) {
	p, end := &errorPage{}, 0
	for _, at := range placePattern.FindAllStringSubmatchIndex(html, -1) {
		place := html[at[2]:at[3]]
		switch place {
		case ".Message", ".Status", ".Title", ".Text":
		default:
			return nil, fmt.Errorf("{{ %.40s }} is not filled in; use {{ .Message }}, {{ .Status }}, {{ .Title }} or {{ .Text }} alone", place)
		}
		if len(p.places) == maxPlaces {
			return nil, fmt.Errorf("it has more than %d places for values; use fewer", maxPlaces)
		}
		p.text, p.places, end = append(p.text, html[end:at[0]]), append(p.places, place[1:]), at[1]
	}
	p.text = append(p.text, html[end:])
	return p, nil
}

// fill returns the page with the values, which are text and no HTML.
func (p *errorPage) fill(values pageValues) string {
	var out strings.Builder
	for i, place := range p.places {
		out.WriteString(p.text[i])
		out.WriteString(html.EscapeString(map[string]string{
			"Message": values.Message, "Status": values.Status, "Title": values.Title, "Text": values.Text,
		}[place]))
	}
	out.WriteString(p.text[len(p.places)])
	return out.String()
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
