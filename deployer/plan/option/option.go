// Package option is a route and its options: what a host's reverse proxy is
// told of a unit, under their names in deploy.yml, and in which of them two
// routes differ.
//
// Lives here: the Route and the comparing of its options. Pure. May not live
// here: which route a host has or should have (plan), the words of a proxy
// (route).
package option

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

// Route is what a host's reverse proxy is told of a unit: the options of
// `kamal-proxy deploy` (kamal-proxy 0.9 README).
type Route struct {
	Service         string        `json:"service"` // SERVICE-ROLE[-DEST]
	Port            int           `json:"port"`
	Hosts           []string      `json:"hosts,omitempty"`
	PathPrefixes    []string      `json:"path_prefixes,omitempty"`
	StripPrefix     bool          `json:"strip_prefix,omitempty"`
	TLS             bool          `json:"tls,omitempty"`
	TLSCert         string        `json:"tls_cert,omitempty"` // paths inside the proxy container
	TLSKey          string        `json:"tls_key,omitempty"`
	TLSRedirect     bool          `json:"tls_redirect,omitempty"`
	ErrorPages      string        `json:"error_pages,omitempty"` // folder inside the proxy container
	ForwardHeaders  bool          `json:"forward_headers,omitempty"`
	HealthPath      string        `json:"health_path"`
	HealthInterval  time.Duration `json:"health_interval"`
	HealthTimeout   time.Duration `json:"health_timeout"`
	DeployTimeout   time.Duration `json:"deploy_timeout"`
	DrainTimeout    time.Duration `json:"drain_timeout"`
	ResponseTimeout time.Duration `json:"response_timeout"`
	BufferRequests  bool          `json:"buffer_requests,omitempty"`
	BufferResponses bool          `json:"buffer_responses,omitempty"`
	BufferMemory    int64         `json:"buffer_memory,omitempty"`
	MaxRequestBody  int64         `json:"max_request_body,omitempty"`
	MaxResponseBody int64         `json:"max_response_body,omitempty"`
	LogRequest      []string      `json:"log_request,omitempty"`
	LogResponse     []string      `json:"log_response,omitempty"`
}

// Label is the route as kept on the container that it was asserted for: the
// same options give the same text.
func (r Route) Label() string {
	b, err := json.Marshal(r)
	if err != nil { // a struct of plain fields cannot fail
		panic(err)
	}
	return string(b)
}

// Told is how much of its routes a proxy tells. Each option of a route has the
// least that shows it.
type Told int

// How much there is.
const (
	Nothing    Told = iota
	Table           // what `kamal-proxy list` prints
	Everything      // what Fairlead's own proxy keeps
	Unkept          // said at each deploy, and kept by no proxy
)

// option is one of a route's, under its name in deploy.yml.
type option struct {
	name  string
	shown Told // the least
	value func(Route) string
}

// options write each value in one form, whoever wrote it: proxies tidy what
// they are given, and Kamal leaves out what it takes for the default.
var options = []option{
	{"proxy.hosts", Table, func(r Route) string { return cmp.Or(set(r.Hosts, strings.ToLower), "*") }},
	{"proxy.app_port", Table, func(r Route) string { return strconv.Itoa(r.Port) }},
	{"proxy.path_prefixes", Table, func(r Route) string { return cmp.Or(prefixes(r), "/") }},
	{"proxy.ssl", Table, func(r Route) string { return strconv.FormatBool(r.TLS) }},
	{StripPrefix, Everything, func(r Route) string { return onlyIf(prefixes(r) != "", strconv.FormatBool(r.StripPrefix)) }},
	{"proxy.ssl.certificate_pem", Everything, func(r Route) string { return r.TLSCert }},
	{"proxy.ssl.private_key_pem", Everything, func(r Route) string { return r.TLSKey }},
	{"error_pages_path", Everything, func(r Route) string { return r.ErrorPages }},
	{Redirect, Everything, func(r Route) string { return onlyIf(r.TLS, strconv.FormatBool(r.TLSRedirect)) }},
	{"proxy.forward_headers", Everything, func(r Route) string { return strconv.FormatBool(r.ForwardHeaders) }},
	{"proxy.healthcheck.path", Everything, func(r Route) string { return r.HealthPath }},
	{"proxy.healthcheck.interval", Everything, func(r Route) string { return duration(r.HealthInterval) }},
	{"proxy.healthcheck.timeout", Everything, func(r Route) string { return duration(r.HealthTimeout) }},
	{"proxy.response_timeout", Everything, func(r Route) string { return duration(r.ResponseTimeout) }},
	{"proxy.buffering.requests", Everything, func(r Route) string { return strconv.FormatBool(r.BufferRequests) }},
	{"proxy.buffering.responses", Everything, func(r Route) string { return strconv.FormatBool(r.BufferResponses) }},
	{"proxy.buffering.memory", Everything, func(r Route) string { return strconv.FormatInt(cmp.Or(r.BufferMemory, bufferMemory), 10) }},
	{"proxy.buffering.max_request_body", Everything, func(r Route) string { return strconv.FormatInt(r.MaxRequestBody, 10) }},
	{"proxy.buffering.max_response_body", Everything, func(r Route) string { return strconv.FormatInt(r.MaxResponseBody, 10) }},
	{"proxy.logging.request_headers", Everything, func(r Route) string { return headers(r.LogRequest) }},
	{"proxy.logging.response_headers", Everything, func(r Route) string { return set(r.LogResponse, strings.ToLower) }},
	{"deploy_timeout", Unkept, func(r Route) string { return duration(r.DeployTimeout) }},
	{"drain_timeout", Unkept, func(r Route) string { return duration(r.DrainTimeout) }},
}

// Options that say something only with another.
const (
	StripPrefix = "proxy.strip_path_prefix" // says nothing without a prefix
	Redirect    = "proxy.ssl_redirect"      // says nothing without TLS
)

// bufferMemory is what both proxies take where nothing is said, in bytes.
const bufferMemory = 1 << 20

// Differences names the options in which have is not as wanted, of those that
// are shown by something between the two bounds, both included.
func (r Route) Differences(have Route, from, to Told) []container.Change {
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

// WithoutHash returns the name of a folder of ours, ROLE-HASH, without the hash
// of what is in it; another's as it is.
func WithoutHash(folder string) string { return ownFolder.ReplaceAllString(folder, "") }

// Asserted compares what a container's label says of its route with what is
// wanted, as far as the proxy does not tell it.
func Asserted(want Route, label string, t Told) []container.Change {
	if label == "" || t >= Everything || label == want.Label() {
		return nil
	}
	var was Route
	if json.Unmarshal([]byte(label), &was) != nil {
		return []container.Change{{Field: "proxy", Was: label, Want: want.Label()}}
	}
	if len(want.Differences(was, t+1, Unkept)) == 0 {
		return nil
	}
	return want.Differences(was, Table, Unkept)
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
