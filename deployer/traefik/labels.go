package traefik

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	words "github.com/fairlead-deploy/fairlead/deployer/spec/traefik"
)

// enable keeps Traefik from reading a container's labels by itself, which it
// would do from the container's start on.
const enable = "traefik.enable"

// Hide keeps a container of the service from Traefik, which is told of it when
// it is switched to. Whatever the file says of that goes: Traefik reads labels
// in any case.
func Hide(labels map[string]string) {
	maps.DeleteFunc(labels, func(key, _ string) bool { return strings.EqualFold(key, enable) })
	labels[enable] = "false"
}

// Labels are those of a container that its service's file passes on.
func Labels(all map[string]string) map[string]string {
	mine := maps.Clone(all)
	maps.DeleteFunc(mine, func(key, _ string) bool {
		return !strings.HasPrefix(strings.ToLower(key), "traefik.") || words.Idle(key) != ""
	})
	if len(mine) == 0 {
		return nil
	}
	return mine
}

// labelled lays over the service's configuration what the containers' labels
// say, under names that no other service's file has. A router without a service leads to the only one that labels name, else
// to the containers; a service has the containers as its servers.
func (a *Assigned) labelled(http tree) {
	var services []string
	routers := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(a.Labels)) {
		e := taken(key)
		name, path := a.within(e.name), e.path
		at := http.under(e.kind, name)
		value, some := a.passed(e, a.Labels[key])
		switch e.kind {
		case "services":
			if !slices.Contains(services, name) {
				services = append(services, name)
				if strings.EqualFold(path[0], "loadbalancer") {
					a.balance(at, a.Route.Service, http)
				}
			}
			if a.server(at.under("loadBalancer"), path, value) {
				continue
			}
		case "routers":
			routers[name] = true
		}
		if some {
			set(at, path, value, e.kind == "middlewares")
		}
	}
	for name := range routers {
		router := http.under("routers", name)
		switch {
		case router["service"] != nil:
		case len(services) == 1:
			router["service"] = services[0]
		default:
			router["service"] = a.Route.Service
		}
		if router["rule"] == nil { // Kamal 1's
			router["rule"], router["priority"] = "PathPrefix(`/`)", 2
		}
	}
}

// server takes what labels say of a server, which are the containers.
func (a *Assigned) server(balancer tree, path []string, value string) bool {
	if len(path) != 3 || !strings.EqualFold(path[0], "loadbalancer") || !strings.EqualFold(path[1], "server") {
		return false
	}
	servers, _ := balancer["servers"].([]any)
	for _, s := range servers {
		server, _ := s.(tree)
		url, _ := server["url"].(string)
		scheme, rest, _ := strings.Cut(url, "://")
		host, port, _ := strings.Cut(rest, ":")
		switch strings.ToLower(path[2]) {
		case "port":
			port = value
		case "scheme":
			scheme = value
		}
		server["url"] = scheme + "://" + host + ":" + port
	}
	return true
}

// set puts a label's value where the file has it: labels write lists with
// commas and every name in any case (Traefik docs, "Docker": labels).
func set(t tree, path []string, value string, middleware bool) {
	free := false // names from here on are the author's: headers
	for _, part := range path[:len(path)-1] {
		name, index, isList := indexed(part)
		if !free {
			name = spelled(name)
		}
		free = free || openMaps(name)
		if isList {
			list, _ := t[name].([]any)
			for len(list) <= index {
				list = append(list, tree{})
			}
			t[name] = list
			next, ok := list[index].(tree)
			if !ok {
				next = tree{}
				list[index] = next
			}
			t = next
			continue
		}
		t = t.under(name)
	}
	last := path[len(path)-1]
	if free {
		t[last] = value
		return
	}
	last = spelled(last)
	alone := len(path) == 1 && (middleware || last == "tls")
	switch {
	case alone && value == "false":
	case alone && (value == "true" || value == ""):
		t.under(last) // all of it is its presence
	case lists(last):
		t[last] = anyOf(items(value))
	default:
		t[last] = scalar(value)
	}
}

// most bounds how long a list gets by its index.
const most = 100

// indexed reads NAME[INDEX].
func indexed(part string) (name string, index int, ok bool) {
	name, rest, found := strings.Cut(part, "[")
	n, err := strconv.Atoi(strings.TrimSuffix(rest, "]"))
	if !found || err != nil || n < 0 || n >= most {
		return part, 0, false
	}
	return name, n, true
}

func scalar(value string) any {
	if value == "true" || value == "false" {
		return value == "true"
	}
	if n, err := strconv.Atoi(value); err == nil && strconv.Itoa(n) == value {
		return n
	}
	return value
}

// openMaps are the options whose keys are the author's.
func openMaps(name string) bool {
	return slices.Contains([]string{"customRequestHeaders", "customResponseHeaders", "sslProxyHeaders"}, name)
}

// lists are the options that hold several values (Traefik docs, reference of
// the file provider, v2.11 and v3).
func lists(name string) bool {
	return slices.Contains(strings.Fields(`entryPoints middlewares sans users authResponseHeaders authRequestHeaders
		addAuthCookiesToResponse sourceRange excludedIPs prefixes regex status allowedHosts hostsProxyHeaders
		accessControlAllowHeaders accessControlAllowMethods accessControlAllowOriginList accessControlAllowOriginListRegex
		accessControlExposeHeaders excludedContentTypes includedContentTypes encodings allowOrigins`), name)
}

// spelled gives a name the spelling of Traefik's documentation.
func spelled(name string) string {
	for _, word := range strings.Fields(`entryPoints middlewares rule ruleSyntax service priority tls certResolver options domains main sans
		loadBalancer healthCheck passHostHeader responseForwarding flushInterval serversTransport sticky cookie httpOnly sameSite secure
		maxAge path hostname interval timeout scheme followRedirects status port
		addPrefix prefix basicAuth users usersFile realm removeHeader headerField digestAuth buffering maxRequestBodyBytes
		memRequestBodyBytes maxResponseBodyBytes memResponseBodyBytes retryExpression chain circuitBreaker expression checkPeriod
		fallbackDuration recoveryDuration responseCode compress excludedContentTypes includedContentTypes minResponseBodyBytes
		encodings defaultEncoding contentType autoDetect errors query forwardAuth address authResponseHeaders
		authResponseHeadersRegex authRequestHeaders addAuthCookiesToResponse trustForwardHeader grpcWeb allowOrigins headers
		customRequestHeaders customResponseHeaders accessControlAllowCredentials accessControlAllowHeaders
		accessControlAllowMethods accessControlAllowOriginList accessControlAllowOriginListRegex accessControlExposeHeaders
		accessControlMaxAge addVaryHeader allowedHosts hostsProxyHeaders sslProxyHeaders stsSeconds stsIncludeSubdomains stsPreload
		forceSTSHeader frameDeny customFrameOptionsValue contentTypeNosniff browserXssFilter customBrowserXSSValue
		contentSecurityPolicy contentSecurityPolicyReportOnly publicKey referrerPolicy permissionsPolicy featurePolicy isDevelopment sslRedirect
		sslTemporaryRedirect sslHost sslForceHost ipAllowList ipWhiteList sourceRange ipStrategy depth excludedIPs rejectStatusCode
		inFlightReq amount sourceCriterion requestHeaderName requestHost passTLSClientCert pem rateLimit average period burst
		redirectRegex regex replacement permanent redirectScheme replacePath replacePathRegex retry attempts initialInterval
		stripPrefix prefixes forceSlash stripPrefixRegex`) {
		if strings.EqualFold(word, name) {
			return word
		}
	}
	return name
}
