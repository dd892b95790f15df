package spec

import (
	"regexp"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

var (
	repositoryPattern = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	registryPattern   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?(?:/[a-z0-9][a-z0-9._/-]*)?$`)
	digestPattern     = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	secretNamePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./-]*$`)
)

func (l *loader) readRegistry() {
	l.d.Registry = l.registry(l.root.Get("registry"))
}

func (l *loader) registry(v schema.Value) Registry {
	var r Registry
	v.Object(schema.Fields{
		"server": func(v schema.Value) { r.Server = registryServer(v) },
		// Read below: a template that names a variable is the name of a secret,
		// whether the variable is set here or not.
		"username": nil, "password": nil,
	})
	r.Username, r.Password = credential(v.Get("username")), credential(v.Get("password"))
	hasName, hasPassword := v.Get("username").Node != nil, v.Get("password").Node != nil
	if hasName && !hasPassword {
		v.Fail("add password: [NAME_OF_A_SECRET]", "has a username but no password")
	}
	if hasPassword && !hasName {
		v.Fail("add username:", "has a password but no username")
	}
	return r
}

func registryServer(v schema.Value) string {
	s := strings.TrimPrefix(strings.TrimPrefix(v.Text(), "https://"), "http://")
	s = strings.TrimSuffix(s, "/")
	switch s {
	case "docker.io", "index.docker.io", "index.docker.io/v1", "registry-1.docker.io", "registry.hub.docker.com":
		return ""
	}
	if v.Kind() == schema.Scalar && !registryPattern.MatchString(s) {
		v.Fail("as in ghcr.io or localhost:5000", "%q is not a registry's address", v.Text())
	}
	return s
}

// credential reads a literal, [NAME] of a secret, or a template ENV["NAME"],
// which is a secret of that name.
func credential(v schema.Value) Credential {
	if v.Kind() == schema.List {
		items := v.Items()
		if len(items) != 1 {
			v.Fail("- NAME_OF_A_SECRET", "must name one secret")
			return Credential{}
		}
		return Credential{Secret: secretName(items[0])}
	}
	if prefix, name, ok := v.EnvName(); ok && prefix == "" {
		v.Warn("read as the secret %s", name)
		return Credential{Secret: name}
	}
	if v.Absent() {
		return Credential{}
	}
	return Credential{Literal: secret.New(v.Text())}
}

func secretName(v schema.Value) string {
	if prefix, name, ok := v.EnvName(); ok && prefix == "" {
		return name
	}
	name := v.Text()
	if v.Kind() == schema.Scalar && !secretNamePattern.MatchString(name) {
		if strings.Contains(name, "PRIVATE KEY") {
			v.Fail("write the name of a secret and put the key there", "a private key does not belong in the file")
		} else {
			v.Fail("write the NAME of a secret, not its value", "this is not the name of a secret")
		}
	}
	return name
}

func (l *loader) readImage() {
	v := l.root.Get("image")
	if v.Absent() {
		// Kamal lets a local registry's image be named after the service.
		if strings.HasPrefix(l.d.Registry.Server, "localhost") && l.d.Service != "" {
			l.d.Image = Image{Server: l.d.Registry.Server, Repository: l.d.Service}
			return
		}
		l.missing("image", "as in image: myorg/myapp")
		return
	}
	l.d.Image = parseImage(v, l.d.Registry.Server)
}

// missing reports a required root key.
func (l *loader) missing(key, hint string) {
	l.report.Fail(&Error{Position: Position{File: l.d.File, Line: 1, Column: 1}, Path: key, Message: "is missing", Hint: hint})
}

// parseImage splits REPOSITORY[:TAG][@DIGEST]. Kamal puts the registry's
// server before it; where the author did too, it is there once.
func parseImage(v schema.Value, server string) Image {
	i := Image{Server: server}
	rest, digest, hasDigest := strings.Cut(v.Text(), "@")
	i.Digest = digest
	if colon := strings.LastIndex(rest, ":"); colon > strings.LastIndex(rest, "/") {
		rest, i.Tag = rest[:colon], rest[colon+1:]
		if !tagPattern.MatchString(i.Tag) {
			v.Fail("", "%q is not a tag", i.Tag)
		}
	}
	if server != "" {
		rest = strings.TrimPrefix(rest, server+"/")
	} else if first, after, ok := strings.Cut(rest, "/"); ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		i.Server, rest = first, after
		if first == "docker.io" || first == "index.docker.io" {
			i.Server = ""
		}
	}
	i.Repository = rest
	// The other registry behind a server (a pull-through cache) may have a port.
	name := rest
	if first, after, ok := strings.Cut(rest, "/"); ok && strings.ContainsAny(first, ".:") {
		name = after
	}
	switch {
	case v.Kind() != schema.Scalar:
	case !repositoryPattern.MatchString(name), server == "" && i.Server != "" && !registryPattern.MatchString(i.Server):
		hint := "as in myorg/myapp"
		if strings.ToLower(name) != name {
			hint = "use lower case"
		}
		v.Fail(hint, "%q is not an image", v.Text())
	case hasDigest && !digestPattern.MatchString(digest):
		v.Fail("sha256: and 64 hexadecimal digits", "%q is not a digest", digest)
	}
	return i
}
