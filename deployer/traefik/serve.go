package traefik

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// ask adds by what Fairlead asks for an assignment at its own entrypoint: the
// containers, as they are, and an answer that names the assignment.
func (a *Assigned) ask(http tree, next bool) {
	service, own := a.Route.Service, a.own("live")
	if next {
		service, own = a.own("next"), a.own("next")
		a.balance(http.under("services", service), service, http)
		http.under("services", service, "loadBalancer")["passHostHeader"] = false // as the health checks of other proxies ask
	}
	maps.Copy(http.under("routers", own), tree{
		"entryPoints": []any{entrypoint}, "rule": "Host(`" + a.Question(next) + "`)", "service": service, "middlewares": []any{own}, "priority": first,
	})
	http.under("middlewares", own, "headers", "customResponseHeaders")[Marker] = a.Digest()
}

// balance makes a service of the containers.
func (a *Assigned) balance(service tree, transport string, http tree) {
	var servers []any
	for _, target := range a.Targets() {
		servers = append(servers, tree{"url": "http://" + target})
	}
	balancer := service.under("loadBalancer")
	balancer["servers"] = servers
	if len(servers) > 1 { // of one alone, Traefik would only make a slow answer a failure
		balancer["healthCheck"] = tree{"path": a.Route.HealthPath, "interval": a.Route.HealthInterval.String(), "timeout": a.Route.HealthTimeout.String()}
	}
	if a.Route.ResponseTimeout > 0 {
		balancer["serversTransport"] = transport
		http.under("serversTransports", transport, "forwardingTimeouts")["responseHeaderTimeout"] = a.Route.ResponseTimeout.String()
	}
}

// serve adds how requests get to the containers: as the route says, and over it
// what their labels say.
func (a *Assigned) serve(http tree, static Static) {
	r := a.Route
	a.balance(http.under("services", r.Service), r.Service, http)
	chain := a.middlewares(http)
	for _, rule := range rules(r.Hosts, r.PathPrefixes, static.v2) {
		name, plain := r.Service, a.own("http")
		if rule.second {
			name, plain = a.own("wildcard"), a.own("http-wildcard")
		}
		router := func(name string, entrypoints []string, chain []any) tree {
			t := tree{"rule": rule.text, "service": r.Service}
			if len(entrypoints) > 0 {
				t["entryPoints"] = anyOf(entrypoints)
			}
			if rule.priority > 0 {
				t["priority"] = rule.priority
			}
			if len(chain) > 0 {
				t["middlewares"] = chain
			}
			http.under("routers")[name] = t
			return t
		}
		if !r.TLS {
			router(name, static.plain, chain)
			continue
		}
		tls := tree{}
		if r.TLSCert == "" && static.resolver != "" {
			tls["certResolver"] = static.resolver
		}
		router(name, static.secure, chain)["tls"] = tls
		if r.TLSRedirect {
			http.under("middlewares", a.own("https"))["redirectScheme"] = tree{"scheme": "https", "permanent": true}
			chain = append([]any{a.own("https")}, chain...)
		}
		router(plain, static.plain, chain)
		chain = slices.DeleteFunc(slices.Clone(chain), func(m any) bool { return m == a.own("https") })
	}
	a.labelled(http)
}

// middlewares adds those that the route asks for, and returns their names.
func (a *Assigned) middlewares(http tree) (chain []any) {
	r := a.Route
	add := func(name, kind string, options tree) {
		http.under("middlewares")[name] = tree{kind: options}
		chain = append(chain, name)
	}
	if r.MaxRequestBody > 0 || r.MaxResponseBody > 0 {
		options := tree{}
		for key, n := range map[string]int64{
			"maxRequestBodyBytes": r.MaxRequestBody, "maxResponseBodyBytes": r.MaxResponseBody,
			"memRequestBodyBytes": r.BufferMemory, "memResponseBodyBytes": r.BufferMemory,
		} {
			if n > 0 {
				options[key] = n
			}
		}
		add(a.own("buffering"), "buffering", options)
	}
	if r.StripPrefix && len(r.PathPrefixes) > 0 {
		add(a.own("strip"), "stripPrefix", tree{"prefixes": anyOf(r.PathPrefixes)})
	}
	return chain
}

func anyOf(texts []string) (all []any) {
	for _, t := range texts {
		all = append(all, t)
	}
	return all
}

// rule is what a router matches.
type rule struct {
	text     string
	priority int  // 0 is Traefik's: the longer goes first
	second   bool // the route has another, which has its name
}

// rules match a route's hosts and prefixes: names before wildcards before all,
// as in the other proxies. The shortest rule with a name has nine characters,
// so all priorities are below that. For all hosts it is Kamal 1's.
func rules(hosts, prefixes []string, v2 bool) (all []rule) {
	var exact, wild []string
	for _, h := range hosts {
		if rest, ok := strings.CutPrefix(h, "*."); ok {
			wild = append(wild, wildcard(rest, v2))
		} else {
			exact = append(exact, "Host(`"+h+"`)")
		}
	}
	longest := 0
	var paths []string
	for _, p := range prefixes {
		longest = max(longest, len(p))
		paths = append(paths, "PathPrefix(`"+p+"`)")
	}
	and := func(hosts []string) string {
		switch {
		case len(paths) == 0:
			return strings.Join(hosts, " || ")
		case len(hosts) == 0:
			return strings.Join(paths, " || ")
		}
		return "(" + strings.Join(hosts, " || ") + ") && (" + strings.Join(paths, " || ") + ")"
	}
	if len(exact) > 0 {
		all = append(all, rule{text: and(exact)})
	}
	if len(wild) > 0 {
		all = append(all, rule{and(wild), 8, len(exact) > 0})
	}
	if len(hosts) == 0 {
		if len(paths) == 0 {
			paths = []string{"PathPrefix(`/`)"}
		}
		all = append(all, rule{and(nil), 2 + min(longest, 5), false})
	}
	return all
}

// wildcard matches one label before a name, in the syntax of Traefik 2 or 3
// (Traefik docs, "HostRegexp").
func wildcard(name string, v2 bool) string {
	if v2 {
		return "HostRegexp(`{label:[^.]+}." + name + "`)"
	}
	return "HostRegexp(`^[^.]+\\." + regexp.QuoteMeta(name) + "$`)"
}
