package dialect

import (
	"regexp"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

var (
	entrypointPattern = regexp.MustCompile(`^entry[pP]oints\.([^.]+)\.address$`)
	redirectPattern   = regexp.MustCompile(`^entry[pP]oints\.[^.]+\.http\.redirections\.entry[pP]oint\.(to|scheme|permanent|priority)$`)
	resolverPattern   = regexp.MustCompile(`^certificates[rR]esolvers\.[^.]+\.acme\.(.+)$`)
	addressPattern    = regexp.MustCompile(`:(\d+)(?:/tcp)?$`)
	publishPattern    = regexp.MustCompile(`(?:^|:)(\d+):(\d+)(?:/tcp)?$`)
)

// routesByLabels tells that labels traefik.* route requests, so that they are
// translated: in a file for Kamal 1. They stay labels where a Traefik of the
// author's own reads them.
func (t *translator) routesByLabels() bool {
	if t.keptTraefik() {
		return false
	}
	if t.root.Get("traefik") != nil {
		return true
	}
	proxied := t.root.Get("proxy") != nil
	t.eachRole(func(_ string, role *schema.Node) {
		p := role.Get("proxy")
		proxied = proxied || p != nil && p.Kind == schema.Map
	})
	if accessories := t.root.Get("accessories"); accessories != nil {
		for _, f := range accessories.Fields {
			image := f.Value.Get("image")
			proxied = proxied || image != nil && strings.Contains(image.Text, "traefik")
		}
	}
	return !proxied
}

// traefik translates Kamal 1's root traefik: to proxy.run, proxy.ssl_redirect
// and x-fairlead.proxy.
func (t *translator) traefik() {
	if t.keptTraefik() {
		return // it is read as it stands
	}
	f, ok := t.root.Take("traefik")
	if !ok || t.value(f.Value).Absent() {
		return
	}
	t.warn(f.Value, "Traefik is not started; its settings are read as the proxy's")
	ignored := func(v schema.Value) { v.Warn("ignored: Traefik is not started") }
	t.value(f.Value).Object(schema.Fields{
		"image": ignored, "labels": ignored, "env": ignored,
		"host_port": func(v schema.Value) { t.run("http_port", v.Node) },
		"publish":   func(v schema.Value) { t.run("publish", v.Node) },
		"options":   t.traefikOptions,
		"args":      t.traefikArgs,
	})
}

// run puts a setting of the proxy's container where none is written.
func (t *translator) run(key string, n *schema.Node) {
	if proxy := t.root.Child("proxy", n); proxy != nil {
		if run := proxy.Child("run", n); run != nil {
			run.SetDefault(key, n)
		}
	}
}

func (t *translator) traefikOptions(v schema.Value) {
	v.Each(func(flag string, value schema.Value) {
		if flag != "publish" {
			value.Warn("ignored: Traefik is not started")
			return
		}
		for _, p := range value.Items() {
			m := publishPattern.FindStringSubmatch(p.Text())
			switch {
			case m != nil && m[2] == "80":
				t.port80(p, m[1], "http_port")
			case m != nil && m[2] == "443":
				t.port80(p, m[1], "https_port")
			default:
				p.Warn("ignored: the proxy publishes http and https only")
			}
		}
	})
}

// port80 sets a port of the proxy where it is not the usual one.
func (t *translator) port80(v schema.Value, port, key string) {
	v.Warn("read as proxy.run.%s: %s", key, port)
	if usual := map[string]string{"http_port": "80", "https_port": "443"}; usual[key] != port {
		t.run(key, schema.NewText(port, v.Node))
	}
}

func (t *translator) traefikArgs(v schema.Value) {
	v.Each(func(arg string, value schema.Value) {
		if m := entrypointPattern.FindStringSubmatch(arg); m != nil {
			t.entrypoint(m[1], value)
			return
		}
		if redirectPattern.MatchString(arg) {
			value.Warn("read as proxy.ssl_redirect")
			if proxy := t.root.Child("proxy", value.Node); proxy != nil {
				proxy.SetDefault("ssl_redirect", schema.NewText("true", value.Node))
			}
			return
		}
		if m := resolverPattern.FindStringSubmatch(arg); m != nil {
			t.resolver(m[1], value)
			return
		}
		value.Warn("ignored: the proxy has no such setting")
	})
}

func (t *translator) entrypoint(name string, v schema.Value) {
	m := addressPattern.FindStringSubmatch(v.Text())
	switch {
	case m == nil:
	case name == "web" || name == "http":
		t.port80(v, m[1], "http_port")
		return
	case name == "websecure" || name == "https":
		t.port80(v, m[1], "https_port")
		return
	}
	v.Warn("ignored: the proxy listens for http and https only")
}

func (t *translator) resolver(setting string, v schema.Value) {
	key := map[string]string{"email": "acme_email", "caserver": "acme_directory", "caServer": "acme_directory"}[setting]
	if key == "" {
		v.Warn("read as: the proxy gets and keeps certificates by itself")
		return
	}
	v.Warn("read as x-fairlead.proxy.%s", key)
	if x := t.root.Child("x-fairlead", v.Node); x != nil {
		if p := x.Get("proxy"); p != nil && p.Kind == schema.Scalar {
			x.Set("proxy", schema.NewMap(p))
			x.Get("proxy").Set("kind", p)
		}
		if proxy := x.Child("proxy", v.Node); proxy != nil {
			proxy.SetDefault(key, v.Node)
		}
	}
}
