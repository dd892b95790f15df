package policy

import (
	"fmt"
	"slices"
	"strings"
)

// remedy is the line of fairlead.yml that would grant what is needed, with
// what the operator granted already.
func (p Policy) remedy(n need) string {
	switch {
	case n.folder != "" && n.folder != "/" && !n.exact:
		return p.line(Policy{Mounts: []string{n.folder}})
	case len(n.words) > 0:
		all := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(p.Allow), n.words[0]))))
		return fmt.Sprintf("to allow it, write `allow: [%s]` at the repository in fairlead.yml", strings.Join(all, ", "))
	case n.option != "":
		return p.line(Policy{Options: []string{n.option}})
	case n.image != "":
		return p.line(Policy{Registries: []string{n.image}})
	}
	return n.hint
}

// line is `policy:` with more granted.
func (p Policy) line(more Policy) string {
	options := p.Options
	if len(options) == 0 && len(more.Options) > 0 {
		options = []string{Harmless}
	}
	parts := []string{"mode: strict"}
	for _, list := range []struct {
		key   string
		items []string
	}{
		{"mounts", append(slices.Clone(p.Mounts), more.Mounts...)},
		{"options", append(slices.Clone(options), more.Options...)},
		{"registries", append(slices.Clone(p.Registries), more.Registries...)},
	} {
		if len(list.items) > 0 {
			parts = append(parts, list.key+": ["+strings.Join(quoted(list.items), ", ")+"]")
		}
	}
	return fmt.Sprintf("to allow it, write `policy: { %s }` at the repository in fairlead.yml", strings.Join(parts, ", "))
}

// quoted writes each text so that YAML's flow style reads it as it is.
func quoted(items []string) []string {
	var out []string
	for _, s := range items {
		plain := !strings.ContainsFunc(s, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._:-", r))
		})
		if !plain || strings.HasSuffix(s, ":") || strings.HasPrefix(s, "-") {
			s = fmt.Sprintf("%q", s)
		}
		out = append(out, s)
	}
	return out
}
