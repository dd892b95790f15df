package router

import (
	"cmp"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/proxy/control"
	"github.com/fairlead-deploy/fairlead/proxy/state"
)

// anyHost is the host of a service that named none.
const anyHost = ""

// table is all routes at one moment. It is never changed.
type table struct {
	services map[string]*service
	// routes by host: "app.example.com", "*.example.com" or anyHost; the longest prefix first.
	routes map[string][]route
}

type route struct {
	prefix  string // "/" or "/api"
	service *service
}

type replacement struct {
	name string
	with *service // nil: removed
}

func newTable(services map[string]*service, changes ...replacement) *table {
	t := &table{services: map[string]*service{}, routes: map[string][]route{}}
	maps.Copy(t.services, services)
	for _, c := range changes {
		delete(t.services, c.name)
		if c.with != nil {
			t.services[c.name] = c.with
		}
	}
	for _, s := range t.services {
		for host, prefix := range s.places() {
			t.routes[host] = append(t.routes[host], route{prefix, s})
		}
	}
	for _, routes := range t.routes {
		slices.SortFunc(routes, func(a, b route) int { return cmp.Compare(len(b.prefix), len(a.prefix)) })
	}
	return t
}

// find returns the service for a request and the prefix that matched. An exact host goes before its
// wildcard and that before a service without hosts; within a host the longest prefix wins.
func (t *table) find(host, path string) (s *service, prefix string) {
	host = normalHost(host)
	for _, key := range candidates(host) {
		for _, r := range t.routes[key] {
			if under(path, r.prefix) {
				return r.service, r.prefix
			}
		}
	}
	return nil, ""
}

// secure returns the service whose TLS settings hold for host: the one at the root path if there is
// one, as kamal-proxy's README says, else the one with the shortest prefix. nil: no TLS.
func (t *table) secure(host string) *service {
	for _, key := range candidates(host) {
		if routes := t.routes[key]; len(routes) > 0 {
			s := routes[len(routes)-1].service
			if s.options.TLS.Enabled {
				return s
			}
			return nil
		}
	}
	return nil
}

// managed returns the hosts that need a certificate by ACME, and whether from staging.
func (t *table) managed() map[string]bool {
	hosts := map[string]bool{}
	for host := range t.routes {
		if host == anyHost || strings.HasPrefix(host, "*.") {
			continue
		}
		if s := t.secure(host); s != nil && s.certificate == nil {
			hosts[host] = s.options.TLS.Staging
		}
	}
	return hosts
}

// conflict says whether another service already has a host and path of s.
func (t *table) conflict(s *service) error {
	if s == nil {
		return nil
	}
	for host, prefix := range s.places() {
		for _, r := range t.routes[host] {
			if r.prefix == prefix && r.service.name != s.name {
				return control.Errorf(control.Conflict,
					"host settings conflict with another service: %s is served by %q, so it cannot be served by %q too; remove one, or give it another host or path prefix",
					place(host, prefix), r.service.name, s.name)
			}
		}
	}
	return nil
}

func (t *table) document() state.Document {
	doc := state.Document{Version: state.Version}
	for _, name := range slices.Sorted(maps.Keys(t.services)) {
		doc.Services = append(doc.Services, t.services[name].save())
	}
	return doc
}

func place(host, prefix string) string {
	if host == anyHost {
		host = "every host"
	}
	return host + " with path " + prefix
}

// candidates lists the keys of routes that host matches, the closest first. A wildcard stands for
// exactly one label, as in certificates.
func candidates(host string) []string {
	keys := []string{host}
	if _, rest, ok := strings.Cut(host, "."); ok && rest != "" {
		keys = append(keys, "*."+rest)
	}
	if host != anyHost {
		keys = append(keys, anyHost)
	}
	return keys
}

// under says whether path is at or below prefix, by whole segments: "/api" has "/api/v1" but not
// "/apical".
func under(path, prefix string) bool {
	if prefix == "/" {
		return true
	}
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// normalHost is host as routes have it: lower case, no port, no final dot.
func normalHost(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

func compare(a, b string) int { return cmp.Compare(a, b) }
