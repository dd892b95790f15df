// Package traefik reads Kamal 1's root key traefik, for the files that keep
// Traefik as their proxy (x-fairlead: {proxy: traefik}).
//
// Lives here: what the key may hold, and what Traefik has no way to do. Pure.
// May not live here: what becomes of it (deployer/traefik), its translation for
// other proxies (deployer/spec/dialect).
package traefik

import (
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

// Settings are the plain parts of traefik (Kamal 1.9,
// lib/kamal/commands/traefik.rb).
type Settings struct {
	// Image is a reference, "" where none is written.
	Image string
	// HostPort is where Traefik's port 80 is published; 0 where none is written.
	HostPort int
	// Unpublished keeps that port from being published (publish: false).
	Unpublished bool
	// Args are Traefik's, in the file's order; one that has several values is
	// there several times.
	Args []Arg
}

// Arg is --NAME=VALUE.
type Arg struct{ Name, Value string }

var argPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.\[\]@/-]*$`)

// Fields reads the keys of Settings.
func Fields(s *Settings) schema.Fields {
	return schema.Fields{
		"image":     func(v schema.Value) { s.Image = v.Text() },
		"host_port": func(v schema.Value) { s.HostPort = v.Int(1, 65535) },
		"publish":   func(v schema.Value) { s.Unpublished = !v.Bool() },
		"args": func(v schema.Value) {
			v.Each(func(name string, value schema.Value) {
				if !argPattern.MatchString(name) || owned(name) {
					v.AtKey(name).Fail("`entrypoints.web.address` is one", "%q cannot be an argument of Traefik here", name)
				}
				if value.Absent() {
					s.Args = append(s.Args, Arg{name, "true"})
				}
				for _, item := range value.Items() {
					s.Args = append(s.Args, Arg{name, item.Plain()})
				}
			})
		},
	}
}

// owned are the arguments by which Fairlead tells Traefik of routes: it reads
// one folder.
func owned(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "providers.file") || strings.HasPrefix(name, "entrypoints.fairlead.") || name == "configfile"
}

// Idle says why a label that is for Traefik has no effect, "" where it has one
// or is none: what Fairlead passes on is of HTTP.
func Idle(label string) string {
	parts := strings.Split(strings.ToLower(label), ".")
	switch {
	case parts[0] != "traefik":
		return ""
	case len(parts) == 2 && parts[1] == "enable":
		return "not used: Fairlead tells Traefik when a container gets requests"
	case len(parts) > 4 && parts[1] == "http" && slices.Contains([]string{"routers", "middlewares", "services"}, parts[2]):
		return ""
	}
	return "not used: of labels, Fairlead passes on traefik.http.routers.NAME.…, .middlewares.NAME.… and .services.NAME.…"
}

// lost are the keys of a proxy that other proxies follow, and what is said
// where Traefik has no word for one, or another place.
func lost() [][2]string {
	const image, buffers = "not used: write traefik: {image: …}", "not used: Traefik buffers where max_request_body or max_response_body is set"
	return [][2]string{
		{"forward_headers", "not used: whom Traefik trusts is traefik: {args: {entrypoints.NAME.forwardedHeaders.trustedIPs: …}}"},
		{"buffering.requests", buffers},
		{"buffering.responses", buffers},
		{"logging", "not used: Traefik logs requests with traefik: {args: {accesslog: true}}"},
		{"run.registry", image},
		{"run.repository", image},
		{"run.version", image},
		{"run.options", "not used: write traefik: {options: …}"},
		{"run.metrics_port", "not used: write traefik: {args: {metrics.prometheus: true, …}}"},
		{"run.debug", "not used: write traefik: {args: {log.level: DEBUG}}"},
	}
}

// Look says of a file that keeps Traefik what Traefik cannot do.
func Look(root schema.Value) {
	if v := root.Get("error_pages_path"); !v.Absent() {
		v.Warn("not used: Traefik takes such pages from a service only")
	}
	proxy(root.Get("proxy"))
	labels(root.Get("labels"))
	each(root.Get("servers"), func(_ string, role schema.Value) {
		proxy(role.Get("proxy"))
		labels(role.Get("labels"))
		options(role.Get("options"))
	})
	each(root.Get("accessories"), func(_ string, a schema.Value) { proxy(a.Get("proxy")) })
	each(root.Get("x-fairlead").Get("roles"), func(_ string, role schema.Value) {
		if canary := role.Get("canary"); canary.Kind() == schema.Map && !canary.Get("percent").Absent() {
			canary.Get("percent").Fail("say how many hosts go first, as in canary: 1", "Traefik cannot send a share of the clients elsewhere")
		}
	})
}

// each calls do for the maps in a map.
func each(v schema.Value, do func(name string, v schema.Value)) {
	if v.Kind() != schema.Map {
		return
	}
	v.Each(func(name string, v schema.Value) {
		if v.Kind() == schema.Map {
			do(name, v)
		}
	})
}

func proxy(v schema.Value) {
	if v.Kind() != schema.Map {
		return
	}
	for _, l := range lost() {
		at := v
		for key := range strings.SplitSeq(l[0], ".") {
			if at.Kind() == schema.Map {
				at = at.Get(key)
			} else {
				at = schema.Value{}
			}
		}
		if !at.Absent() {
			at.Warn("%s", l[1])
		}
	}
}

func labels(v schema.Value) {
	if v.Kind() != schema.Map {
		return
	}
	v.Each(func(key string, value schema.Value) {
		if value.Kind() == schema.Scalar { // all else is refused as a label
			told(v.AtKey(key), key, value.Plain())
		}
	})
}

// options looks at the labels that a role has by its options.
func options(v schema.Value) {
	if v.Kind() != schema.Map || v.Get("label").Absent() {
		return
	}
	for _, item := range v.Get("label").Items() {
		if item.Kind() == schema.Scalar {
			key, value, _ := strings.Cut(item.Plain(), "=")
			told(item, key, value)
		}
	}
}

// told says of a label what comes of it.
func told(at schema.Value, key, value string) {
	if why := Idle(key); why != "" {
		at.Warn("%s", why)
		return
	}
	if problem, hint := Wrong(key, value); problem != "" {
		at.Fail(hint, "%s", problem)
		return
	}
	if Unknown(key) {
		at.Warn("Traefik's documentation has no such label: one that it does not know keeps it from taking up any change of any service")
	}
}
