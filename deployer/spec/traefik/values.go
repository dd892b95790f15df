package traefik

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Wrong says what is wrong with a label's value, and what to write. Of a value
// that it cannot decode Traefik takes up none of its files' changes, other
// services' neither.
func Wrong(label, value string) (problem, hint string) {
	kind, ok := known[plain(label)]
	if !ok || Idle(label) != "" {
		return "", ""
	}
	if check := kind.check(); check != nil && check(strings.TrimSpace(value)) != nil {
		return fmt.Sprintf("Traefik cannot read %q here, and would take up no change of any service", value), kind.hint()
	}
	return "", ""
}

// Unknown tells that a label is for a router, service or middleware, and of an
// option that Traefik's documentation does not have.
func Unknown(label string) bool {
	if !strings.HasPrefix(strings.ToLower(label), "traefik.") || Idle(label) != "" {
		return false
	}
	option := plain(label)
	if _, ok := known[option]; ok || strings.HasPrefix(option, "middlewares.plugin.") {
		return false
	}
	for _, free := range strings.Fields(`middlewares.headers.customrequestheaders. middlewares.headers.customresponseheaders. middlewares.headers.sslproxyheaders.
		middlewares.errors.statusrewrites. services.loadbalancer.healthcheck.headers.`) { // the author's own names
		if strings.HasPrefix(option, free) {
			return false
		}
	}
	return true
}

var indexPattern = regexp.MustCompile(`\[[0-9]+\]`)

// plain is traefik.http.KIND.NAME.OPTION as KIND.OPTION, without the indexes of lists.
func plain(label string) string {
	part := strings.Split(strings.ToLower(label), ".")
	if len(part) < 5 {
		return ""
	}
	return part[2] + "." + indexPattern.ReplaceAllString(strings.Join(part[4:], "."), "")
}

// kind is what a value may be.
type kind byte

const (
	text kind = iota
	whole
	truth
	span
	port
)

func (k kind) hint() string {
	switch k {
	case whole:
		return "a whole number"
	case truth:
		return "true or false"
	case span:
		return "a duration such as 10s"
	case port:
		return "a port such as 3000"
	}
	return ""
}

// check is how Traefik decodes the kind (github.com/traefik/paerser: numbers,
// bools and durations are strconv's and time's; a duration may be seconds).
func (k kind) check() func(string) error {
	switch k {
	case whole:
		return func(s string) error { _, err := strconv.ParseInt(s, 10, 64); return err }
	case truth:
		return func(s string) error {
			if s == "" {
				return nil // a middleware without options
			}
			_, err := strconv.ParseBool(s)
			return err
		}
	case span:
		return func(s string) error {
			if _, err := strconv.ParseInt(s, 10, 64); err == nil {
				return nil
			}
			_, err := time.ParseDuration(s)
			return err
		}
	case port:
		return func(s string) error {
			if n, err := strconv.Atoi(s); err != nil || n < 1 || n > 65535 {
				return errors.New("no port")
			}
			return nil
		}
	}
	return nil
}

// known are the options of labels, in lower case, and what they hold: the
// reference of the Docker provider's labels in Traefik's documentation, v2.11
// and v3 (doc.traefik.io/traefik/reference/dynamic-configuration/docker). It is
// made once, and only read: a file may have thousands of labels.
var known = func() map[string]kind {
	all := map[string]kind{}
	add := func(k kind, prefix, options string) {
		for option := range strings.FieldsSeq(options) {
			all[prefix+option] = k
		}
	}
	const routers, services, middlewares = "routers.", "services.loadbalancer.", "middlewares."
	add(text, routers, "rule rulesyntax service entrypoints middlewares tls.certresolver tls.options tls.domains.main tls.domains.sans observability.traceverbosity")
	add(whole, routers, "priority")
	add(truth, routers, "tls observability.accesslogs observability.metrics observability.tracing")

	add(text, services, `server.scheme server.url strategy serverstransport sticky.cookie.name sticky.cookie.samesite sticky.cookie.path sticky.cookie.domain
		healthcheck.path healthcheck.scheme healthcheck.mode healthcheck.method healthcheck.hostname`)
	add(port, services, "server.port")
	add(whole, services, "server.weight sticky.cookie.maxage healthcheck.port healthcheck.status passivehealthcheck.maxfailedattempts")
	add(truth, services, "passhostheader server.preservepath sticky sticky.cookie sticky.cookie.secure sticky.cookie.httponly healthcheck.followredirects")
	add(span, services, "responseforwarding.flushinterval healthcheck.interval healthcheck.unhealthyinterval healthcheck.timeout passivehealthcheck.failurewindow")

	add(text, middlewares, `addprefix.prefix buffering.retryexpression chain.middlewares circuitbreaker.expression compress.excludedcontenttypes
		compress.includedcontenttypes compress.encodings compress.defaultencoding errors.status errors.query errors.service forwardauth.address
		forwardauth.authresponseheaders forwardauth.authresponseheadersregex forwardauth.authrequestheaders forwardauth.addauthcookiestoresponse
		forwardauth.headerfield forwardauth.authsigninurl forwardauth.tls.ca forwardauth.tls.cert forwardauth.tls.key grpcweb.alloworigins
		ipallowlist.sourcerange ipallowlist.ipstrategy.excludedips ipwhitelist.sourcerange ipwhitelist.ipstrategy.excludedips redirectregex.regex
		redirectregex.replacement redirectscheme.scheme redirectscheme.port replacepath.path replacepathregex.regex replacepathregex.replacement
		stripprefix.prefixes stripprefixregex.regex retry.status ratelimit.redis.endpoints ratelimit.redis.username ratelimit.redis.password
		ratelimit.redis.tls.ca ratelimit.redis.tls.cert ratelimit.redis.tls.key`)
	add(whole, middlewares, `buffering.maxrequestbodybytes buffering.memrequestbodybytes buffering.maxresponsebodybytes buffering.memresponsebodybytes
		circuitbreaker.responsecode compress.minresponsebodybytes forwardauth.maxbodysize forwardauth.maxresponsebodysize ipallowlist.rejectstatuscode
		ipallowlist.ipstrategy.depth ipallowlist.ipstrategy.ipv6subnet ipwhitelist.ipstrategy.depth inflightreq.amount ratelimit.average ratelimit.burst
		ratelimit.redis.db ratelimit.redis.poolsize ratelimit.redis.minidleconns ratelimit.redis.maxactiveconns retry.attempts retry.maxrequestbodybytes
		headers.accesscontrolmaxage headers.stsseconds`)
	add(truth, middlewares, `compress contenttype contenttype.autodetect forwardauth.trustforwardheader forwardauth.forwardbody forwardauth.preservelocationheader
		forwardauth.preserverequestmethod forwardauth.tls.insecureskipverify forwardauth.tls.caoptional grpcweb passtlsclientcert passtlsclientcert.pem
		redirectregex.permanent redirectscheme.permanent stripprefix stripprefix.forceslash ratelimit ratelimit.redis.tls.insecureskipverify
		retry.disableretryonnetworkerror retry.retrynonidempotentmethod buffering headers headers.accesscontrolallowcredentials headers.addvaryheader
		headers.stsincludesubdomains headers.stspreload headers.forcestsheader headers.framedeny headers.contenttypenosniff headers.browserxssfilter
		headers.isdevelopment headers.sslredirect headers.ssltemporaryredirect headers.sslforcehost`)
	add(span, middlewares, `circuitbreaker.checkperiod circuitbreaker.fallbackduration circuitbreaker.recoveryduration ratelimit.period
		ratelimit.redis.readtimeout ratelimit.redis.writetimeout ratelimit.redis.dialtimeout retry.initialinterval retry.timeout`)
	add(text, "middlewares.headers.", `accesscontrolallowheaders accesscontrolallowmethods accesscontrolalloworigin accesscontrolalloworiginlist
		accesscontrolalloworiginlistregex accesscontrolexposeheaders allowedhosts hostsproxyheaders sslhost customframeoptionsvalue custombrowserxssvalue
		contentsecuritypolicy contentsecuritypolicyreportonly publickey referrerpolicy permissionspolicy featurepolicy`)
	for _, auth := range []string{"basicauth.", "digestauth."} {
		add(text, middlewares+auth, "users usersfile realm headerfield")
		add(truth, middlewares+auth, "removeheader")
	}
	for _, by := range []string{"inflightreq.", "ratelimit."} {
		add(text, middlewares+by+"sourcecriterion.", "requestheadername ipstrategy.excludedips")
		add(whole, middlewares+by+"sourcecriterion.", "ipstrategy.depth ipstrategy.ipv6subnet")
		add(truth, middlewares+by+"sourcecriterion.", "requesthost")
	}
	const name = "commonname country domaincomponent locality organization province serialnumber"
	add(truth, "middlewares.passtlsclientcert.info.", "notafter notbefore sans serialnumber")
	add(truth, "middlewares.passtlsclientcert.info.subject.", name+" organizationalunit")
	add(truth, "middlewares.passtlsclientcert.info.issuer.", name)
	return all
}()
