package dialect

import (
	"regexp"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

var (
	routerPattern  = regexp.MustCompile(`^traefik\.http\.routers\.[^.]+\.(rule|tls|tls\.certresolver|tls\.domains.*|entry[pP]oints|priority|service|middlewares)$`)
	servicePattern = regexp.MustCompile(`^traefik\.http\.services\.[^.]+\.loadbalancer\.server\.port$`)
	matcherPattern = regexp.MustCompile(`^(Host|PathPrefix)\(([^()]*)\)$`)
	argPattern     = regexp.MustCompile("^\\s*[`'\"]([^`'\"]+)[`'\"]\\s*$")
)

// labels translates labels traefik.* to owner's proxy and removes them; owner
// is the root or a role.
func (t *translator) labels(labels, owner *schema.Node) {
	if labels == nil || labels.Kind != schema.Map {
		return
	}
	all := labels.Fields
	labels.Fields = nil
	for _, f := range all {
		if !strings.HasPrefix(f.Key, "traefik.") {
			labels.Fields = append(labels.Fields, f)
			continue
		}
		p := owner.Get("proxy")
		if v := t.value(p); p != nil && owner != t.root && v.IsBool() && v.Bool() {
			p = schema.NewMap(p) // traefik: true, and these labels say how
			owner.Set("proxy", p)
		}
		if p != nil && p.Kind != schema.Map {
			t.warn(f.Value, "ignored: the role has no proxy")
			continue
		}
		t.label(f.Key, f.Value, owner)
	}
}

func (t *translator) label(key string, n, owner *schema.Node) {
	if servicePattern.MatchString(key) {
		t.warn(n, "read as proxy.app_port")
		owner.Child("proxy", n).SetDefault("app_port", n)
		return
	}
	m := routerPattern.FindStringSubmatch(key)
	switch {
	case m == nil:
		t.warn(n, "ignored: the proxy has no such setting")
	case m[1] == "rule":
		t.rule(n, owner)
	case m[1] == "tls.certresolver", m[1] == "tls" && t.value(n).Bool():
		t.warn(n, "read as proxy.ssl: true")
		owner.Child("proxy", n).SetDefault("ssl", schema.NewText("true", n))
	default:
		t.warn(n, "ignored: the proxy decides it")
	}
}

// rule translates Host(`a`, `b`) || Host(`c`) and … && PathPrefix(`/x`).
func (t *translator) rule(n, owner *schema.Node) {
	hosts, prefixes, ok := parseRule(t.value(n).Text())
	if !ok {
		t.value(n).Fail("write it as proxy.hosts and proxy.path_prefixes",
			"only rules of Host(…) and PathPrefix(…) can be translated")
		return
	}
	t.warn(n, "read as proxy.hosts and proxy.path_prefixes")
	set := func(key string, texts []string) {
		if len(texts) > 0 {
			t.addTexts(owner.Child("proxy", n), key, texts, n)
		}
	}
	if proxy := owner.Get("proxy"); proxy == nil || proxy.Get("host") == nil {
		set("hosts", hosts)
	}
	set("path_prefixes", prefixes)
}

// addTexts puts texts into a list of proxy. What another label put there
// stays; what the author wrote there counts instead.
func (t *translator) addTexts(proxy *schema.Node, key string, texts []string, at *schema.Node) {
	var items []*schema.Node
	if old := proxy.Get(key); old != nil {
		if !strings.Contains(old.Path, "labels.traefik.") {
			return
		}
		items = old.Items
	}
	for _, text := range texts {
		if this := (added{proxy, key, text}); !t.added[this] {
			t.added[this] = true
			items = append(items, schema.NewText(text, at))
		}
	}
	proxy.Set(key, schema.NewList(items, at))
}

// parseRule reads a rule as the product of hosts and prefixes; a rule that is
// no such product is not ok.
func parseRule(rule string) (hosts, prefixes []string, ok bool) {
	for _, factor := range strings.Split(rule, "&&") {
		factor = strings.TrimSpace(factor)
		if strings.Contains(factor, "||") && strings.HasPrefix(factor, "(") && strings.HasSuffix(factor, ")") {
			factor = factor[1 : len(factor)-1]
		} else if strings.Contains(factor, "||") && strings.Contains(rule, "&&") {
			return nil, nil, false
		}
		kind := ""
		for _, matcher := range strings.Split(factor, "||") {
			m := matcherPattern.FindStringSubmatch(strings.TrimSpace(matcher))
			if m == nil || kind != "" && kind != m[1] {
				return nil, nil, false
			}
			kind = m[1]
			for _, arg := range strings.Split(m[2], ",") {
				a := argPattern.FindStringSubmatch(arg)
				if a == nil {
					return nil, nil, false
				}
				if kind == "Host" {
					hosts = append(hosts, a[1])
				} else if a[1] != "/" {
					prefixes = append(prefixes, a[1])
				}
			}
		}
	}
	return hosts, prefixes, true
}
