package config

import (
	"path"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

var (
	flagForm     = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	registryForm = regexp.MustCompile(`^([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]+)?|[A-Za-z0-9-]+:[0-9]+|localhost)(/[a-z0-9._-]+)*$`)
)

// policy reads a mode, or a mapping with the mode and the lists of strict.
func (r *reader) policy(to *Policy) take {
	return func(n at) {
		var mode string
		read := r.choice(&mode, []string{string(PolicyKamal), string(PolicyStrict)})
		p := Policy{}
		if n.Kind != yaml.MappingNode {
			read(n)
		} else {
			seen := r.fields(n, map[string]take{
				"mode":       read,
				"mounts":     r.each(r.hostFolder(&p.Mounts)),
				"options":    r.each(r.form(&p.Options, flagForm, "a flag of docker run without dashes, such as memory, or harmless")),
				"registries": r.each(r.form(&p.Registries, registryForm, "a registry and, if you like, a path in it, such as ghcr.io/acme; Docker Hub is docker.io")),
			})
			r.required(n, seen, "write mode: strict", "mode")
			for _, key := range []string{"mounts", "options", "registries"} {
				if child, ok := seen[key]; ok && mode == string(PolicyKamal) {
					r.problem(child, "write mode: strict or remove it", "it is of no use with mode: kamal")
				}
			}
		}
		if p.Mode = PolicyMode(mode); mode != "" {
			*to = p
		}
	}
}

// each reads every member of a list with read.
func (r *reader) each(read take) take {
	return func(n at) {
		for _, item := range r.items(n) {
			read(item)
		}
	}
}

// form appends a text of a certain form.
func (r *reader) form(to *[]string, form *regexp.Regexp, what string) take {
	return func(n at) {
		var s string
		if r.matching(&s, form, what)(n); s != "" {
			*to = append(*to, s)
		}
	}
}

// hostFolder appends a folder of the hosts. The root is none: who means it
// writes allow: [mounts].
func (r *reader) hostFolder(to *[]string) take {
	return func(n at) {
		var s string
		if r.remotePath(&s)(n); s == "" {
			return
		}
		if clean := path.Clean(s); clean == "/" || clean != strings.TrimRight(s, "/") {
			r.problem(n, "write a folder below /, without dots; allow: [mounts] is every folder", "%q cannot be used", shorten(s))
			return
		}
		*to = append(*to, path.Clean(s))
	}
}
