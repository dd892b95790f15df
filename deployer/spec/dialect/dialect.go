// Package dialect rewrites other ways of writing deploy.yml into Kamal 2's:
// Kamal 1's keys, and short forms that are in circulation (a root `roles:`,
// `asset: {path: …}`). Every rewritten or dropped key is a warning that names
// it, so that nothing happens in silence.
//
// Lives here: tree to tree, one function per key. May not live here: defaults,
// validation, or what a key of Kamal 2 means.
package dialect

import (
	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

// Translate rewrites root in place. Mistakes in what it has to read, and
// warnings, go to report.
func Translate(root *schema.Node, report *schema.Report) {
	if root == nil || root.Kind != schema.Map {
		return
	}
	t := &translator{root: root, reader: &schema.Reader{Report: report}, added: map[added]bool{}}
	t.renames()
	t.asset()
	t.rootRoles()
	t.rolesOfServers()
	// Whether Traefik routes by labels is decided before its keys are gone.
	labels := t.routesByLabels()
	t.traefik()
	if labels {
		t.labels(root.Get("labels"), root)
		t.eachRole(func(_ string, role *schema.Node) { t.labels(role.Get("labels"), role) })
	}
	t.healthcheck()
	t.builder()
}

// keptTraefik tells that x-fairlead.proxy asks for Traefik itself.
func (t *translator) keptTraefik() bool {
	proxy := t.value(t.root.Get("x-fairlead")).Get("proxy")
	if proxy.Kind() == schema.Map {
		proxy = proxy.Get("kind")
	}
	return proxy.Kind() == schema.Scalar && proxy.Text() == "traefik"
}

type translator struct {
	root   *schema.Node
	reader *schema.Reader
	added  map[added]bool
}

// added is a text that labels put into a list of a proxy.
type added struct {
	proxy     *schema.Node
	key, text string
}

// value returns n to be read; its path is the author's.
func (t *translator) value(n *schema.Node) schema.Value {
	if n == nil {
		return t.reader.At(nil, "")
	}
	return t.reader.At(n, n.Path)
}

// warn reports a translation at n.
func (t *translator) warn(n *schema.Node, format string, args ...any) {
	t.value(n).Warn(format, args...)
}

// eachRole calls do for every role of servers that is written as a map.
func (t *translator) eachRole(do func(name string, role *schema.Node)) {
	servers := t.root.Get("servers")
	if servers == nil || servers.Kind != schema.Map {
		return
	}
	for _, f := range servers.Fields {
		if f.Value.Kind == schema.Map {
			do(f.Key, f.Value)
		}
	}
}

// renames moves keys that only changed their name.
func (t *translator) renames() {
	if f, ok := t.root.Take("primary_web_role"); ok {
		t.warn(f.Value, "read as primary_role")
		t.root.SetDefault("primary_role", f.Value)
	}
	if f, ok := t.root.Take("stop_wait_time"); ok {
		t.warn(f.Value, "read as stop_timeout and drain_timeout")
		t.root.SetDefault("stop_timeout", f.Value)
		t.root.SetDefault("drain_timeout", f.Value)
	}
	if f, ok := t.root.Take("run_directory"); ok {
		t.warn(f.Value, "ignored, as in Kamal 2; the folder is .kamal")
	}
}

// asset reads asset: {path: …} as asset_path.
func (t *translator) asset() {
	f, ok := t.root.Take("asset")
	if !ok || t.value(f.Value).Absent() {
		return
	}
	t.warn(f.Value, "read as asset_path")
	t.value(f.Value).Object(schema.Fields{
		"path": func(v schema.Value) { t.root.SetDefault("asset_path", v.Node) },
	})
}

// builder reads Kamal 1's multiarch, local: {arch, host}, remote: {arch, host}.
func (t *translator) builder() {
	b := t.root.Get("builder")
	if b == nil || b.Kind != schema.Map {
		return
	}
	if f, ok := b.Take("multiarch"); ok {
		t.warn(f.Value, "read as arch")
		if t.value(f.Value).Bool() {
			b.SetDefault("arch", schema.NewList([]*schema.Node{
				schema.NewText("amd64", f.Value), schema.NewText("arm64", f.Value)}, f.Value))
		}
	}
	var arches []*schema.Node
	for _, place := range []string{"local", "remote"} {
		n := b.Get(place)
		if n == nil || n.Kind != schema.Map {
			continue
		}
		b.Take(place)
		t.warn(n, "read as arch and %s", place)
		t.value(n).Object(schema.Fields{
			"arch": func(v schema.Value) { arches = append(arches, v.Node) },
			"host": func(v schema.Value) {
				if place == "remote" {
					b.Set("remote", v.Node)
				} else {
					v.Warn("ignored; the local builder is this machine's")
				}
			},
		})
	}
	if len(arches) > 0 {
		b.SetDefault("arch", schema.NewList(arches, arches[0]))
	}
}
