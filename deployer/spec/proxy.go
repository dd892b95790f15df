package spec

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

var (
	// proxyHostPattern allows a wildcard as the first label.
	proxyHostPattern = bounded{regexp.MustCompile(`^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?$`), 253}
	urlPathPattern   = regexp.MustCompile(`^/[^\s?#\\"']*$`)
	healthPattern    = regexp.MustCompile(`^/[^\s#\\"']*$`)
	headerPattern    = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
)

// mergeProxyNodes merges a role's proxy over the root's. host and hosts, and
// path_prefix and path_prefixes, are two names of one setting.
func mergeProxyNodes(root, role *schema.Node) *schema.Node {
	if root == nil || root.Kind != schema.Map {
		return role
	}
	base := *root
	for _, names := range [][]string{{"host", "hosts"}, {"path_prefix", "path_prefixes"}} {
		if slices.ContainsFunc(names, func(n string) bool { return role.Get(n) != nil }) {
			for _, n := range names {
				base.Take(n)
			}
		}
	}
	return schema.Merge(&base, role)
}

// readProxy reads a proxy section with Kamal's defaults; v may be absent.
func (l *loader) readProxy(v schema.Value) Proxy {
	p := Proxy{AppPort: 80, SSLRedirect: true, StripPathPrefix: true, ResponseTimeout: 30 * time.Second}
	p.Healthcheck = ProxyHealthcheck{Path: "/up", Interval: time.Second, Timeout: 5 * time.Second}
	p.Buffering = Buffering{Requests: true, Responses: true, Memory: 1 << 20}
	p.Run = defaultRun()
	forward := false
	v.Object(schema.Fields{
		"host":              func(v schema.Value) { p.Hosts = append(p.Hosts, readProxyHosts(v)...) },
		"hosts":             func(v schema.Value) { p.Hosts = append(p.Hosts, readProxyHosts(v)...) },
		"app_port":          func(v schema.Value) { p.AppPort = v.Int(1, 65535) },
		"ssl":               func(v schema.Value) { p.SSL = readSSL(v) },
		"ssl_redirect":      func(v schema.Value) { p.SSLRedirect = v.Bool() },
		"forward_headers":   func(v schema.Value) { forward, p.ForwardHeaders = true, v.Bool() },
		"response_timeout":  func(v schema.Value) { p.ResponseTimeout = positive(v) },
		"path_prefix":       func(v schema.Value) { p.PathPrefixes = append(p.PathPrefixes, readPrefixes(v)...) },
		"path_prefixes":     func(v schema.Value) { p.PathPrefixes = append(p.PathPrefixes, readPrefixes(v)...) },
		"strip_path_prefix": func(v schema.Value) { p.StripPathPrefix = v.Bool() },
		"healthcheck":       func(v schema.Value) { readProxyHealthcheck(v, &p.Healthcheck) },
		"buffering":         func(v schema.Value) { readBuffering(v, &p.Buffering) },
		"logging": func(v schema.Value) {
			v.Object(schema.Fields{
				"request_headers":  func(v schema.Value) { p.LogRequestHeaders = readHeaders(v) },
				"response_headers": func(v schema.Value) { p.LogResponseHeaders = readHeaders(v) },
			})
		},
		"run": func(v schema.Value) { readRun(v, &p.Run) },
	})
	if !forward {
		p.ForwardHeaders = !p.SSL.Enabled
	}
	return p
}

// maxProxyHosts bounds the names of one proxy: each is a route, and with TLS a
// certificate, that every server has to hold.
const maxProxyHosts = 1000

// readProxyHosts reads names; one text may have several with commas.
func readProxyHosts(v schema.Value) []string {
	var out []string
	for _, item := range v.Items() {
		for host := range strings.SplitSeq(item.Text(), ",") {
			if len(out) == maxProxyHosts {
				item.Fail("split the service", "more than %d host names", maxProxyHosts)
				return out
			}
			host = strings.TrimSpace(host)
			if !proxyHostPattern.MatchString(host) {
				item.Fail("as in app.example.com", "%q is not a host name", host)
			}
			out = append(out, strings.ToLower(host))
		}
	}
	return out
}

func readPrefixes(v schema.Value) []string {
	var out []string
	for _, item := range v.Items() {
		for prefix := range strings.SplitSeq(item.Text(), ",") {
			prefix = "/" + strings.TrimPrefix(strings.TrimSpace(prefix), "/")
			if !urlPathPattern.MatchString(prefix) {
				item.Fail("as in /api", "%q is not a path", prefix)
			}
			out = append(out, prefix)
		}
	}
	return out
}

func readSSL(v schema.Value) SSL {
	if v.Kind() != schema.Map {
		return SSL{Enabled: v.Bool()}
	}
	s := SSL{Enabled: true}
	v.Object(schema.Fields{
		"certificate_pem": func(v schema.Value) { s.CertificatePEM = secretName(v) },
		"private_key_pem": func(v schema.Value) { s.PrivateKeyPEM = secretName(v) },
	})
	if s.CertificatePEM == "" || s.PrivateKeyPEM == "" {
		v.Fail("name a secret for each", "certificate_pem and private_key_pem are both needed")
	}
	return s
}

func readProxyHealthcheck(v schema.Value, h *ProxyHealthcheck) {
	v.Object(schema.Fields{
		"path": func(v schema.Value) {
			if h.Path = v.Text(); !healthPattern.MatchString(h.Path) {
				v.Fail("as in /up", "%q is not a path", h.Path)
			}
		},
		"interval": func(v schema.Value) { h.Interval = positive(v) },
		"timeout":  func(v schema.Value) { h.Timeout = positive(v) },
	})
}

func readBuffering(v schema.Value, b *Buffering) {
	v.Object(schema.Fields{
		"requests":          func(v schema.Value) { b.Requests = v.Bool() },
		"responses":         func(v schema.Value) { b.Responses = v.Bool() },
		"max_request_body":  func(v schema.Value) { b.MaxRequestBody = v.Bytes() },
		"max_response_body": func(v schema.Value) { b.MaxResponseBody = v.Bytes() },
		"memory":            func(v schema.Value) { b.Memory = v.Bytes() },
	})
}

func readHeaders(v schema.Value) []string {
	out := []string{}
	for _, item := range v.Items() {
		if !headerPattern.MatchString(item.Text()) {
			item.Fail("as in X-Request-Id", "%q is not a header's name", item.Text())
		}
		out = append(out, item.Text())
	}
	return out
}

func defaultRun() ProxyRun {
	return ProxyRun{HTTPPort: 80, HTTPSPort: 443, LogMaxSize: "10m", Publish: true}
}

func readRun(v schema.Value, r *ProxyRun) {
	v.Object(schema.Fields{
		"http_port":    func(v schema.Value) { r.HTTPPort = v.Int(1, 65535) },
		"https_port":   func(v schema.Value) { r.HTTPSPort = v.Int(1, 65535) },
		"metrics_port": func(v schema.Value) { r.MetricsPort = v.Int(1, 65535) },
		"debug":        func(v schema.Value) { r.Debug = v.Bool() },
		"log_max_size": func(v schema.Value) { r.LogMaxSize = v.Text() },
		"publish":      func(v schema.Value) { r.Publish = v.Bool() },
		"bind_ips":     func(v schema.Value) { r.BindIPs = readIPs(v) },
		"registry":     func(v schema.Value) { r.Registry = registryServer(v) },
		"repository":   func(v schema.Value) { r.Repository = v.Text() },
		"version":      func(v schema.Value) { r.Version = v.Text() },
		"options":      func(v schema.Value) { r.Options, _ = readOptions(v) },
	})
}

func readIPs(v schema.Value) []string {
	var out []string
	for _, item := range v.Items() {
		if _, err := netip.ParseAddr(item.Text()); err != nil {
			item.Fail("as in 10.0.0.1", "%q is not an IP address", item.Text())
		}
		out = append(out, item.Text())
	}
	return out
}
