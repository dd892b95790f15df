package spec

import (
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

var imageTagPattern = regexp.MustCompile(`^[A-Za-z0-9._-]*\{sha([4-9]|[1-3][0-9]|40)?\}[A-Za-z0-9._-]*$`)

func defaultFairlead() XFairlead {
	return XFairlead{Window: 30 * time.Second, OnFailure: OnFailureRollback, Unreachable: UnreachableBlock, SelfHeal: true, ImageTag: "{sha}"}
}

// readFairlead reads x-fairlead; the roles must have been read.
func (l *loader) readFairlead(v schema.Value) {
	x := &l.d.XFairlead
	v.Object(schema.Fields{
		"window": func(v schema.Value) { x.Window = v.Duration() },
		"on_failure": func(v schema.Value) {
			x.OnFailure = OnFailure(v.Choice(string(OnFailureRollback), string(OnFailureHalt)))
		},
		"unreachable": func(v schema.Value) {
			x.Unreachable = Unreachable(v.Choice(string(UnreachableBlock), string(UnreachableSkip)))
		},
		"self_heal": func(v schema.Value) { x.SelfHeal = v.Bool() },
		"prune":     func(v schema.Value) { x.Prune = v.Bool() },
		"follow": func(v schema.Value) {
			for _, item := range v.Items() {
				word := item.Choice("tag", "secrets")
				x.FollowTag = x.FollowTag || word == "tag"
				x.FollowSecrets = x.FollowSecrets || word == "secrets"
			}
		},
		"image_tag": func(v schema.Value) {
			if x.ImageTag = v.Text(); !imageTagPattern.MatchString(x.ImageTag) {
				v.Fail(`as in "{sha}" or "sha-{sha7}"`, "%q is not a pattern of a tag", x.ImageTag)
			}
		},
		"transport": func(v schema.Value) { x.Load = v.Choice("registry", "load") == "load" },
		"proxy":     func(v schema.Value) { x.Proxy = readXProxy(v) },
		"hooks":     func(v schema.Value) { x.Hooks = hooks.ReadOptions(v) },
		"roles":     l.readXRoles, "accessories": nil,
	})
}

func readXProxy(v schema.Value) XProxy {
	var p XProxy
	kind := func(v schema.Value) { p.Kind = v.Choice("kamal-proxy", "fairlead", "traefik", "none") }
	if v.Kind() == schema.Scalar {
		kind(v)
		return p
	}
	v.Object(schema.Fields{
		"kind": kind,
		"acme_email": func(v schema.Value) {
			p.ACMEEmail = v.Text()
			if user, host, ok := strings.Cut(p.ACMEEmail, "@"); !ok || user == "" || !hostnamePattern.MatchString(host) {
				v.Fail("as in admin@example.com", "%q is not an address", p.ACMEEmail)
			}
		},
		"acme_directory": func(v schema.Value) {
			p.ACMEDirectory = v.Text()
			if u, err := url.Parse(p.ACMEDirectory); err != nil || u.Scheme != "https" || u.Host == "" {
				v.Fail("as in https://acme.example.com/directory", "%q is not an https address", p.ACMEDirectory)
			}
		},
	})
	return p
}

func (l *loader) readXRoles(v schema.Value) {
	v.Each(func(name string, value schema.Value) {
		r, ok := l.d.Role(name)
		if !ok {
			v.AtKey(name).Fail(schema.Suggest(name, l.roleNames()), "there is no role %q", name)
			return
		}
		value.Object(schema.Fields{
			"strategy": func(v schema.Value) {
				r.Strategy = Strategy(v.Choice(string(StrategyAll), string(StrategyRolling), string(StrategyCanary), string(StrategyStopFirst)))
			},
			"canary": func(v schema.Value) { r.Canary = readCanary(v) },
			"scale":  func(v schema.Value) { r.Scale = v.Int(1, 100) },
			"wait":   func(v schema.Value) { r.Wait = v.Duration() },
			"health": func(v schema.Value) { r.Health = readHealth(v) },
		})
	})
}

// readCanary reads how many hosts go first, a number or a share of the role's;
// or a map, which can say that of the clients, and for how long.
func readCanary(v schema.Value) (c Canary) {
	if v.Kind() != schema.Map {
		c.Hosts = readHostLimit(v)
		return c
	}
	v.Object(schema.Fields{
		"hosts":   func(v schema.Value) { c.Hosts = readHostLimit(v) },
		"percent": func(v schema.Value) { c.Percent = v.Int(1, 99) },
		"for":     func(v schema.Value) { c.For = positive(v) },
	})
	if c.Percent > 0 && !c.Hosts.IsZero() {
		v.Fail("keep one of them", "hosts and percent exclude each other")
	}
	return c
}

func readHealth(v schema.Value) *Health {
	h := &Health{Interval: time.Second, Timeout: 5 * time.Second, Retries: 3}
	v.Object(schema.Fields{
		"http":     func(v schema.Value) { h.HTTP = readHTTPProbe(v) },
		"tcp":      func(v schema.Value) { h.TCP = v.Int(1, 65535) },
		"cmd":      func(v schema.Value) { h.Cmd = readCommand(v) },
		"interval": func(v schema.Value) { h.Interval = positive(v) },
		"timeout":  func(v schema.Value) { h.Timeout = positive(v) },
		"retries":  func(v schema.Value) { h.Retries = v.Int(1, 1000) },
	})
	kinds := 0
	for _, given := range []bool{h.HTTP != nil, h.TCP != 0, !h.Cmd.IsZero()} {
		if given {
			kinds++
		}
	}
	if kinds > 1 {
		v.Fail("keep one of them", "http, tcp and cmd exclude each other")
	}
	return h
}

func readHTTPProbe(v schema.Value) *HTTPProbe {
	p := &HTTPProbe{Path: "/up"}
	readPath := func(v schema.Value) {
		if p.Path = v.Text(); !healthPattern.MatchString(p.Path) {
			v.Fail("as in /up", "%q is not a path", p.Path)
		}
	}
	if v.Kind() == schema.Scalar {
		readPath(v)
		return p
	}
	v.Object(schema.Fields{
		"path": readPath,
		"port": func(v schema.Value) { p.Port = v.Int(1, 65535) },
	})
	return p
}
