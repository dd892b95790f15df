package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"
)

// section is where a mapping at the top of the file stands. Lines count from
// 1, as in package yaml.
type section struct {
	key    *yaml.Node // nil: it is not there
	value  *yaml.Node
	next   int // line of the next key at the top, or of the end
	indent int // of its entries
}

// locate finds a mapping in the text. The lines have their ends.
func locate(text []byte, name string) ([]string, section, error) {
	lines := strings.SplitAfter(string(text), "\n")
	if last := len(lines) - 1; lines[last] == "" {
		lines = lines[:last]
	}
	at := section{next: len(lines) + 1, indent: 2}
	var doc yaml.Node
	err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		return lines, at, nil
	}
	if err != nil {
		return nil, at, err
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode || root.Style&yaml.FlowStyle != 0 {
		return nil, at, errors.New("its top is no mapping in lines; write `repositories:` on a line of its own")
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if at.key != nil {
			at.next = root.Content[i].Line
			break
		}
		if root.Content[i].Value == name {
			at.key, at.value = root.Content[i], root.Content[i+1]
		}
	}
	if at.key == nil {
		return lines, at, nil
	}
	empty := at.value.Tag == "!!null" || at.value.Kind == yaml.MappingNode && len(at.value.Content) == 0
	switch {
	case empty:
	case at.value.Kind != yaml.MappingNode:
		return nil, at, fmt.Errorf("line %d: %s is no mapping", at.value.Line, name)
	case at.value.Style&yaml.FlowStyle == 0:
		at.indent = at.value.Content[0].Column - 1
	}
	return lines, at, nil
}

// find returns the index of an entry's key in the mapping, or -1.
func (s section) find(name string) int {
	if s.value == nil || s.value.Kind != yaml.MappingNode {
		return -1
	}
	for i := 0; i < len(s.value.Content); i += 2 {
		if s.value.Content[i].Value == name {
			return i
		}
	}
	return -1
}

// open makes room for entries in lines: the braces of an empty mapping go.
func (s section) open(lines []string) error {
	if s.value.Style&yaml.FlowStyle == 0 {
		return nil
	}
	line := lines[s.value.Line-1]
	from := min(s.value.Column-1, len(line))
	braces := strings.TrimPrefix(line[from:], "{")
	rest := strings.TrimPrefix(strings.TrimLeft(braces, " "), "}")
	if len(s.value.Content) > 0 || s.value.Line != s.key.Line || braces == line[from:] || len(rest) == len(strings.TrimLeft(braces, " ")) {
		return fmt.Errorf("line %d: %s is written in one line; write each entry on lines of its own", s.key.Line, s.key.Value)
	}
	lines[s.value.Line-1] = strings.TrimRight(line[:from], " ") + rest
	return nil
}

// end is the number of the last line of the mapping's entries: before blank
// lines and comments that belong to what follows.
func (s section) end(lines []string) int {
	end := s.next - 1
	for end > s.key.Line && !s.inside(lines[end-1]) {
		end--
	}
	return end
}

// inside tells a line that belongs to an entry.
func (s section) inside(line string) bool {
	text := strings.TrimLeft(line, " ")
	depth := len(line) - len(text)
	text = strings.TrimSpace(text)
	return text != "" && text != "..." && text != "---" && (depth >= s.indent || !strings.HasPrefix(text, "#")) && depth > 0
}

// above tells a comment that belongs to the entry in the next line.
func (s section) above(line string) bool {
	text := strings.TrimLeft(line, " ")
	return strings.HasPrefix(text, "#") && len(line)-len(text) == s.indent
}
