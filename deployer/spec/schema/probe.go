package schema

import (
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-deploy/fairlead/internal/jsonschema"
)

// Shape is what the readers of a file take at one place.
type Shape = jsonschema.Shape

// probeRuns are enough for every choice of kinds that a reader looks at; the
// shapes no longer change after some forty.
const probeRuns = 400

// Probe lets read read a file that stands for all files, and returns the shape
// of it. keys are names that some map wants in order to be read on.
func Probe(read func(*Reader, *Node), keys ...string) *Shape {
	root := &Shape{}
	for run := range probeRuns {
		p := &probe{run: run, keys: keys}
		read(&Reader{Report: &Report{}, probe: p}, p.node(Map, "", root))
	}
	return root
}

// probe is one reading: every node that is met is made up.
type probe struct {
	run  int
	keys []string
}

// key is the one that a map has. In half of the runs deep maps have the first.
func (p *probe) key(path string) string {
	if p.run/len(p.keys)%2 == 1 && strings.Count(path, ".") > 1 {
		return p.keys[0]
	}
	return p.keys[p.run%len(p.keys)]
}

func (p *probe) node(kind Kind, path string, s *Shape) *Node {
	n := &Node{Kind: kind, Text: "x", Plain: true, Path: path, At: Position{File: "deploy.yml", Line: 1, Column: 1}, shape: s}
	if kind == Map {
		n.Fields = []Field{{Key: p.key(path), Value: &Node{Kind: Scalar, Text: "x", Path: path}}}
	}
	return n
}

// any is one of the kinds, another one in other runs.
func (p *probe) any(path string) Kind {
	h := fnv.New32a()
	_, _ = h.Write([]byte(path + "/" + strconv.Itoa(p.run))) // it never fails
	return Scalar + Kind(h.Sum32()>>7%3)
}

// probed returns the shape to note in when v is made up and of that kind.
func (v Value) probed(kind Kind) *Shape {
	if v.r == nil || v.r.probe == nil || v.Node == nil || v.Node.Kind != kind {
		return nil
	}
	return v.Node.shape
}

func (v Value) probing() bool { return v.r != nil && v.r.probe != nil }

func (v Value) child(kind Kind, path string, s *Shape) Value {
	return Value{Node: v.r.probe.node(kind, path, s), Path: path, r: v.r}
}

// probeGet is Get of a made-up map.
func (v Value) probeGet(key string) Value {
	path := Join(v.Path, key)
	s := v.probed(Map)
	switch {
	case s == nil:
		return Value{Path: path, r: v.r}
	case s.Fields[key] != nil:
		return v.child(v.r.probe.any(path), path, s.Fields[key])
	case key == v.r.probe.key(v.Path):
		s.Any = orNew(s.Any)
		return v.child(v.r.probe.any(path), path, s.Any)
	}
	return Value{Path: path, r: v.r}
}

func orNew(s *Shape) *Shape {
	if s == nil {
		return &Shape{}
	}
	return s
}

// probeObject is Object of a made-up map: every key is there, in every kind.
func (v Value) probeObject(fields Fields) {
	s := v.probed(Map)
	if s == nil {
		return
	}
	if s.Fields == nil {
		s.Fields = map[string]*Shape{}
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		s.Fields[key] = orNew(s.Fields[key])
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if fields[key] == nil {
			continue
		}
		for kind := Scalar; kind <= Map; kind++ {
			fields[key](v.child(kind, Join(v.Path, key), s.Fields[key]))
		}
	}
}

// probeEach is Each of a made-up map.
func (v Value) probeEach(read func(key string, value Value)) {
	s := v.probed(Map)
	if s == nil {
		return
	}
	s.Any = orNew(s.Any)
	key := v.r.probe.key(v.Path)
	for kind := Scalar; kind <= Map; kind++ {
		read(key, v.child(kind, Join(v.Path, key), s.Any))
	}
}

// probeItems is Items of a made-up list, or of a text, which is a list of one.
func (v Value) probeItems() []Value {
	if v.Node != nil && v.Node.Kind == Scalar {
		return []Value{v}
	}
	s := v.probed(List)
	if s == nil {
		return nil
	}
	s.Item = orNew(s.Item)
	path := v.Path + "[0]"
	return []Value{v.child(v.r.probe.any(path), path, s.Item)}
}
