package secret

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// maxFile bounds a dotenv file, in bytes; a single value may fill it.
const maxFile = 1 << 20

// entry is one NAME=value of a dotenv file, read but not yet evaluated.
type entry struct {
	name string
	line int // of the name, from 1
	// Where it stands in the file: whole lines, and the value within them.
	start, end, valueStart, valueEnd int
	parts                            []part
}

// part is a piece of a value.
type part struct {
	kind partKind
	text string // the literal, the variable's name or the command
}

type partKind int

const (
	literal partKind = iota
	variable
	command
)

// ParseError is where a dotenv file cannot be read. It never holds a value.
type ParseError struct {
	File string
	Line int
	Name string // of the entry, "" when it has none
	Why  string
}

func (e *ParseError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Why)
	}
	return fmt.Sprintf("%s:%d: %s: %s", e.File, e.Line, e.Name, e.Why)
}

var (
	entryHead    = regexp.MustCompile(`^[ \t]*(?:export[ \t]+)?([\w.]+)(?:[ \t]*=[ \t]*|:[ \t]+|:$)`)
	afterValue   = regexp.MustCompile(`^[ \t]*(?:#[^\n]*)?(?:\n|$)`)
	variableName = regexp.MustCompile(`^(?:\{(\w+)\}|(\w+))`)
)

// parse reads dotenv as Kamal does, with the grammar of Ruby's dotenv 3
// (github.com/bkeepers/dotenv, lib/dotenv/parser.rb): NAME=value or
// NAME: value, `export`, comments, '…' taken literally, "…" with escapes,
// both over several lines, $NAME, ${NAME} and $(command). Where Ruby guesses
// at what it cannot read, parse errors and names the line. It returns what it
// could read together with all errors.
func parse(file string, data string) ([]entry, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("read %s: longer than %d bytes", file, maxFile)
	}
	var (
		entries []entry
		errs    []error
		line    = 1
	)
	for at := 0; at < len(data); {
		e, next, why := parseEntry(data, at)
		e.line = line
		if why != "" {
			errs = append(errs, &ParseError{File: file, Line: line, Name: e.name, Why: why})
		} else if e.name != "" {
			entries = append(entries, e)
		}
		line += strings.Count(data[at:next], "\n")
		at = next
	}
	return entries, errors.Join(errs...)
}

// parseEntry reads the entry that begins with the line at offset at. It
// returns where the next line to read begins, and why it is unreadable, if so.
// A blank or comment line is an entry without name.
func parseEntry(data string, at int) (e entry, next int, why string) {
	lineEnd, next := endOfLine(data, at)
	text := data[at:lineEnd]
	if trimmed := strings.TrimSpace(text); trimmed == "" || trimmed[0] == '#' {
		return entry{}, next, ""
	}
	head := entryHead.FindStringSubmatchIndex(text)
	if head == nil {
		return entry{}, next, "no NAME=value"
	}
	e = entry{name: text[head[2]:head[3]], start: at, valueStart: at + head[1]}
	raw, quote, length, why := readValue(data[e.valueStart:])
	if why != "" {
		return e, next, why
	}
	e.valueEnd = e.valueStart + length
	_, e.end = endOfLine(data, e.valueEnd)
	raw = strings.ReplaceAll(raw, "\r\n", "\n")
	if quote == '\'' {
		e.parts = []part{{literal, raw}}
		return e, e.end, ""
	}
	e.parts, why = readParts(raw, quote)
	return e, e.end, why
}

// endOfLine returns where the line's text ends, and where the next begins.
func endOfLine(data string, at int) (end, next int) {
	i := strings.IndexByte(data[at:], '\n')
	if i < 0 {
		return len(data), len(data)
	}
	return at + i, at + i + 1
}

// readValue finds the value at the beginning of s: its text without quotes,
// the quote (0 if none) and its length with them.
func readValue(s string) (raw string, quote byte, length int, why string) {
	if s != "" && (s[0] == '\'' || s[0] == '"') {
		end, why := closing(s)
		if why != "" {
			return "", s[0], 0, why
		}
		return s[1:end], s[0], end + 1, ""
	}
	end, _ := endOfLine(s, 0)
	if i := strings.IndexByte(s[:end], '#'); i >= 0 {
		end = i
	}
	raw = strings.TrimRight(s[:end], " \t\r")
	return raw, 0, len(raw), ""
}

// closing finds the quote that ends the quoted value s. An escaped quote is
// passed over, unless no later one ends a value: 'C:\' is a whole value.
func closing(s string) (end int, why string) {
	quote, escaped := s[0], -1
	why = "the quote is never closed"
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == quote:
			if i++; ends(s[i+1:]) {
				escaped = i
			}
		case s[i] == '\\' && quote == '"':
			i++
		case s[i] == quote && ends(s[i+1:]):
			return i, ""
		case s[i] == quote:
			why = "text after the closing quote"
			i = len(s)
		}
	}
	if escaped > 0 {
		return escaped, ""
	}
	return 0, why
}

// ends tells whether nothing but a comment follows on the line.
func ends(rest string) bool {
	end, _ := endOfLine(rest, 0)
	return afterValue.MatchString(strings.TrimSuffix(rest[:end], "\r"))
}

// readParts splits an unquoted or double-quoted value.
func readParts(raw string, quote byte) (parts []part, why string) {
	var text strings.Builder
	add := func(p part) {
		if text.Len() > 0 {
			parts = append(parts, part{literal, text.String()})
			text.Reset()
		}
		parts = append(parts, p)
	}
	for i := 0; i < len(raw); i++ {
		switch rest := raw[i+1:]; {
		case raw[i] == '\\' && rest != "":
			i++
			if quote == '"' && (raw[i] == 'n' || raw[i] == 'r') {
				text.WriteByte('\\') // dotenv 3 expands \n no more
			}
			text.WriteByte(raw[i])
		case raw[i] == '$' && strings.HasPrefix(rest, "("):
			length := balanced(rest)
			if length == 0 {
				return nil, "$( is never closed"
			}
			add(part{command, strings.TrimSpace(rest[1 : length-1])})
			i += length
		case raw[i] == '$' && strings.HasPrefix(rest, "{") && !variableName.MatchString(rest):
			return nil, "only ${NAME} is understood, without defaults; quote a literal $ with '…'"
		case raw[i] == '$' && variableName.MatchString(rest):
			m := variableName.FindStringSubmatch(rest)
			add(part{variable, m[1] + m[2]})
			i += len(m[0])
		default:
			text.WriteByte(raw[i])
		}
	}
	if text.Len() > 0 {
		parts = append(parts, part{literal, text.String()})
	}
	return parts, ""
}

// balanced returns the length of the parenthesised text that s begins with, 0
// when it does not end.
func balanced(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

var bare = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`)

// quote writes a value so that parse, and Ruby's dotenv, read it back.
func quote(plain string) (string, error) {
	switch {
	case strings.ContainsAny(plain, "\r\x00"):
		return "", errors.New("a dotenv file cannot hold a carriage return or NUL; convert the line ends, or use a folder with one file per secret")
	case bare.MatchString(plain):
		return plain, nil
	case !strings.Contains(plain, "'") && !strings.HasSuffix(plain, `\`):
		return "'" + plain + "'", nil
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(plain) + `"`, nil
}
