package sops

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"
)

// tree collects the leaves of nested values in the order of the file, which
// the code over them depends on.
type tree struct{ leaves []leaf }

// spot is a place in the tree.
type spot struct {
	keys  []string
	name  string
	depth int
}

func (s spot) key(key string) spot {
	return spot{append(slices.Clip(s.keys), key), join(s.name, key), s.depth + 1}
}

func (s spot) index(i int) spot {
	return spot{s.keys, join(s.name, strconv.Itoa(i)), s.depth + 1}
}

func join(name, part string) string {
	if name == "" {
		return part
	}
	return name + "." + part
}

func (t *tree) add(s spot, text, hashed string) error {
	if len(t.leaves) == maxLeaves {
		return errTooMany
	}
	t.leaves = append(t.leaves, leaf{keys: s.keys, name: s.name, text: text, hashed: hashed})
	return nil
}

func fromYAML(data []byte) ([]leaf, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, ErrPlain
		}
		return nil, errors.New("it is no YAML") // yaml's own words may hold a value
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has more than one document")
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("it is no mapping of names to values")
	}
	var t tree
	err := t.yaml(doc.Content[0], spot{})
	return t.leaves, err
}

func (t *tree) yaml(n *yaml.Node, at spot) error {
	if at.depth > maxDepth {
		return errTooDeep
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
				return fmt.Errorf("line %d: a key is no single word", key.Line)
			}
			if err := t.yaml(n.Content[i+1], at.key(key.Value)); err != nil {
				return err
			}
		}
		return nil
	case yaml.SequenceNode:
		for i, item := range n.Content {
			if err := t.yaml(item, at.index(i)); err != nil {
				return err
			}
		}
		return nil
	case yaml.ScalarNode:
		return t.scalar(n, at)
	}
	return fmt.Errorf("line %d: anchors and aliases are not understood", n.Line)
}

// scalar adds a value with the type that YAML gives it.
func (t *tree) scalar(n *yaml.Node, at spot) error {
	var v any
	if err := n.Decode(&v); err != nil {
		return fmt.Errorf("line %d: unreadable value", n.Line)
	}
	switch v := v.(type) {
	case nil:
		return nil // sops neither encrypts nor covers it
	case time.Time:
		return t.add(at, n.Value, v.Format(time.RFC3339))
	case string:
		return t.add(at, v, v)
	}
	return t.typed(at, v)
}

// typed adds what is no text.
func (t *tree) typed(at spot, v any) error {
	switch v := v.(type) {
	case bool:
		if v {
			return t.add(at, "true", "True")
		}
		return t.add(at, "false", "False")
	case float64:
		text := strconv.FormatFloat(v, 'f', -1, 64)
		return t.add(at, text, text)
	case int, int64, uint64:
		return t.add(at, fmt.Sprint(v), fmt.Sprint(v))
	}
	return fmt.Errorf("%s has a value of an unknown kind", strconv.Quote(at.name))
}

func fromJSON(data []byte) ([]leaf, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	first, err := dec.Token()
	if err != nil || first != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	var t tree
	if err := t.object(dec, spot{}); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows its JSON object")
	}
	return t.leaves, nil
}

var errJSON = errors.New("it is no JSON") // json's own words may hold a value

func (t *tree) object(dec *json.Decoder, at spot) error {
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return errJSON
		}
		if err := t.json(dec, at.key(fmt.Sprint(key))); err != nil {
			return err
		}
	}
	return end(dec)
}

func (t *tree) json(dec *json.Decoder, at spot) error {
	if at.depth > maxDepth {
		return errTooDeep
	}
	token, err := dec.Token()
	if err != nil {
		return errJSON
	}
	switch v := token.(type) {
	case nil:
		return nil
	case string:
		return t.add(at, v, v)
	case json.Delim:
		if v == '{' {
			return t.object(dec, at)
		}
		for i := 0; dec.More(); i++ {
			if err := t.json(dec, at.index(i)); err != nil {
				return err
			}
		}
		return end(dec)
	}
	return t.typed(at, token)
}

func end(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return errJSON
	}
	return nil
}
