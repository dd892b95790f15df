package spec

import (
	"maps"
	"net"
	"slices"
	"strconv"
)

// Role returns the role of that name.
func (d *Deploy) Role(name string) (*Role, bool) {
	i := slices.IndexFunc(d.Roles, func(r Role) bool { return r.Name == name })
	if i < 0 {
		return nil, false
	}
	return &d.Roles[i], true
}

// Hosts returns the addresses of all roles' hosts, sorted, each once.
// Accessories' hosts are not among them.
func (d *Deploy) Hosts() []string {
	seen := map[string]bool{}
	for _, r := range d.Roles {
		for _, h := range r.Hosts {
			seen[h.Address] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// EnvFor returns what a container of role on host gets: the root's variables,
// over them the role's, over them those of the host's tags in the host's
// order. Secrets are sorted by name. A name that is both clear and secret is
// clear, as in Kamal, where docker's --env goes over --env-file.
func (d *Deploy) EnvFor(role, host string) (clear map[string]string, secrets []SecretRef) {
	layers := []Env{d.Env}
	if r, ok := d.Role(role); ok {
		layers = append(layers, r.Env)
		for _, h := range r.Hosts {
			if h.Address != host {
				continue
			}
			for _, tag := range h.Tags {
				layers = append(layers, d.Env.Tags[tag])
			}
		}
	}
	return mergeEnv(layers)
}

func mergeEnv(layers []Env) (clear map[string]string, secrets []SecretRef) {
	clear = map[string]string{}
	byName := map[string]SecretRef{}
	for _, e := range layers {
		maps.Copy(clear, e.Clear)
		for _, s := range e.Secrets {
			byName[s.Name] = s
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if _, ok := clear[name]; !ok {
			secrets = append(secrets, byName[name])
		}
	}
	return clear, secrets
}

// SecretNames returns every secret that the file needs, sorted, each once:
// env, registry, certificates, keys, accessories and the builder's.
func (d *Deploy) SecretNames() []string {
	names := map[string]bool{}
	add := func(list ...string) {
		for _, n := range list {
			if n != "" {
				names[n] = true
			}
		}
	}
	addEnv := func(e Env) {
		for _, s := range e.Secrets {
			add(s.Source)
		}
	}
	add(d.Registry.Username.Secret, d.Registry.Password.Secret)
	addEnv(d.Env)
	addEnv(d.Traefik.Env)
	for _, e := range d.Env.Tags {
		addEnv(e)
	}
	for _, r := range d.Roles {
		addEnv(r.Env)
		if r.Proxy != nil {
			add(r.Proxy.SSL.CertificatePEM, r.Proxy.SSL.PrivateKeyPEM)
		}
	}
	for _, a := range d.Accessories {
		addEnv(a.Env)
		if a.Registry != nil {
			add(a.Registry.Username.Secret, a.Registry.Password.Secret)
		}
		if a.Proxy != nil {
			add(a.Proxy.SSL.CertificatePEM, a.Proxy.SSL.PrivateKeyPEM)
		}
	}
	add(d.SSH.KeyData...)
	if d.Builder != nil {
		add(d.Builder.Secrets...)
	}
	return slices.Sorted(maps.Keys(names))
}

func joinHost(h HostEntry) string {
	s := h.Address
	if h.Port != 0 {
		s = net.JoinHostPort(h.Address, strconv.Itoa(h.Port))
	}
	if h.User != "" {
		s = h.User + "@" + s
	}
	return s
}
