package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with the file. It never shows a value that could
// be a secret.
type Problem struct {
	File         string
	Line, Column int    // from 1; 0 when unknown
	Path         string // "repositories.shop.poll", "" for the whole file
	Message      string
	Hint         string // what to do, "" when Message says it
}

func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Column > 0 {
		fmt.Fprintf(&b, ":%d", p.Column)
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Problems is all that is wrong, in the order of the file.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// nearest returns the word that was probably meant, "" when none is near.
func nearest(word string, words []string) string {
	best, distance := "", 3
	for _, w := range words {
		if d := edits(strings.ToLower(word), w); d < distance && d < max(len(w), 2) {
			best, distance = w, d
		}
	}
	return best
}

// edits is Levenshtein's distance; words are short, as keys are bounded.
func edits(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// didYouMean is a hint that names the nearest word, or all when none is near.
func didYouMean(word string, words []string) string {
	if w := nearest(word, words); w != "" {
		return fmt.Sprintf("did you mean %q?", w)
	}
	return "known are " + strings.Join(slices.Sorted(slices.Values(words)), ", ")
}
