package schema

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// Keep remembers a file, so that its mistakes can be shown with their lines.
func (r *Report) Keep(file string, src []byte) {
	if r.files == nil {
		r.files = map[string][]byte{}
	}
	r.files[file] = src
}

// maxLine is how much of a line is shown, in runes.
const maxLine = 160

// lineOf returns line number n of src, made fit to be printed. A line that may
// hold a secret is not shown.
func lineOf(src []byte, n int) string {
	for ; n > 1; n-- {
		_, rest, found := bytes.Cut(src, []byte("\n"))
		if !found {
			return ""
		}
		src = rest
	}
	line, _, _ := bytes.Cut(src[:min(len(src), 8*maxLine)], []byte("\n"))
	text := strings.ToValidUTF8(strings.TrimRight(string(line), "\r"), "?")
	for _, word := range []string{"password", "secret", "token", "private key", "begin "} {
		if strings.Contains(strings.ToLower(text), word) {
			return ""
		}
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// Excerpts returns the mistakes, each with its line and a mark below the place
// where that is known: what a person sees on a terminal.
func (es Errors) Excerpts() string {
	var b strings.Builder
	for i, e := range es {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(e.Error())
		line := []rune(e.Text)
		if len(line) == 0 || e.Column < 1 || e.Column > min(len(line), maxLine)+1 {
			continue
		}
		line = line[:min(len(line), maxLine)]
		number := fmt.Sprint(e.Line)
		fmt.Fprintf(&b, "\n  %s | %s\n  %*s | %*s", number, string(line), len(number), "", e.Column, "^")
	}
	return b.String()
}
