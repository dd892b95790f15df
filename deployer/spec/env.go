package spec

import (
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

var (
	envNamePattern  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	variablePattern = regexp.MustCompile(`^\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?$`)
)

// readEnv reads a flat map, or clear, secret and (at the root) tags.
func (l *loader) readEnv(v schema.Value, root bool) Env {
	e := Env{Clear: map[string]string{}}
	if v.Kind() != schema.Map || !structured(v) {
		l.readClear(v, &e)
		return e
	}
	fields := schema.Fields{
		"clear":  func(v schema.Value) { l.readClear(v, &e) },
		"secret": func(v schema.Value) { e.Secrets = l.readSecrets(v) },
	}
	if root {
		fields["tags"] = func(v schema.Value) {
			e.Tags = map[string]Env{}
			v.Each(func(tag string, v schema.Value) { e.Tags[tag] = l.readEnv(v, false) })
		}
	}
	v.Object(fields)
	for _, s := range e.Secrets {
		if _, both := e.Clear[s.Name]; both {
			v.Get("secret").Warn("%s is clear as well: the clear value wins, as in Kamal", s.Name)
		}
	}
	return e
}

func structured(v schema.Value) bool {
	return slices.ContainsFunc(v.Node.Fields, func(f schema.Field) bool {
		return f.Key == "clear" || f.Key == "secret" || f.Key == "tags"
	})
}

func (l *loader) readClear(v schema.Value, e *Env) {
	v.Each(func(name string, value schema.Value) {
		checkEnvName(v.AtKey(name), name)
		e.Clear[name] = value.Plain()
	})
}

func checkEnvName(v schema.Value, name string) {
	if !envNamePattern.MatchString(name) {
		v.Fail("use letters, digits and _", "%q cannot be a variable's name", name)
	}
}

// readSecrets reads items NAME, NAME:SOURCE and NAME=<%= … %>.
func (l *loader) readSecrets(v schema.Value) []SecretRef {
	var out []SecretRef
	seen := map[string]bool{}
	for _, item := range v.Items() {
		s := l.readSecret(item)
		if seen[s.Name] {
			if s.Name != "" {
				item.Warn("%s is listed twice; the last one counts", s.Name)
			}
			out = slices.DeleteFunc(out, func(o SecretRef) bool { return o.Name == s.Name })
		}
		seen[s.Name] = true
		out = append(out, s)
	}
	return out
}

func (l *loader) readSecret(v schema.Value) SecretRef {
	if v.Kind() == schema.Map {
		v.Fail("write NAME:SOURCE without a blank", "a secret is NAME or NAME:SOURCE")
		return SecretRef{}
	}
	if name, _, ok := strings.Cut(v.LiteralPrefix(), "="); ok {
		return l.computedSecret(v, name)
	}
	name, source, renamed := strings.Cut(v.Text(), ":")
	if !renamed {
		source = name
	}
	checkEnvName(v, name)
	if renamed && !secretNamePattern.MatchString(source) {
		v.Fail("NAME:SOURCE_NAME", "%q cannot be a secret's name", source)
	}
	return SecretRef{Name: name, Source: source}
}

// computedSecret reads NAME=VALUE. ENV["X"] and $X are the secret X; a command
// that may not run leaves it to the secret NAME.
func (l *loader) computedSecret(v schema.Value, name string) SecretRef {
	checkEnvName(v, name)
	if prefix, source, ok := v.EnvName(); ok && prefix == name+"=" {
		v.Warn("read as %s: the variable %s is the secret %s", shownSecret(name, source), name, source)
		return SecretRef{Name: name, Source: source}
	}
	if !v.Templated() {
		_, value, _ := strings.Cut(v.Text(), "=")
		if m := variablePattern.FindStringSubmatch(value); m != nil {
			v.Warn("read as %s: the variable %s is the secret %s", shownSecret(name, m[1]), name, m[1])
			return SecretRef{Name: name, Source: m[1]}
		}
		v.Fail("keep only the NAME here", "a secret's value does not belong in the file")
		return SecretRef{Name: name, Source: name}
	}
	if !l.o.AllowCommands && v.RunsCommand() {
		v.Warn("the command is not run without `commands` in this repository's allow: in fairlead.yml; the secret %s is looked up instead", name)
		return SecretRef{Name: name, Source: name}
	}
	v.Warn("read as a secret that the template computes")
	_, value, _ := strings.Cut(v.Text(), "=")
	return SecretRef{Name: name, Literal: secret.New(value)}
}

func shownSecret(name, source string) string {
	if name == source {
		return name
	}
	return name + ":" + source
}
