// Package show writes what the command line prints for people: plans,
// histories, events and the explanation of a release.
//
// It is pure: values in, text out, and the time that it needs is an argument.
// What is asked of whom, and how programs see the same (--json), does not live
// here; how a status looks is package server's.
package show

import (
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/fairlead-deploy/fairlead/release"
)

// Style is how text may look. The zero value is plain.
type Style struct {
	Colour bool // ANSI's eight colours and bold
}

// The codes of ECMA-48, 8.3.117, that every terminal knows.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (s Style) paint(code, text string) string {
	if !s.Colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Title makes a line stand out.
func (s Style) Title(text string) string { return s.paint(bold, text) }

// Warning makes a line that is a warning.
func (s Style) Warning(text string) string { return s.paint(yellow, "warning: "+Plain(text)) }

// Status is a release's status in words: "rolled back".
func (s Style) Status(st release.Status) string { return s.paint(hue(st), words(st)) }

func words(st release.Status) string { return strings.ReplaceAll(string(st), "_", " ") }

func hue(st release.Status) string {
	switch st {
	case release.Succeeded, release.Unchanged:
		return green
	case release.Failed, release.RolledBack, release.NeedsHuman, release.RollingBack:
		return red
	case release.Waiting:
		return yellow
	case release.Superseded:
		return faint
	}
	return cyan
}

// Tint colours the states in the text of a status; it changes nothing else.
func (s Style) Tint(text string) string {
	if !s.Colour {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		for _, word := range []struct{ phrase, code string }{
			{"needs a person", red}, {"failed:", red}, {"unreachable:", red}, {"waiting:", yellow}, {"held by", yellow},
			{"behind:", yellow}, {"on its commit", green}, {"on their commit", green}, {"→ ", cyan},
		} {
			if before, after, ok := strings.Cut(line, word.phrase); ok {
				line = before + s.paint(word.code, word.phrase) + after
				break
			}
		}
		b.WriteString(line)
	}
	return b.String()
}

// Plain makes foreign text safe for a terminal: control characters, line breaks
// and marks that turn the direction of writing (CVE-2021-42574) become spaces.
func Plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}

// date is a moment as people compare it between machines.
func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// took is a duration in the unit that fits, "" for none.
func took(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// table aligns rows of cells with two spaces between columns.
func table(indent string, rows [][]string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, cells := range rows {
		_, _ = w.Write([]byte(strings.Join(cells, "\t") + "\n")) // into memory
	}
	_ = w.Flush()
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		out.WriteString(strings.TrimRight(indent+line, " \n") + "\n")
	}
	return out.String()
}
