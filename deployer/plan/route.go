package plan

import (
	"cmp"
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
)

// Label is the route as kept on the container that it was asserted for: the
// same options give the same text.
func (r Route) Label() string {
	b, err := json.Marshal(r)
	if err != nil { // a struct of plain fields cannot fail
		panic(err)
	}
	return string(b)
}

// told is how much of its routes a proxy tells. Each option of a route has the
// least that shows it.
type told int

const (
	nothing    told = iota
	table           // what `kamal-proxy list` prints
	everything      // what Fairlead's own proxy keeps
	unkept          // said at each deploy, and kept by no proxy
)

// told says how much the host's proxy tells of a route; live is the route, nil
// where there is none.
func (h Host) told(live *Live) told {
	switch {
	case live != nil && live.Route == nil:
		return nothing
	case live != nil && live.Part:
		return table
	case live != nil || h.Proxy.Ours || !h.Proxy.Present: // Fairlead's own is about to be booted
		return everything
	}
	return nothing
}

// option is one of a route's, under its name in deploy.yml.
type option struct {
	name  string
	shown told // the least
	value func(Route) string
}

// options write each value in one form, whoever wrote it: proxies tidy what
// they are given, and Kamal leaves out what it takes for the default.
var options = []option{
	{"proxy.hosts", table, func(r Route) string { return cmp.Or(set(r.Hosts, strings.ToLower), "*") }},
	{"proxy.app_port", table, func(r Route) string { return strconv.Itoa(r.Port) }},
	{"proxy.path_prefixes", table, func(r Route) string { return cmp.Or(prefixes(r), "/") }},
	{"proxy.ssl", table, func(r Route) string { return strconv.FormatBool(r.TLS) }},
	{stripPrefix, everything, func(r Route) string { return onlyIf(prefixes(r) != "", strconv.FormatBool(r.StripPrefix)) }},
	{"proxy.ssl.certificate_pem", everything, func(r Route) string { return r.TLSCert }},
	{"proxy.ssl.private_key_pem", everything, func(r Route) string { return r.TLSKey }},
	{"error_pages_path", everything, func(r Route) string { return r.ErrorPages }},
	{redirect, everything, func(r Route) string { return onlyIf(r.TLS, strconv.FormatBool(r.TLSRedirect)) }},
	{"proxy.forward_headers", everything, func(r Route) string { return strconv.FormatBool(r.ForwardHeaders) }},
	{"proxy.healthcheck.path", everything, func(r Route) string { return r.HealthPath }},
	{"proxy.healthcheck.interval", everything, func(r Route) string { return duration(r.HealthInterval) }},
	{"proxy.healthcheck.timeout", everything, func(r Route) string { return duration(r.HealthTimeout) }},
	{"proxy.response_timeout", everything, func(r Route) string { return duration(r.ResponseTimeout) }},
	{"proxy.buffering.requests", everything, func(r Route) string { return strconv.FormatBool(r.BufferRequests) }},
	{"proxy.buffering.responses", everything, func(r Route) string { return strconv.FormatBool(r.BufferResponses) }},
	{"proxy.buffering.memory", everything, func(r Route) string { return strconv.FormatInt(cmp.Or(r.BufferMemory, bufferMemory), 10) }},
	{"proxy.buffering.max_request_body", everything, func(r Route) string { return strconv.FormatInt(r.MaxRequestBody, 10) }},
	{"proxy.buffering.max_response_body", everything, func(r Route) string { return strconv.FormatInt(r.MaxResponseBody, 10) }},
	{"proxy.logging.request_headers", everything, func(r Route) string { return headers(r.LogRequest) }},
	{"proxy.logging.response_headers", everything, func(r Route) string { return set(r.LogResponse, strings.ToLower) }},
	{"deploy_timeout", unkept, func(r Route) string { return duration(r.DeployTimeout) }},
	{"drain_timeout", unkept, func(r Route) string { return duration(r.DrainTimeout) }},
}

const (
	stripPrefix = "proxy.strip_path_prefix" // says nothing without a prefix
	redirect    = "proxy.ssl_redirect"      // says nothing without TLS
)

// bufferMemory is what both proxies take where nothing is said, in bytes.
const bufferMemory = 1 << 20

// differences names the options in which have is not as wanted, of those that
// are shown by something between the two bounds, both included.
func (r Route) differences(have Route, from, to told) []container.Change {
	var list []container.Change
	for _, o := range options {
		was, want := o.value(have), o.value(r)
		switch {
		case was == want, o.shown < from, o.shown > to:
		case strings.HasSuffix(o.name, "_pem") && elsewhere(path.Dir(was), path.Dir(want)):
		case o.name == "error_pages_path" && elsewhere(was, want):
		default:
			list = append(list, container.Change{Field: o.name, Was: was, Want: want})
		}
	}
	return list
}

// elsewhere tells that somebody else put files into a folder that says nothing
// about them (Kamal 2.12: tls/ROLE, error_pages/VERSION): they may be the same.
func elsewhere(was, want string) bool {
	none := func(dir string) bool { return dir == "" || dir == "." }
	return !none(was) && !none(want) && !ownFolder.MatchString(path.Base(was))
}

// ownFolder is one with a hash of what is in it.
var ownFolder = regexp.MustCompile(`-[0-9a-f]{12}$`)

// changed names what the proxy tells of a live route and is not as wanted.
func (h Host) changed(live *Live, want Route) []container.Change {
	if live == nil || live.Route == nil {
		return nil
	}
	list := want.differences(*live.Route, table, h.told(live))
	// What has a meaning with another option only follows that one.
	return slices.DeleteFunc(list, func(c container.Change) bool {
		return (c.Was == "" || c.Want == "") && (c.Field == stripPrefix || c.Field == redirect)
	})
}

// asserted compares what a container's label says of its route with what is
// wanted, as far as the proxy does not tell it.
func asserted(want Route, label string, t told) []container.Change {
	if label == "" || t >= everything || label == want.Label() {
		return nil
	}
	var was Route
	if json.Unmarshal([]byte(label), &was) != nil {
		return []container.Change{{Field: "proxy", Was: label, Want: want.Label()}}
	}
	if len(want.differences(was, t+1, unkept)) == 0 {
		return nil
	}
	return want.differences(was, table, unkept)
}

// overlay puts what the proxy tells of a route over what else is known of it.
func (l Live) overlay(known Route) Route {
	if l.Route == nil {
		return known
	}
	r := *l.Route
	if l.Part {
		r = known
		r.Hosts, r.PathPrefixes, r.TLS, r.Port = l.Route.Hosts, l.Route.PathPrefixes, l.Route.TLS, l.Route.Port
	}
	r.Service, r.DeployTimeout, r.DrainTimeout = known.Service, known.DeployTimeout, known.DrainTimeout
	return r
}

func duration(d time.Duration) string { return d.String() }

// onlyIf leaves out what says nothing.
func onlyIf(means bool, value string) string {
	if means {
		return value
	}
	return ""
}

// set writes names whose order says nothing.
func set(names []string, tidy func(string) string) string {
	var all []string
	for _, name := range names {
		if name = tidy(name); name != "" {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}

func prefixes(r Route) string {
	all := set(r.PathPrefixes, func(p string) string { return "/" + strings.Trim(p, "/") })
	return onlyIf(all != "/", all)
}

// headers leaves out those that Kamal asks for where nothing is said (Kamal
// 2.12, lib/kamal/configuration/proxy.rb).
func headers(names []string) string {
	all := set(names, strings.ToLower)
	return onlyIf(all != "cache-control, last-modified, user-agent", all)
}
