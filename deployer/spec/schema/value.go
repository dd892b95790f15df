package schema

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Reader reads one tree and collects what is found.
type Reader struct {
	Report *Report
	// Positions gets the place of every value that was looked at, by path.
	Positions map[string]Position
	probe     *probe
}

// Root returns the tree as a value.
func (r *Reader) Root(n *Node) Value { return r.value(n, "") }

// At returns n as a value that the resolved file has at path.
func (r *Reader) At(n *Node, path string) Value { return r.value(n, path) }

func (r *Reader) value(n *Node, path string) Value {
	if n != nil && n.Kind != Null && r.Positions != nil {
		if _, ok := r.Positions[path]; !ok {
			r.Positions[path] = n.At
		}
	}
	return Value{Node: n, Path: path, r: r}
}

// Value is a node at a path of the resolved file. Its methods report what does
// not fit and return a zero value; a value that is not there is zero too.
type Value struct {
	Node *Node
	// Path is the way to the value in Kamal 2's words.
	Path string
	r    *Reader
}

// Absent tells that the file has nothing here: no key, no value, or a template
// that is empty.
func (v Value) Absent() bool {
	if v.Node == nil || v.Node.Kind == Null {
		return true
	}
	if !v.Node.Plain || !v.Templated() {
		return false
	}
	text, _, errs := v.evaluate()
	return len(errs) == 0 && isNull(text)
}

// Kind returns the shape of the value, Null when Absent.
func (v Value) Kind() Kind {
	if v.Absent() {
		return Null
	}
	return v.Node.Kind
}

// Fail reports a mistake at the value, the first one only. The hint may be "".
func (v Value) Fail(hint, format string, args ...any) {
	if v.probing() {
		return
	}
	v.r.Report.failValue(&Error{Position: v.at(), Path: v.shownPath(), Message: message(format, args), Hint: hint})
}

// Warn reports a warning at the value.
func (v Value) Warn(format string, args ...any) {
	v.r.Report.Warn(Warning{Position: v.at(), Path: v.shownPath(), Message: message(format, args)})
}

func (v Value) at() Position {
	if v.Node == nil {
		return Locate(v.r.Positions, v.Path)
	}
	return v.Node.At
}

// shownPath is what the author wrote, else where it would be.
func (v Value) shownPath() string {
	if v.Node != nil && v.Node.Path != "" {
		return v.Node.Path
	}
	return v.Path
}

// Get returns the value of a key; it is absent when v is no map.
func (v Value) Get(key string) Value {
	if v.probing() {
		return v.probeGet(key)
	}
	return v.r.value(v.Node.Get(key), Join(v.Path, key))
}

// Fields are the keys that a map may have, each with who reads it; nil for a
// key that is read elsewhere.
type Fields map[string]func(Value)

// Object reads a map with known keys. A key with nothing behind it counts as
// not written. Root-like maps may allow x-* keys by open.
func (v Value) Object(fields Fields) {
	if v.probing() {
		v.probeObject(fields)
		return
	}
	for _, f := range v.fields() {
		if v.r.Report.full() {
			return
		}
		read, ok := fields[f.Key]
		if !ok {
			v.unknown(f, fields)
			continue
		}
		child := v.Get(f.Key)
		switch {
		case read == nil:
		case !child.Absent():
			read(child)
		case child.Templated():
			child.expand() // says which variable is not set
		}
	}
}

func (v Value) unknown(f Field, fields Fields) {
	known := slices.Sorted(maps.Keys(fields))
	hint := Suggest(f.Key, known)
	if hint == "" && len(known) <= 12 {
		hint = "known keys: " + strings.Join(known, ", ")
	}
	v.r.Report.Fail(&Error{Position: f.KeyAt, Path: v.shownPath(), Message: message("unknown key %q", []any{f.Key}), Hint: hint})
}

// fields returns the keys of a map, none where v is absent, and reports
// anything else.
func (v Value) fields() []Field {
	switch v.Kind() {
	case Null:
		return nil
	case Map:
		return v.Node.Fields
	}
	v.Fail("", "must be a map of keys and values")
	return nil
}

// Each calls read for every key of a map with free keys, in order. key is the
// place of the key itself.
func (v Value) Each(read func(key string, value Value)) {
	if v.probing() {
		v.probeEach(read)
		return
	}
	for _, f := range v.fields() {
		if v.r.Report.full() {
			return
		}
		read(f.Key, v.r.value(f.Value, Join(v.Path, f.Key)))
	}
}

// AtKey returns a value that stands for the key itself, to report at.
func (v Value) AtKey(key string) Value {
	if v.Node != nil && v.Node.Kind == Map {
		if i := v.Node.index(key); i >= 0 {
			f := v.Node.Fields[i]
			return Value{Node: &Node{At: f.KeyAt, Path: f.Value.Path}, Path: Join(v.Path, key), r: v.r}
		}
	}
	return v
}

// Items returns the values of a list. A single text counts as a list of one.
func (v Value) Items() []Value {
	if v.probing() {
		return v.probeItems()
	}
	switch v.Kind() {
	case Null:
		return nil
	case Scalar:
		return []Value{v}
	case Map:
		v.Fail("write it as a list: - VALUE", "must be a list")
		return nil
	}
	out := make([]Value, 0, len(v.Node.Items))
	for i, item := range v.Node.Items {
		c := v.r.value(item, fmt.Sprintf("%s[%d]", v.Path, i))
		if c.Absent() {
			c.Fail("remove it or fill it in", "the item is empty")
			continue
		}
		out = append(out, c)
	}
	return out
}

// Templated tells that the text comes from a template at least in part.
func (v Value) Templated() bool {
	return v.Node != nil && v.Node.Kind == Scalar && strings.ContainsRune(v.Node.Text, maskStart)
}

// EnvName returns the prefix and NAME of a text that is PREFIX<%= ENV["NAME"] %>.
func (v Value) EnvName() (prefix, name string, ok bool) {
	if !v.Templated() {
		return "", "", false
	}
	parts := segments(v.Node.Text)
	if len(parts) == 2 && parts[0].index < 0 {
		prefix, parts = parts[0].literal, parts[1:]
	}
	if len(parts) != 1 {
		return "", "", false
	}
	name, ok = v.Node.templates.EnvName(parts[0].index)
	return prefix, name, ok
}

// RunsCommand tells that a template of the text contains a command.
func (v Value) RunsCommand() bool {
	if !v.Templated() {
		return false
	}
	return slices.ContainsFunc(segments(v.Node.Text), func(s segment) bool {
		return s.index >= 0 && v.Node.templates.RunsCommand(s.index)
	})
}

// LiteralPrefix returns the text up to the first template.
func (v Value) LiteralPrefix() string {
	if v.Node == nil || v.Node.Kind != Scalar {
		return ""
	}
	before, _, _ := strings.Cut(v.Node.Text, string(maskStart))
	return before
}

// expand returns the text with templates evaluated, and reports what they say.
func (v Value) expand() string {
	if !v.Templated() {
		return v.Node.Text
	}
	text, unset, errs := v.evaluate()
	for _, err := range errs {
		v.r.Report.failValue(templateError(v.at(), v.shownPath(), err))
	}
	for _, name := range unset {
		v.Warn("ENV[%q] is not set and reads as empty", name)
	}
	return text
}

// evaluate is expand without a report.
func (v Value) evaluate() (text string, unset []string, errs []error) {
	var b strings.Builder
	for _, s := range segments(v.Node.Text) {
		if s.index < 0 {
			b.WriteString(s.literal)
			continue
		}
		t, u, err := v.Node.templates.Expand(s.index)
		if err != nil {
			errs = append(errs, err)
		}
		unset = append(unset, u...)
		b.WriteString(t)
	}
	return b.String(), unset, errs
}

// templateError gives a template's mistake its own place where it has one.
func templateError(at Position, path string, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		located := *e
		located.Path = path
		return &located
	}
	return &Error{Position: at, Path: path, Message: err.Error()}
}
