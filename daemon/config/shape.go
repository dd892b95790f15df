package config

import (
	"gopkg.in/yaml.v3"

	"github.com/fairlead-deploy/fairlead/internal/jsonschema"
)

// Shape is what fairlead.yml may say: its readers read a file that stands for
// all files, in which every key is there, in every kind.
func Shape() *jsonschema.Shape {
	s := &jsonschema.Shape{}
	r := &reader{probing: true}
	r.config(made(yaml.MappingNode, "", s), &Config{
		Repositories: map[string]Repository{}, Hosts: map[string]Host{}, Registries: map[string]Registry{}, Listen: DefaultListen,
	})
	return s
}

func made(kind yaml.Kind, path string, s *jsonschema.Shape) at {
	return at{Node: &yaml.Node{Kind: kind, Value: "x"}, path: path, shape: s}
}

func kinds() []yaml.Kind { return []yaml.Kind{yaml.ScalarNode, yaml.SequenceNode, yaml.MappingNode} }

// probed returns the shape to note in where a made-up single value stands.
func (n at) probed() *jsonschema.Shape {
	if n.shape == nil || n.Kind != yaml.ScalarNode {
		return nil
	}
	return n.shape
}

func probeFields(n at, known map[string]take) {
	if n.shape == nil || n.Kind != yaml.MappingNode {
		return
	}
	if n.shape.Fields == nil {
		n.shape.Fields = map[string]*jsonschema.Shape{}
	}
	for key, read := range known {
		s := n.shape.Fields[key]
		if s == nil {
			s = &jsonschema.Shape{}
			n.shape.Fields[key] = s
		}
		for _, kind := range kinds() {
			read(made(kind, n.path+"."+key, s))
		}
	}
}

func probeNamed(n at, read take) {
	if n.shape == nil || n.Kind != yaml.MappingNode {
		return
	}
	if n.shape.Any == nil {
		n.shape.Any = &jsonschema.Shape{}
	}
	for _, kind := range kinds() {
		read(made(kind, n.path+".x", n.shape.Any))
	}
}

func (n at) probeItems() []at {
	if n.shape.Item == nil {
		n.shape.Item = &jsonschema.Shape{}
	}
	var items []at
	for _, kind := range kinds() {
		items = append(items, made(kind, n.path+"[0]", n.shape.Item))
	}
	return items
}
