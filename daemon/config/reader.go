package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fairlead-deploy/fairlead/internal/jsonschema"
)

// reader walks the YAML tree and collects every problem on its way.
type reader struct {
	file     string
	dir      string // what relative paths are relative to
	problems Problems
	deploys  map[string][]deploy // deploy files by the path of their repository
	probing  bool                // nothing is read: the shapes of what would be are noted
}

// at is a node and where it stands.
type at struct {
	*yaml.Node
	path string
	key  *yaml.Node // its key, where it is a value of a mapping

	shape *jsonschema.Shape // to note in, where the node is made up
}

// take reads a node into what its closure points to.
type take func(at)

func (r *reader) problem(n at, hint, format string, args ...any) {
	if r.probing {
		return
	}
	r.problems = append(r.problems, Problem{
		File: r.file, Line: n.Line, Column: n.Column, Path: n.path,
		Message: fmt.Sprintf(format, args...), Hint: hint,
	})
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)

// root parses the file's one document; the zero at when there is none.
func (r *reader) root(data []byte) at {
	if len(data) > maxFile {
		r.problem(at{Node: &yaml.Node{}}, "", "the file is longer than %d bytes", maxFile)
		return at{}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		r.problem(at{Node: &yaml.Node{Line: 1}}, "begin with `fairlead repo add URL`", "the file is empty")
		return at{}
	case err != nil:
		r.syntax(err)
		return at{}
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		r.problem(at{Node: &yaml.Node{Line: second.Line}}, "remove the `---` and what follows", "the file has more than one document")
	}
	if len(doc.Content) != 1 {
		return at{}
	}
	return at{Node: doc.Content[0]}
}

func (r *reader) syntax(err error) {
	m := yamlLine.FindStringSubmatch(err.Error())
	if m == nil {
		m = []string{"", "", err.Error()}
	}
	line, _ := strconv.Atoi(m[1]) // "" is line 0: unknown
	r.problem(at{Node: &yaml.Node{Line: line}}, "check the indentation and quotes there", "this is no YAML: %s", m[2])
}

// fields reads a mapping with known keys. It returns the node of each key that
// is there.
func (r *reader) fields(n at, known map[string]take) map[string]at {
	if r.probing {
		probeFields(n, known)
		return nil
	}
	seen := r.entries(n)
	for _, key := range inOrder(seen) {
		child := seen[key]
		read, ok := known[key]
		switch {
		case ok && child.Tag == "!!null":
			r.problem(child, "give it a value or remove the key", "it has no value")
		case ok:
			read(child)
		case n.path == "" && strings.HasPrefix(key, "x-"): // a place for anchors
		default:
			r.problem(at{Node: child.key, path: child.path}, didYouMean(key, slices.Collect(maps.Keys(known))), "unknown key")
		}
	}
	return seen
}

// entries returns the values of a mapping by key, and reports repeated keys.
func (r *reader) entries(n at) map[string]at {
	seen := make(map[string]at)
	if n.Kind != yaml.MappingNode {
		r.problem(n, "", "write keys and values here, not %s", kindOf(n))
		return seen
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], at{Node: resolve(n.Content[i+1]), key: n.Content[i]}
		value.path = strings.TrimPrefix(n.path+"."+pathPart(key.Value), ".")
		position := at{Node: key, path: value.path}
		first, repeated := seen[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode:
			r.problem(at{Node: key, path: n.path}, "", "a key must be a word, not %s", kindOf(position))
		case key.Tag == "!!merge":
			r.problem(position, "write the keys out", "merge keys are not understood")
		case repeated:
			r.problem(position, "remove one of them", "repeated key, first at line %d", first.Line)
		default:
			// Problems with a value point at its key's line when it is an alias.
			if n.Content[i+1].Kind == yaml.AliasNode {
				moved := *value.Node
				moved.Line, moved.Column = n.Content[i+1].Line, n.Content[i+1].Column
				value.Node = &moved
			}
			seen[key.Value] = value
		}
	}
	return seen
}

// pathPart is a key as a path shows it.
func pathPart(key string) string {
	if plainName.MatchString(key) {
		return shorten(key)
	}
	return strconv.Quote(shorten(key))
}

// inOrder returns the keys in the order of the file.
func inOrder(m map[string]at) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		return cmp.Or(cmp.Compare(m[a].Line, m[b].Line), cmp.Compare(m[a].Column, m[b].Column), cmp.Compare(a, b))
	})
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias // an alias cannot name another alias
	}
	return n
}

func kindOf(n at) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "keys and values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "nothing"
	}
	return "a single value"
}

// scalar returns a single value as it is written: `0640`, `yes` and `1.10` are
// what they look like.
func (r *reader) scalar(n at, what string) (string, bool) {
	if s := n.probed(); s != nil {
		s.Text = true
		return "x", true
	}
	if n.Kind != yaml.ScalarNode {
		r.problem(n, "", "write %s here, not %s", what, kindOf(n))
		return "", false
	}
	if strings.ContainsFunc(n.Value, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		r.problem(n, "", "it has a control character or line break in it")
		return "", false
	}
	return n.Value, true
}

func (r *reader) text(to *string) take {
	return func(n at) {
		if s, ok := r.scalar(n, "a text"); ok && s == "" {
			r.problem(n, "give it a value or remove the key", "it is empty")
		} else if ok {
			*to = s
		}
	}
}

// texts reads a list of texts, or one text as a list of one.
func (r *reader) texts(to *[]string) take {
	return func(n at) {
		for _, item := range r.items(n) {
			var s string
			if r.text(&s)(item); s != "" {
				*to = append(*to, s)
			}
		}
	}
}

// items returns the members of a list; a single value is a list of one.
func (r *reader) items(n at) []at {
	if n.shape != nil && n.Kind == yaml.SequenceNode {
		return n.probeItems()
	}
	if n.Kind != yaml.SequenceNode {
		return []at{n}
	}
	items := make([]at, len(n.Content))
	for i, c := range n.Content {
		items[i] = at{Node: resolve(c), path: fmt.Sprintf("%s[%d]", n.path, i)}
	}
	return items
}

// filePath reads the path of a file here, relative to fairlead.yml.
func (r *reader) filePath(to *string) take {
	return func(n at) {
		r.text(to)(n)
		switch {
		case *to == "" || filepath.IsAbs(*to):
		case strings.HasPrefix(*to, "~"):
			r.problem(n, "the daemon's user has another home: write the whole path", "~ is not understood")
		default:
			*to = filepath.Join(r.dir, *to)
		}
	}
}

func (r *reader) filePaths(to *[]string) take {
	return func(n at) {
		for _, item := range r.items(n) {
			var s string
			if r.filePath(&s)(item); s != "" {
				*to = append(*to, s)
			}
		}
	}
}

func (r *reader) choice(to *string, words []string) take {
	return func(n at) {
		if shape := n.probed(); shape != nil {
			shape.Words = slices.Sorted(slices.Values(words))
			return
		}
		var s string
		if r.text(&s)(n); s == "" {
			return
		}
		if !slices.Contains(words, s) {
			r.problem(n, didYouMean(s, words), "unknown value %q", shorten(s))
			return
		}
		*to = s
	}
}

func (r *reader) boolean(to *bool) take {
	return func(n at) {
		if shape := n.probed(); shape != nil {
			shape.Bool = true
			return
		}
		switch s, ok := r.scalar(n, "true or false"); {
		case !ok:
		case s == "true" || s == "yes" || s == "on":
			*to = true
		case s == "false" || s == "no" || s == "off":
			*to = false
		default:
			r.problem(n, "write true or false", "%q is neither", shorten(s))
		}
	}
}

func (r *reader) port(to *int) take {
	return func(n at) {
		if shape := n.probed(); shape != nil {
			shape.Number, shape.Min, shape.Max = true, 1, 65535
			return
		}
		s, ok := r.scalar(n, "a port")
		if !ok {
			return
		}
		port, err := strconv.Atoi(s)
		if err != nil || port < 1 || port > 65535 {
			r.problem(n, "write a number from 1 to 65535", "%q is no port", shorten(s))
			return
		}
		*to = port
	}
}

// duration reads "30s", "5m", "1h30m"; the words never, none and off are -1
// where orNever says so.
func (r *reader) duration(to *time.Duration, orNever bool) take {
	return func(n at) {
		if shape := n.probed(); shape != nil {
			shape.Duration = true
			if orNever {
				shape.Words = []string{"never", "none", "off"}
			}
			return
		}
		s, ok := r.scalar(n, "a duration")
		if !ok {
			return
		}
		if orNever && slices.Contains([]string{"never", "none", "off", "false"}, s) {
			*to = -1
			return
		}
		d, err := time.ParseDuration(s)
		switch {
		case err != nil:
			r.problem(n, "write a number with its unit, such as 30s, 5m or 1h", "%q is no duration", shorten(s))
		case d < time.Second || d > 366*24*time.Hour:
			r.problem(n, "write something from 1s to a year", "%s is too short or too long", d)
		default:
			*to = d
		}
	}
}

// shorten bounds what of a wrong value is shown.
func shorten(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
