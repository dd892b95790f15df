// Package jsonschema writes JSON Schemas (draft-07, which editors know) of the
// files that people write, from the shapes that the files' readers take.
//
// Lives here: shapes, and how one becomes a schema. May not live here: any key
// of a file, any file, and the validation of one.
package jsonschema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Shape is what a reader takes at one place of a file.
type Shape struct {
	// Text is any single value; a number and a truth are texts too.
	Text, Bool, Duration, Size bool
	// Number tells that a whole number from Min to Max is read.
	Number   bool
	Min, Max int
	// Words are the only texts that are read, where there are some.
	Words []string
	// Item is that of a list's items, nil where no list is read.
	Item *Shape
	// Fields are those of a map's known keys, nil where it has none; Any that of
	// all other keys, nil where there are none.
	Fields map[string]*Shape
	Any    *Shape
	// Names are the only names of Any, where there are some.
	Names []string
	// Old tells why the key should no longer be written, "" where it may.
	Old string
}

// Options are what Write adds to a shape.
type Options struct {
	ID, Title string
	// Describe says in a sentence what a path is ("proxy.host", "servers.*.cmd");
	// "" for nothing.
	Describe func(path string) string
	// Lenient takes what the reader of deploy.yml takes: quoted numbers, YAML
	// 1.1's words, templates, and keys without a value.
	Lenient bool
	// Free begins the names of root keys that are the author's own.
	Free string
}

// Write returns the schema of a file of shape s, indented, with keys in order:
// the same shape gives the same bytes.
func Write(s *Shape, o Options) ([]byte, error) {
	w := writer{o, object{}}
	root := w.schema(s, "")
	root["$schema"], root["$id"], root["title"] = "http://json-schema.org/draft-07/schema#", o.ID, o.Title
	if len(w.shared) > 0 {
		root["definitions"] = w.shared
	}
	root["patternProperties"] = object{"^" + o.Free: true}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(root); err != nil {
		return nil, fmt.Errorf("write JSON Schema: %w", err)
	}
	return b.Bytes(), nil
}

// Paths returns the path of every key of s, in order.
func Paths(s *Shape) []string {
	var all []string
	walk(s, "", func(path string) { all = append(all, path) })
	return all
}

func walk(s *Shape, path string, see func(string)) {
	if s == nil {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(s.Fields)) {
		see(join(path, key))
		walk(s.Fields[key], join(path, key), see)
	}
	walk(s.Any, join(path, "*"), see)
	walk(s.Item, path, see)
}

func join(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }

type object = map[string]any

type writer struct {
	Options
	shared object // large maps, each once
}

// schema is one place: any of the kinds that may stand there.
func (w writer) schema(s *Shape, path string) object {
	var ways []object
	if one := w.single(s); one != nil {
		ways = append(ways, one)
	}
	if s.Item != nil {
		ways = append(ways, object{"type": "array", "items": w.schema(s.Item, path)})
	}
	if s.Fields != nil || s.Any != nil {
		ways = append(ways, w.mapping(s, path))
	}
	if w.Lenient && path != "" {
		ways[0]["type"] = append(types(ways[0]), "null")
	}
	for i, way := range ways {
		ways[i] = w.share(way, path)
	}
	out := object{"anyOf": ways}
	if len(ways) == 1 {
		out = ways[0]
	}
	if text := w.description(s, path); text != "" {
		out["description"] = text
	}
	if s.Old != "" {
		out["deprecated"] = true
	}
	return out
}

func types(way object) []string {
	if one, ok := way["type"].(string); ok {
		return []string{one}
	}
	return slices.Clone(way["type"].([]string))
}

// largeMap is how many bytes of a map are worth to be written once.
const largeMap = 1500

// share puts a large map below definitions; the same one is there once.
func (w writer) share(way object, path string) object {
	text, err := json.Marshal(way)
	if _, isMap := way["additionalProperties"]; !isMap || err != nil || path == "" || len(text) < largeMap {
		return way
	}
	name := path[strings.LastIndex(path, ".")+1:]
	if name == "*" {
		name = path
	}
	for n := name; ; n += "_" {
		if other, taken := w.shared[n]; taken {
			if known, _ := json.Marshal(other); !bytes.Equal(known, text) {
				continue
			}
		}
		w.shared[n] = way
		return object{"$ref": "#/definitions/" + n}
	}
}

func (w writer) description(s *Shape, path string) string {
	text := ""
	if w.Describe != nil && !strings.HasSuffix(path, "*") {
		text = w.Describe(path)
	}
	if s.Old != "" {
		text = strings.TrimSpace(text + " " + s.Old)
	}
	return text
}

func (w writer) mapping(s *Shape, path string) object {
	out := object{"type": "object", "additionalProperties": false}
	fields := object{}
	for _, key := range slices.Sorted(maps.Keys(s.Fields)) {
		fields[key] = w.schema(s.Fields[key], join(path, key))
	}
	if len(fields) > 0 {
		out["properties"] = fields
	}
	if s.Any != nil {
		out["additionalProperties"] = w.schema(s.Any, join(path, "*"))
	}
	if len(s.Names) > 0 {
		out["propertyNames"] = object{"enum": s.Names}
		if w.Lenient {
			out["propertyNames"] = object{"pattern": "^:?(" + strings.Join(s.Names, "|") + ")$"}
		}
	}
	return out
}

// The texts that stand for other kinds where the reader is lenient. A template
// stands for anything.
const (
	template  = `<%`
	truth     = `^([Tt]rue|TRUE|[Ff]alse|FALSE|[Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF)$`
	whole     = `^[0-9_]+$`
	durations = `^([0-9.]+|([0-9.]+(ns|us|µs|ms|s|m|h))+)$`
	sizes     = `^[0-9_]+([kKmMgG]?[bB]?)$`
)

// single is the schema of a single value, nil where none may stand.
func (w writer) single(s *Shape) object {
	out := object{}
	var types, patterns []string
	switch {
	case s.Text:
		return object{"type": []string{"boolean", "number", "string"}}
	case len(s.Words) > 0 && !w.Lenient && !s.Duration && !s.Bool && !s.Number && !s.Size:
		return object{"enum": s.Words}
	case len(s.Words) > 0:
		types, patterns = append(types, "string"), append(patterns, "^:?("+strings.Join(s.Words, "|")+")$")
	}
	if s.Bool {
		types, patterns = append(types, "boolean"), append(patterns, truth)
	}
	if s.Number {
		types, patterns = append(types, "integer"), append(patterns, whole)
		out["minimum"], out["maximum"] = s.Min, s.Max
	}
	if s.Duration {
		types, patterns = append(types, "number"), append(patterns, durations)
		out["minimum"] = 0
	}
	if s.Size {
		types, patterns = append(types, "integer"), append(patterns, sizes)
		out["minimum"] = 0
	}
	if len(types) == 0 {
		return nil
	}
	if w.Lenient {
		patterns = append(patterns, template)
	}
	out["type"] = slices.Compact(slices.Sorted(slices.Values(append(types, "string"))))
	out["pattern"] = strings.Join(patterns, "|")
	return out
}
