// Package erb evaluates the templates that real deploy.yml files contain: a
// small part of Ruby, natively, without Ruby.
//
// Supported between <%= and %>: ENV["X"], ENV.fetch("X"), ENV.fetch("X", "d"),
// ENV.fetch("X") { "d" }, A || B, text in quotes, numbers, true, false, nil,
// File.read("x") from the repository, %x(command) and `command` where they are
// allowed, parentheses, and .strip, .chomp, .to_s, .presence behind any of
// them. <%# comments %> are dropped. Everything else is a located error.
//
// Lives here: finding templates, masking them for the YAML parser, evaluating
// them lazily, so that a template in a YAML comment is never evaluated. May not
// live here: any access to the environment, files or programs; they are injected.
package erb

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

// World is what templates may look at.
type World struct {
	// Env answers ENV; nil knows no name.
	Env func(name string) (string, bool)
	// ReadFile answers File.read with a file of the repository; nil has none.
	ReadFile func(name string) ([]byte, error)
	// Command runs a command line and returns what it prints; nil forbids.
	Command func(commandLine string) (string, error)
}

// Template is a file whose templates were masked.
type Template struct {
	// Masked is the file with every <%= … %> replaced by a placeholder of the
	// same width (schema.Mask).
	Masked []byte

	world   World
	tags    []tag
	results map[int]result
}

type tag struct {
	at   schema.Position // of the code's first rune
	code string
}

type result struct {
	text  string
	unset []string
	err   error
}

// Scan finds the templates of a file. Mistakes outside of YAML comments that no
// evaluation could mend (control flow, a tag without end) go to report.
func Scan(file string, src []byte, world World, report *schema.Report) *Template {
	s := scanner{file: file, rest: string(src), line: 1, column: 1, report: report}
	s.run()
	return &Template{Masked: []byte(s.out.String()), world: world, tags: s.tags, results: map[int]result{}}
}

// Expand evaluates a placeholder, once. It implements schema.Templates.
func (t *Template) Expand(index int) (text string, unset []string, err error) {
	if index < 0 || index >= len(t.tags) {
		return "", nil, fmt.Errorf("evaluate template: no template has the number %d", index)
	}
	r, ok := t.results[index]
	if !ok {
		r = t.evaluate(t.tags[index])
		t.results[index] = r
	}
	return r.text, r.unset, r.err
}

// EnvName returns NAME when the template is ENV["NAME"] or ENV.fetch("NAME").
// It implements schema.Templates.
func (t *Template) EnvName(index int) (name string, ok bool) {
	if index < 0 || index >= len(t.tags) {
		return "", false
	}
	m := envPattern.FindStringSubmatch(t.tags[index].code)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// RunsCommand tells that the template contains `…` or %x(…) that has to be run
// (cat FILE is read natively). It implements schema.Templates.
func (t *Template) RunsCommand(index int) bool {
	if index < 0 || index >= len(t.tags) {
		return false
	}
	code := t.tags[index].code
	return strings.Contains(code, "`") || strings.Contains(code, "%x")
}

// scanner copies a file, masking templates.
type scanner struct {
	file         string
	rest         string
	line, column int
	// comment tells that a YAML comment has begun on this line; quote is the
	// quotation mark that is open, 0 for none; previous is the last rune.
	comment         bool
	quote, previous rune
	out             strings.Builder
	tags            []tag
	report          *schema.Report
}

func (s *scanner) run() {
	for s.rest != "" {
		if strings.HasPrefix(s.rest, "<%") {
			s.tag()
			continue
		}
		r, size := utf8.DecodeRuneInString(s.rest)
		s.out.WriteString(s.rest[:size])
		s.advance(r, size)
	}
}

// advance moves over one rune, following quotes and comments as far as needed
// to tell a template in a comment. Quotes do not reach over lines here: a
// template after a many-line quote is at worst reported although commented.
func (s *scanner) advance(r rune, size int) {
	s.rest = s.rest[size:]
	s.column++
	blankBefore := s.previous == 0 || s.previous == ' ' || s.previous == '\t'
	switch {
	case r == '\n':
		s.line, s.column, s.comment, s.quote, s.previous = s.line+1, 1, false, 0, 0
		return
	case s.comment:
	case s.quote != 0:
		if r == s.quote {
			s.quote = 0
		}
	case r == '#' && blankBefore:
		s.comment = true
	case (r == '"' || r == '\'') && blankBefore:
		s.quote = r
	}
	s.previous = r
}

func (s *scanner) fail(hint, format string, args ...any) {
	s.report.Fail(&schema.Error{Position: s.at(), Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (s *scanner) at() schema.Position {
	return schema.Position{File: s.file, Line: s.line, Column: s.column}
}

// tag handles one <% … %>.
func (s *scanner) tag() {
	end := strings.Index(s.rest, "%>")
	if end < 0 {
		if s.comment {
			s.copy(len("<%"))
			return
		}
		s.fail("end it with %>", "the template has no end")
		s.blank(len(s.rest))
		return
	}
	whole := s.rest[:end+2]
	oneLine := !strings.Contains(whole, "\n")
	switch {
	case s.comment && !oneLine:
		s.copy(len("<%"))
	case s.comment, strings.HasPrefix(whole, "<%#"):
		s.blank(len(whole))
	case !strings.HasPrefix(whole, "<%="):
		s.fail("write the values out; Fairlead evaluates <%= ENV[\"NAME\"] %> and the like, no Ruby", "unsupported ERB: %s", shorten(whole))
		s.blank(len(whole))
	case !oneLine:
		s.fail("write it on one line", "unsupported ERB: a template over several lines")
		s.blank(len(whole))
	case len(s.tags) >= schema.MaxTemplates:
		s.fail("", "the file has more than %d templates", schema.MaxTemplates)
		s.blank(len(s.rest))
	default:
		s.mask(whole)
	}
}

func (s *scanner) mask(whole string) {
	code := strings.TrimSuffix(strings.TrimSuffix(whole[len("<%="):], "%>"), "-")
	at := s.at()
	at.Column += len("<%=") + utf8.RuneCountInString(code) - utf8.RuneCountInString(strings.TrimLeft(code, " \t"))
	width := utf8.RuneCountInString(whole)
	s.out.WriteString(schema.Mask(len(s.tags), width))
	s.tags = append(s.tags, tag{at: at, code: strings.TrimSpace(code)})
	s.rest = s.rest[len(whole):]
	s.column += width
	s.previous = '%'
}

// copy passes n bytes on, blank passes blanks of their width on.
func (s *scanner) copy(n int)  { s.pass(n, false) }
func (s *scanner) blank(n int) { s.pass(n, true) }

func (s *scanner) pass(n int, blank bool) {
	for done := 0; done < n; {
		r, size := utf8.DecodeRuneInString(s.rest)
		out := s.rest[:size]
		if blank && r != '\n' {
			r, out = ' ', " "
		}
		s.out.WriteString(out)
		s.advance(r, size)
		done += size
	}
}

func shorten(code string) string {
	code, _, _ = strings.Cut(code, "\n")
	if runes := []rune(code); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return code
}
