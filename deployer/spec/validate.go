package spec

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

// validate checks the rules that span sections.
func (l *loader) validate() {
	d := l.d
	if d.RequireDestination && d.Destination == "" {
		l.root.Get("require_destination").Fail("name one: destination: in fairlead.yml, or -d", "the file needs a destination")
	}
	if service := l.root.Get("service"); service.Absent() {
		l.missing("service", "as in service: myapp")
	} else if !servicePattern.MatchString(d.Service) {
		service.Fail("use letters, digits, - and _, 63 at most", "%q cannot be a service", d.Service)
	}
	l.validatePrimary()
	l.validateHosts()
	l.validateTags()
	for i := range d.Roles {
		l.validateRole(&d.Roles[i])
	}
	l.validateAccessories()
	l.validateRuns()
	l.validateCertificates()
}

func (l *loader) validatePrimary() {
	d, servers := l.d, l.root.Get("servers")
	if servers.Absent() {
		if len(d.Accessories) == 0 {
			l.missing("servers", "as in servers: [10.0.0.1]")
		}
		return
	}
	primary, ok := d.Role(d.PrimaryRole)
	if !ok {
		at := l.root.Get("primary_role")
		if at.Absent() {
			at = servers
		}
		if len(d.Roles) > 0 {
			at.Fail("add primary_role: "+d.Roles[0].Name, "there is no role %q, which is the primary one", d.PrimaryRole)
		}
		return
	}
	if len(primary.Hosts) == 0 && !l.emptyAllowed() {
		l.atRole(primary).Fail("add a host, or allow_empty_roles: true", "the primary role %q has no hosts", primary.Name)
	}
}

// emptyAllowed tells that a role without hosts is no mistake, or is likely
// the consequence of one that was reported.
func (l *loader) emptyAllowed() bool { return l.d.AllowEmptyRoles || l.report.Failed() }

// atRole returns the place of a role.
func (l *loader) atRole(r *Role) schema.Value {
	servers := l.root.Get("servers")
	if servers.Kind() != schema.Map {
		return servers
	}
	return servers.AtKey(r.Name)
}

// validateHosts sees to it that a host is reached one way only, and that roles
// have hosts.
func (l *loader) validateHosts() {
	first := map[string]HostEntry{}
	check := func(at schema.Value, hosts []HostEntry) {
		for _, h := range hosts {
			f, seen := first[h.Address]
			if !seen {
				first[h.Address] = h
			} else if f.User != h.User || f.Port != h.Port {
				at.Fail("write it alike everywhere", "the host is written as %s and as %s", f, h)
			}
		}
	}
	for i := range l.d.Roles {
		r := &l.d.Roles[i]
		check(l.atRole(r), r.Hosts)
		if len(r.Hosts) == 0 && !r.Primary && !l.emptyAllowed() {
			l.atRole(r).Fail("add a host, or allow_empty_roles: true", "the role %q has no hosts", r.Name)
		}
	}
	for i, a := range l.d.Accessories {
		check(l.root.Get("accessories").AtKey(l.d.Accessories[i].Name), a.Hosts)
	}
}

// validateTags warns about tags of hosts that choose nothing.
func (l *loader) validateTags() {
	used := map[string]bool{}
	for _, r := range l.d.Roles {
		for _, h := range r.Hosts {
			for _, t := range h.Tags {
				used[t] = true
			}
		}
	}
	tags := l.root.Get("env").Get("tags")
	for tag := range l.d.Env.Tags {
		if !used[tag] {
			tags.AtKey(tag).Warn("no host has the tag %q", tag)
		}
	}
}

// finishRoles applies what x-fairlead adds.
func (l *loader) finishRoles() {
	if l.d.XFairlead.Proxy.Kind != "none" {
		return
	}
	for i := range l.d.Roles {
		l.d.Roles[i].Proxied, l.d.Roles[i].Proxy = false, nil
	}
}

func (l *loader) validateRole(r *Role) {
	canary := l.root.Get("x-fairlead").Get("roles").Get(r.Name).Get("canary")
	switch {
	case r.Strategy != StrategyCanary && r.Canary != Canary{}:
		canary.Fail("write strategy: canary beside it", "the role has no canary")
	case r.Canary.Percent > 0 && !r.Proxied:
		canary.Fail("say how many hosts go first, as in canary: 1", "no requests go to the role %q, so there is no share of them", r.Name)
	case r.Strategy == StrategyCanary && r.Canary.Percent == 0 && r.Canary.Hosts.IsZero():
		r.Canary.Hosts.Count = 1
	}
	options := l.root.Get("servers").Get(r.Name).Get("options")
	for _, p := range r.Options["publish"] {
		if !fixedHostPort(p) {
			continue
		}
		if r.Proxied && r.Strategy != StrategyStopFirst {
			options.Get("publish").Fail(
				fmt.Sprintf("remove it, or proxy: false, or x-fairlead.roles.%s.strategy: stop-first", r.Name),
				"a proxied role cannot publish %s: the old and the new container run side by side", p)
		}
		if r.Scale > 1 {
			options.Get("publish").Fail("remove one of them", "%d containers per host cannot all publish %s", r.Scale, p)
		}
	}
	if r.Proxied && r.Proxy.SSL.Enabled && !r.Proxy.SSL.Custom() {
		l.validateSSL(r)
	}
}

// validateSSL refuses certificates by ACME on several hosts, as Kamal does.
// Where Traefik's settings asked for it, which Kamal 1 let pass, it is said.
func (l *loader) validateSSL(r *Role) {
	at := l.reader.At(l.root.Get("proxy").Node, "proxy").Get("ssl")
	if own := l.root.Get("servers").Get(r.Name).Get("proxy").Get("ssl"); !own.Absent() {
		at = own
	}
	const remedy = "the name of the host must lead to one of them; use ssl: {certificate_pem: …, private_key_pem: …}"
	switch {
	case len(r.Proxy.Hosts) == 0 && !fromTraefik(at):
		at.Fail("add host: NAME", "a certificate needs the name of the host")
	case len(r.Proxy.Hosts) == 0:
		at.Warn("no host name is known, so there is no certificate")
		r.Proxy.SSL, r.Proxy.ForwardHeaders = SSL{}, true
	case len(r.Hosts) > 1 && fromTraefik(at):
		at.Warn("%d hosts of role %q each ask for a certificate: %s", len(r.Hosts), r.Name, remedy)
	case len(r.Hosts) > 1:
		at.Fail("use ssl: {certificate_pem: …, private_key_pem: …}",
			"automatic certificates work on one host only, and role %q has %d", r.Name, len(r.Hosts))
	}
}

// fromTraefik tells that a label for Traefik was translated to v.
func fromTraefik(v schema.Value) bool {
	return v.Node != nil && strings.Contains(v.Node.Path, "labels.traefik.")
}

// validateCertificates refuses one name for two roles with certificates.
func (l *loader) validateCertificates() {
	owner := map[string]string{}
	for _, r := range l.d.Roles {
		if r.Proxy == nil || !r.Proxy.SSL.Enabled {
			continue
		}
		for _, host := range r.Proxy.Hosts {
			key := host + " " + strings.Join(r.Proxy.PathPrefixes, ",")
			if other, taken := owner[key]; taken && other != r.Name {
				l.atRole(&r).Fail("give each role its own proxy.host", "roles %q and %q both serve %s", other, r.Name, host)
			}
			owner[key] = r.Name
		}
	}
}

func (l *loader) validateAccessories() {
	names := map[string]string{}
	for _, a := range l.d.Accessories {
		at := l.root.Get("accessories").AtKey(a.Name)
		if other, taken := names[a.Service]; taken {
			at.Fail("change service:", "accessories %q and %q have the container name %s", other, a.Name, a.Service)
		}
		names[a.Service] = a.Name
		if a.Proxy == nil || !a.Proxy.SSL.Enabled || a.Proxy.SSL.Custom() {
			continue
		}
		if len(a.Proxy.Hosts) == 0 {
			at.Fail("add host: NAME", "a certificate needs the name of the host")
		}
		if len(a.Hosts) > 1 {
			at.Fail("use ssl: {certificate_pem: …, private_key_pem: …}",
				"automatic certificates work on one host only, and accessory %q has %d", a.Name, len(a.Hosts))
		}
	}
}

// validateRuns refuses two ways to run the one proxy of a host.
func (l *loader) validateRuns() {
	type user struct {
		name string
		run  ProxyRun
	}
	byHost := map[string]user{}
	check := func(at schema.Value, name string, p *Proxy, hosts []HostEntry) {
		if p == nil {
			return
		}
		for _, h := range hosts {
			if u, seen := byHost[h.Address]; seen && !reflect.DeepEqual(u.run, p.Run) {
				at.Fail("write proxy.run once, at the root", "%s and %s want the proxy on %s run differently", u.name, name, h.Address)
				return
			}
			byHost[h.Address] = user{name, p.Run}
		}
	}
	for i := range l.d.Roles {
		r := &l.d.Roles[i]
		check(l.atRole(r), "role "+r.Name, r.Proxy, r.Hosts)
	}
	for _, a := range l.d.Accessories {
		if a.Proxy != nil && reflect.DeepEqual(a.Proxy.Run, defaultRun()) {
			a.Proxy.Run = l.d.Proxy.Run
		}
		check(l.root.Get("accessories").AtKey(a.Name), "accessory "+a.Name, a.Proxy, a.Hosts)
	}
}
