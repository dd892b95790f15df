package schema

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

var (
	linePattern   = regexp.MustCompile(`^line (\d+): `)
	anchorPattern = regexp.MustCompile(`^unknown anchor '(.+)' referenced$`)
	// parserPattern matches the messages whose line the library counts from 0.
	parserPattern = regexp.MustCompile(`^did not find expected (<document start>|<stream-start>|node content|'-' indicator|key|',' or '[\]}]')`)
	symbolPattern = regexp.MustCompile(`^:[A-Za-z_][\w-]*$`)
)

// Source is a file to parse.
type Source struct {
	// File is the name shown in errors.
	File string
	// Bytes is the content, templates masked.
	Bytes []byte
	// Templates evaluates the placeholders; nil where there are none.
	Templates Templates
}

// Check refuses a file that breaks the limits, is not UTF-8, or has characters
// that no YAML file may have. Call it before anything else looks at the bytes.
func Check(file string, src []byte) error {
	if e := checkBytes(file, src); e != nil {
		e.Text = lineOf(src, e.Line)
		return Errors{e}
	}
	return nil
}

// Parse reads one YAML document; an empty one is an empty map. Mistakes go to
// report; the tree is what could be read, nil when nothing could.
func Parse(s Source, report *Report) *Node {
	root, e := decode(s)
	if e != nil {
		report.Fail(e)
		return nil
	}
	c := converter{Source: s, report: report}
	if root == nil {
		return &Node{Kind: Map, At: Position{File: s.File, Line: 1, Column: 1}, templates: s.Templates}
	}
	n := c.convert(root, "", 0)
	if n.Kind == Null {
		n.Kind = Map
	}
	return n
}

// decode calls the YAML library. The library is not maintained and the bytes
// are a stranger's: should it panic, that file is wrong and the daemon lives.
func decode(s Source) (root *yaml.Node, e *Error) {
	defer func() {
		if p := recover(); p != nil {
			root, e = nil, &Error{Position: Position{File: s.File, Line: 1, Column: 1}, Message: "the YAML cannot be read"}
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(s.Bytes))
	var doc, second yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, syntaxError(s, err)
	}
	if err := d.Decode(&second); err == nil {
		at := Position{File: s.File, Line: second.Line, Column: second.Column}
		return nil, &Error{Position: at, Message: "a second document begins here", Hint: "keep one document per file"}
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxError(s, err)
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

// syntaxError rewrites the library's "yaml: line 3: mapping values are not
// allowed in this context".
func syntaxError(s Source, err error) *Error {
	at := Position{File: s.File, Line: 1, Column: 1}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := anchorPattern.FindStringSubmatch(text); m != nil {
		before, _, _ := bytes.Cut(s.Bytes, []byte("*"+m[1]))
		at.Line = 1 + bytes.Count(before, []byte("\n"))
		at.Column = 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
		return &Error{Position: at, Message: fmt.Sprintf("no anchor &%s is above this line", m[1])}
	}
	if m := linePattern.FindStringSubmatch(text); m != nil {
		at.Line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	if parserPattern.MatchString(text) {
		at.Line++
	}
	lines := bytes.Split(s.Bytes, []byte("\n"))
	at.Line = min(max(at.Line, 1), len(lines))
	line := lines[at.Line-1]
	at.Column = len(line) - len(bytes.TrimLeft(line, " \t")) + 1
	hint := "the mistake is on this line or near it"
	if strings.Contains(text, "tab") || bytes.Contains(line, []byte("\t")) {
		hint = "indent with spaces, not tabs"
	}
	return &Error{Position: at, Message: "YAML: " + text, Hint: hint}
}

// converter turns the library's nodes into ours.
type converter struct {
	Source
	report *Report
	nodes  int
	full   bool
}

func (c *converter) at(y *yaml.Node) Position {
	return Position{File: c.File, Line: y.Line, Column: y.Column}
}

func (c *converter) fail(y *yaml.Node, path, hint, format string, args ...any) {
	c.report.Fail(&Error{Position: c.at(y), Path: path, Message: message(format, args), Hint: hint})
}

func (c *converter) convert(y *yaml.Node, path string, depth int) *Node {
	n := &Node{At: c.at(y), Path: path, templates: c.Templates}
	c.nodes++
	switch {
	case c.full:
		return n
	case c.nodes > MaxNodes:
		c.full = true
		c.fail(y, "", "use fewer aliases", "the file has more than %d values", MaxNodes)
		return n
	case depth > MaxDepth:
		c.full = true
		c.fail(y, "", "", "values nest deeper than %d", MaxDepth)
		return n
	}
	switch y.Kind {
	case yaml.AliasNode:
		return c.convert(y.Alias, path, depth+1)
	case yaml.SequenceNode:
		n.Kind = List
		for i, item := range y.Content {
			n.Items = append(n.Items, c.convert(item, fmt.Sprintf("%s[%d]", path, i), depth+1))
		}
	case yaml.MappingNode:
		n.Kind = Map
		c.mapping(n, y, depth)
	default:
		c.scalar(n, y)
	}
	return n
}

func (c *converter) scalar(n *Node, y *yaml.Node) {
	n.Kind, n.Text, n.Plain = Scalar, y.Value, y.Style&^yaml.TaggedStyle == 0
	if y.Style&yaml.TaggedStyle == 0 {
		if n.Plain && isNull(n.Text) {
			n.Kind = Null
		}
		return
	}
	switch y.ShortTag() {
	case "!!str":
		n.Plain = false
	case "!!int", "!!float", "!!bool", "!!null":
	default:
		c.fail(y, n.Path, "write the value without the tag", "the tag %s is not supported", y.Tag)
	}
}

func isNull(text string) bool {
	return slices.Contains([]string{"", "~", "null", "Null", "NULL"}, text)
}

// mapping reads keys and values; `<<` merges, a repeated key is a mistake.
func (c *converter) mapping(n *Node, y *yaml.Node, depth int) {
	first := map[string]Position{}
	var merged []*Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			c.fail(k, n.Path, "", "a key must be a word")
			continue
		}
		if k.ShortTag() == "!!merge" {
			merged = append(merged, c.convert(v, n.Path, depth+1))
			continue
		}
		key := c.key(k)
		value := c.convert(v, Join(n.Path, key), depth+1)
		if at, twice := first[key]; twice {
			// Kamal's parser takes the last one in silence.
			c.fail(k, Join(n.Path, key), "merge them or remove one", "written already at line %d", at.Line)
			continue
		}
		first[key] = c.at(k)
		n.Fields = append(n.Fields, Field{Key: key, KeyAt: c.at(k), Value: value})
	}
	for _, m := range merged {
		c.mergeKey(n, m)
	}
}

func (c *converter) key(k *yaml.Node) string {
	text := symbol(k.Value, k.Style == 0)
	var b strings.Builder
	for _, s := range segments(text) {
		if s.index < 0 {
			b.WriteString(s.literal)
			continue
		}
		expanded, _, err := c.Templates.Expand(s.index)
		if err != nil {
			c.report.Fail(templateError(c.at(k), "", err))
		}
		b.WriteString(expanded)
	}
	return b.String()
}

func (c *converter) mergeKey(n, from *Node) {
	switch from.Kind {
	case Map:
		for _, f := range from.Fields {
			n.SetDefault(f.Key, f.Value)
		}
	case List:
		for _, item := range from.Items {
			c.mergeKey(n, item)
		}
	default:
		c.report.Fail(&Error{Position: from.At, Path: from.Path, Message: "<< needs a map", Hint: "as in <<: *name"})
	}
}

// Join adds a key to a path.
func Join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// symbol reads Ruby's :word as word.
func symbol(text string, plain bool) string {
	if plain && symbolPattern.MatchString(text) {
		return text[1:]
	}
	return text
}

// MarshalYAML writes plain Go values (maps, slices, text, numbers) as YAML.
func MarshalYAML(v any) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return b.Bytes(), e.Close()
}
