package schema

import "slices"

// Kind is the shape of a node.
type Kind int

// The kinds of nodes.
const (
	Null Kind = iota
	Scalar
	List
	Map
)

// Node is a value of the file with its place. Scalars keep their text as
// written; what it means is decided by whoever reads it.
type Node struct {
	Kind Kind
	// Text is a scalar's text; templates in it are still placeholders.
	Text string
	// Plain tells that a scalar is written without quotes.
	Plain  bool
	Items  []*Node
	Fields []Field
	At     Position
	// Path is the way to the node as the author wrote it; a translated node
	// keeps the path that it had.
	Path string

	templates Templates
	shape     *Shape // of a made-up node
	// byKey finds the fields of a large map; index makes and checks it.
	byKey map[string]int
}

// Field is one key of a map with its value.
type Field struct {
	Key   string
	KeyAt Position
	Value *Node
}

// Templates evaluates the placeholders of one file.
type Templates interface {
	// Expand returns what the placeholder stands for. unset names variables
	// that were read but are not set.
	Expand(index int) (text string, unset []string, err error)
	// EnvName returns NAME when the placeholder is ENV["NAME"] and no more.
	EnvName(index int) (name string, ok bool)
	// RunsCommand tells that the placeholder contains a command.
	RunsCommand(index int) bool
}

// Get returns the value of key, nil when n is no map or has no such key.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	if i := n.index(key); i >= 0 {
		return n.Fields[i].Value
	}
	return nil
}

// Set puts key into the map, over a value that is already there.
func (n *Node) Set(key string, value *Node) {
	if i := n.index(key); i >= 0 {
		n.Fields[i].Value = value
		return
	}
	if n.byKey != nil {
		n.byKey[key] = len(n.Fields)
	}
	n.Fields = append(n.Fields, Field{Key: key, KeyAt: value.At, Value: value})
}

// SetDefault puts key into the map unless it is there already, and tells
// whether it did.
func (n *Node) SetDefault(key string, value *Node) bool {
	if n.index(key) >= 0 {
		return false
	}
	n.Set(key, value)
	return true
}

// Take removes key and returns its field.
func (n *Node) Take(key string) (Field, bool) {
	i := n.index(key)
	if i < 0 {
		return Field{}, false
	}
	f := n.Fields[i]
	n.Fields, n.byKey = slices.Delete(slices.Clone(n.Fields), i, i+1), nil
	return f, true
}

// Child returns the map under key, made at the place of at where it is not
// there. It returns nil when something else than a map is there.
func (n *Node) Child(key string, at *Node) *Node {
	c := n.Get(key)
	if c == nil || c.Kind == Null {
		c = NewMap(at)
		n.Set(key, c)
	}
	if c.Kind != Map {
		return nil
	}
	return c
}

// manyFields is where looking at every field begins to cost.
const manyFields = 32

func (n *Node) index(key string) int {
	if len(n.Fields) < manyFields {
		n.byKey = nil
		return slices.IndexFunc(n.Fields, func(f Field) bool { return f.Key == key })
	}
	if len(n.byKey) != len(n.Fields) {
		n.byKey = make(map[string]int, len(n.Fields))
		for i := len(n.Fields) - 1; i >= 0; i-- {
			n.byKey[n.Fields[i].Key] = i
		}
	}
	if i, ok := n.byKey[key]; ok {
		return i
	}
	return -1
}

// NewMap returns an empty map that counts as written where at is.
func NewMap(at *Node) *Node {
	return &Node{Kind: Map, At: at.At, Path: at.Path, templates: at.templates}
}

// NewText returns a scalar that counts as written where at is.
func NewText(text string, at *Node) *Node {
	return &Node{Kind: Scalar, Text: text, Plain: true, At: at.At, Path: at.Path, templates: at.templates}
}

// NewList returns a list that counts as written where at is.
func NewList(items []*Node, at *Node) *Node {
	return &Node{Kind: List, Items: items, At: at.At, Path: at.Path, templates: at.templates}
}

// Merge returns base with over merged into it as Kamal merges a destination:
// maps by key, everything else replaced.
func Merge(base, over *Node) *Node {
	switch {
	case base == nil:
		return over
	case over == nil:
		return base
	case base.Kind != Map || over.Kind != Map:
		return over
	}
	out := *base
	out.Fields, out.byKey = slices.Clone(base.Fields), nil
	for _, f := range over.Fields {
		if i := out.index(f.Key); i >= 0 {
			out.Fields[i] = Field{Key: f.Key, KeyAt: f.KeyAt, Value: Merge(out.Fields[i].Value, f.Value)}
		} else {
			out.Fields = append(out.Fields, f)
		}
	}
	return &out
}
