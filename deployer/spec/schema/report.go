package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a file; Line and Column count from 1, 0 is unknown.
type Position struct {
	File         string
	Line, Column int
}

// String returns "config/deploy.yml:12:5".
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Error is one mistake in a file.
type Error struct {
	Position
	// Path is the way to the value: servers.web.hosts[0]. "" is the file.
	Path string
	// Message says what is wrong, Hint what to do; Hint may be "".
	Message, Hint string
	// Text is the line as the file has it; "" where it is unknown, or may hold a
	// secret. It is for the terminal of whoever has the file.
	Text string
}

// Error returns `config/deploy.yml:12:5: servers.web: unknown key "hostz" (did
// you mean "hosts"?)`.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Position.String())
	b.WriteString(": ")
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Errors are several mistakes, sorted by place.
type Errors []*Error

// Error returns one line per mistake.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Warning is something that is read but not acted on as written.
type Warning struct {
	Position
	Path, Message string
}

// String returns the warning as Error returns an error.
func (w Warning) String() string {
	if w.Path == "" {
		return w.Position.String() + ": " + w.Message
	}
	return w.Position.String() + ": " + w.Path + ": " + w.Message
}

// What one file can make us say: how much, and how much of it is the file's.
const (
	maxErrors   = 100
	maxExcerpts = 20
	maxShown    = 120 // runes of a text or path of the file
)

// message is fmt.Sprintf that shortens texts, which are the file's.
func message(format string, args []any) string {
	short := make([]any, len(args))
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			arg = shorten(text)
		}
		short[i] = arg
	}
	return fmt.Sprintf(format, short...)
}

func shorten(text string) string {
	if len(text) <= maxShown {
		return text
	}
	for i := range text {
		if i >= maxShown {
			return text[:i] + "…"
		}
	}
	return text
}

// Report collects what is found while a file is read.
type Report struct {
	errors   Errors
	warnings []Warning
	seen     map[string]bool
	wrong    map[string]bool
	files    map[string][]byte
}

// Fail adds a mistake; a repeated one is dropped.
func (r *Report) Fail(e *Error) {
	e.Path = shorten(e.Path)
	if r.full() || !r.first("e"+e.Error()) {
		return
	}
	r.errors = append(r.errors, e)
}

// failValue adds a mistake of the value at e.Path unless one is known: the
// second would only be a consequence of the first.
func (r *Report) failValue(e *Error) {
	if r.wrong == nil {
		r.wrong = map[string]bool{}
	}
	if !r.wrong[e.Path] {
		r.wrong[e.Path] = true
		r.Fail(e)
	}
}

// Warn adds a warning; a repeated one is dropped.
func (r *Report) Warn(w Warning) {
	w.Path = shorten(w.Path)
	if len(r.warnings) >= maxErrors || !r.first("w"+w.String()) {
		return
	}
	r.warnings = append(r.warnings, w)
}

func (r *Report) first(key string) bool {
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	if r.seen[key] {
		return false
	}
	r.seen[key] = true
	return true
}

// full tells that nothing more will be said, so that reading on is of no use.
func (r *Report) full() bool { return len(r.errors) >= maxErrors }

// Failed tells whether a mistake was found.
func (r *Report) Failed() bool { return len(r.errors) > 0 }

// Err returns Errors in the files' order, nil when there are none.
func (r *Report) Err() error {
	if len(r.errors) == 0 {
		return nil
	}
	slices.SortStableFunc(r.errors, func(a, b *Error) int { return comparePositions(a.Position, b.Position) })
	for _, e := range r.errors[:min(len(r.errors), maxExcerpts)] {
		e.Text = lineOf(r.files[e.File], e.Line)
	}
	return r.errors
}

// Warnings returns the warnings in the files' order.
func (r *Report) Warnings() []Warning {
	slices.SortStableFunc(r.warnings, func(a, b Warning) int { return comparePositions(a.Position, b.Position) })
	return r.warnings
}

func comparePositions(a, b Position) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}

// Locate finds path in positions, else the nearest part above it.
func Locate(positions map[string]Position, path string) Position {
	for {
		if p, ok := positions[path]; ok || path == "" {
			return p
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}
