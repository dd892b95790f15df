package spec

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

var (
	hostnamePattern = bounded{regexp.MustCompile(`^[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?$`), 253}
	socketPattern   = regexp.MustCompile(`^(?:unix://)?/[A-Za-z0-9._/-]+$`)
	userPattern     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?$`)
	hostTagPattern  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
)

// bounded is a pattern and how many bytes may match. Counted in the pattern they
// would cost every start of the program up to a hundred times its memory.
type bounded struct {
	pattern *regexp.Regexp
	most    int
}

func (b bounded) MatchString(s string) bool { return len(s) <= b.most && b.pattern.MatchString(s) }

// readHosts reads a list of hosts, each HOST or {HOST: TAG or [TAGS]}.
func readHosts(v schema.Value) []HostEntry {
	var hosts []HostEntry
	seen := map[string]bool{}
	for _, item := range v.Items() {
		h, ok := readHost(item)
		if !ok {
			continue
		}
		if seen[h.Address] {
			item.Fail("remove one", "the host %s is listed twice", h.Address)
			continue
		}
		seen[h.Address] = true
		hosts = append(hosts, h)
	}
	return hosts
}

func readHost(v schema.Value) (HostEntry, bool) {
	if v.Kind() != schema.Map {
		return parseHost(v, v.Text())
	}
	if len(v.Node.Fields) != 1 {
		v.Fail("as in - 10.0.0.1: [tag]", "a host with tags is one key with its tags")
		return HostEntry{}, false
	}
	key := v.Node.Fields[0].Key
	h, ok := parseHost(v, key)
	for _, tag := range v.Get(key).Items() {
		h.Tags = append(h.Tags, tag.Text())
		if !hostTagPattern.MatchString(tag.Text()) {
			tag.Fail("use letters, digits, - and _", "%q cannot be a tag", tag.Text())
		}
	}
	return h, ok
}

// parseHost splits [USER@]HOST[:PORT]. IPv6 is [ADDRESS]:PORT or bare.
func parseHost(v schema.Value, text string) (h HostEntry, ok bool) {
	h, problem := splitHost(text)
	if problem != "" {
		if v.Kind() != schema.List {
			v.Fail("as in 10.0.0.1, app1.example.com or deploy@10.0.0.1:2222", "%q is not a host: %s", text, problem)
		}
		return h, false
	}
	return h, true
}

func splitHost(text string) (h HostEntry, problem string) {
	if socketPattern.MatchString(text) {
		return HostEntry{Address: text}, ""
	}
	rest := text
	if user, after, ok := strings.Cut(text, "@"); ok {
		if !userPattern.MatchString(user) {
			return h, "the user has characters that no user has"
		}
		h.User, rest = user, after
	}
	host, port := rest, ""
	if inner, after, ok := strings.Cut(strings.TrimPrefix(rest, "["), "]"); ok && strings.HasPrefix(rest, "[") {
		host, port = inner, strings.TrimPrefix(after, ":")
		if after != "" && !strings.HasPrefix(after, ":") || !isIPv6(host) {
			return h, "write IPv6 as [ADDRESS] or [ADDRESS]:PORT"
		}
	} else if strings.Count(rest, ":") == 1 {
		host, port, _ = strings.Cut(rest, ":")
		if port == "" {
			return h, "the port is missing"
		}
	}
	if port != "" {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return h, "the port is not between 1 and 65535"
		}
		h.Port = n
	}
	h.Address = host
	if !hostnamePattern.MatchString(host) && !isIPv6(host) {
		return h, "it has characters that no host name has"
	}
	return h, ""
}

func isIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6() && a.Zone() == ""
}
