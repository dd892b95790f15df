package schema

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Limits on a file that somebody else wrote. A real deploy.yml is a few
// kilobytes and some hundred values.
const (
	// MaxBytes is the size of a file.
	MaxBytes = 1 << 20
	// MaxNodes is the number of values, aliases expanded.
	MaxNodes = 20_000
	// MaxDepth is how deep values may nest.
	MaxDepth = 32
)

// checkBytes refuses what must not reach the parser. It reads the file once.
func checkBytes(file string, src []byte) *Error {
	at := Position{File: file, Line: 1, Column: 1}
	if len(src) > MaxBytes {
		return &Error{Position: at, Message: fmt.Sprintf("the file is larger than %d KiB", MaxBytes>>10)}
	}
	if bytes.HasPrefix(src, []byte{0xFF, 0xFE}) || bytes.HasPrefix(src, []byte{0xFE, 0xFF}) {
		return &Error{Position: at, Message: "the file is UTF-16", Hint: "save it as UTF-8"}
	}
	marks, flow, dashes, bare := 0, 0, 0, true
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return &Error{Position: at, Message: fmt.Sprintf("byte 0x%02x is not UTF-8", src[i]), Hint: "save the file as UTF-8"}
		case r == '\r' && (i+1 == len(src) || src[i+1] != '\n'), r == '\u0085', r == '\u2028', r == '\u2029':
			// YAML counts these as lines, editors do not.
			return &Error{Position: at, Message: fmt.Sprintf("line end U+%04X is not allowed", r), Hint: "end lines with a line feed"}
		case r == '\t' || r == '\r' || r == '\n' || r == '\uFEFF' && i == 0:
		case r < ' ' || r == 0x7F || r == '\uFEFF' || r == '\uFFFE' || r == '\uFFFF' || IsMask(r):
			return &Error{Position: at, Message: fmt.Sprintf("character U+%04X is not allowed", r), Hint: "remove it"}
		}
		switch r {
		case '\n':
			marks, dashes, bare = marks+1, 0, true
		case ',', ':', '?':
			marks++
		case '[', '{':
			flow++
		case ']', '}':
			flow = max(flow-1, 0)
		case '-':
			if bare {
				dashes++
			}
		}
		if r != '-' && r != ' ' && r != '\n' {
			bare = false
		}
		if flow > 4*MaxDepth || dashes > 4*MaxDepth {
			return &Error{Position: at, Message: fmt.Sprintf("values nest deeper than %d", MaxDepth)}
		}
		if marks > 2*MaxNodes {
			return &Error{Position: at, Message: fmt.Sprintf("the file has more than %d values", MaxNodes)}
		}
		i += size
		at = step(at, r)
	}
	return nil
}

func step(at Position, r rune) Position {
	if r == '\n' {
		at.Line, at.Column = at.Line+1, 1
	} else {
		at.Column++
	}
	return at
}
