// Package page is the language of error pages: HTML with places for values.
//
// Lives here: reading a page, and filling it in. Pure. May not live here: which
// page is shown for what (proxy/router), and where pages come from.
package page

import (
	"fmt"
	"html"
	"regexp"
	"strings"
)

// MaxPlaces bounds the places for values in one page.
const MaxPlaces = 100

// Values are what a page may ask for. Kamal documents Message only.
type Values struct {
	Message string
	Status  string // "503"
	Title   string // "Service Unavailable"
	Text    string // the message, or an explanation of the status
}

// Page is HTML with places for values. It is no program: kamal-proxy runs pages
// as Go's templates, where a loop in one service's page can keep busy the proxy
// that all services share.
type Page struct {
	text   []string // what stands before each place, and after the last
	places []string // "Message"
}

// Error is what keeps a text from being a page.
type Error struct {
	Line, Column  int // from 1
	Problem, Hint string
}

// Error returns `{{ if .Message }} is not filled in; use …`.
func (e *Error) Error() string { return e.Problem + "; " + e.Hint }

var placePattern = regexp.MustCompile(`\{\{-?\s*(.*?)\s*-?\}\}`)

// Parse finds the places: {{ .Message }}, {{ .Status }}, {{ .Title }}, {{ .Text }}.
// An error is an *Error.
func Parse(html string) (*Page, error) {
	p, end := &Page{}, 0
	fail := func(at int, hint, format string, args ...any) error {
		before := html[:at]
		return &Error{
			Line: 1 + strings.Count(before, "\n"), Column: at - strings.LastIndex(before, "\n"),
			Problem: fmt.Sprintf(format, args...), Hint: hint,
		}
	}
	for _, at := range placePattern.FindAllStringSubmatchIndex(html, -1) {
		place := html[at[2]:at[3]]
		switch place {
		case ".Message", ".Status", ".Title", ".Text":
		default:
			return nil, fail(at[0], "use {{ .Message }}, {{ .Status }}, {{ .Title }} or {{ .Text }} alone", "{{ %.40s }} is not filled in", place)
		}
		if len(p.places) == MaxPlaces {
			return nil, fail(at[0], "use fewer", "it has more than %d places for values", MaxPlaces)
		}
		p.text, p.places, end = append(p.text, html[end:at[0]]), append(p.places, place[1:]), at[1]
	}
	p.text = append(p.text, html[end:])
	return p, nil
}

// Fill returns the page with the values, which are text and no HTML.
func (p *Page) Fill(values Values) string {
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
