package config

import (
	"cmp"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Parse reads the content of a file called file, whose relative paths are
// relative to dir. The error is of type Problems.
func Parse(file, dir string, data []byte) (*Config, error) {
	r := &reader{file: file, dir: dir}
	root := r.root(data)
	c := &Config{
		Repositories: make(map[string]Repository),
		Hosts:        make(map[string]Host),
		Registries:   make(map[string]Registry),
		Listen:       DefaultListen,
		Socket:       DefaultSocket,
		DataDir:      DefaultDataDir,
		Reconcile:    DefaultReconcile,
		Policy:       Policy{Mode: PolicyKamal},
		Log:          Log{Level: "info", Format: "text"},
	}
	if root.Node != nil {
		r.config(root, c)
	}
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b Problem) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, r.problems
	}
	return c, nil
}

func (r *reader) config(n at, c *Config) {
	seen := r.fields(n, map[string]take{
		"repositories": func(n at) { named(r, n, c.Repositories, r.repository) },
		"ssh":          func(n at) { r.ssh(n, &c.SSH) },
		"hosts":        func(n at) { named(r, n, c.Hosts, r.host) },
		"notify":       func(n at) { c.Notify = r.channels(n) },
		"heartbeat":    func(n at) { c.Heartbeat = r.heartbeat(n) },
		"listen":       r.listen(&c.Listen),
		"socket":       r.filePath(&c.Socket),
		"data_dir":     r.filePath(&c.DataDir),
		"registries":   func(n at) { named(r, n, c.Registries, r.registry) },
		"reconcile":    r.duration(&c.Reconcile, true),
		"policy":       r.policy(&c.Policy),
		"log":          func(n at) { r.log(n, &c.Log) },
	})
	r.projects(r.quiet(seen["repositories"]), c)
	for name, repo := range c.Repositories {
		if repo.Policy.Mode == "" {
			repo.Policy = c.Policy
			c.Repositories[name] = repo
		}
	}
	if len(c.Socket) > maxSocket {
		r.problem(seen["socket"], "choose a shorter one", "the path is longer than the %d bytes that a socket can have", maxSocket)
	}
	if c.Listen != "" {
		return
	}
	hooked := map[string]bool{}
	for _, repo := range c.Repositories {
		hooked[repo.Watched] = hooked[repo.Watched] || repo.Webhook != nil
	}
	for _, name := range inOrder(r.quiet(seen["repositories"])) {
		if hooked[name] {
			r.problem(r.quiet(seen["repositories"])[name], "remove its webhook or `listen: none`", "its webhook cannot arrive, as nothing listens")
		}
	}
}

// maxSocket is sun_path's 108 bytes (unix(7)) without the final NUL and the
// ".new" under which the socket is made.
const maxSocket = 103

// quiet returns a mapping's entries without reporting problems again.
func (r *reader) quiet(n at) map[string]at {
	if n.Node == nil {
		return nil
	}
	return (&reader{}).entries(n)
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]*$`)

// named reads a mapping from names to things of one kind. A thing without a
// value has its defaults.
func named[T any](r *reader, n at, to map[string]T, read func(at) T) {
	if r.probing {
		probeNamed(n, func(n at) { read(n) })
		return
	}
	entries := r.entries(n)
	for _, name := range inOrder(entries) {
		child := entries[name]
		if !plainName.MatchString(name) {
			r.problem(child, "use letters, digits, dots, dashes and underscores", "%q is no name", shorten(name))
			continue
		}
		to[name] = read(child)
	}
}

// listen reads host:port; "none" turns the listener off.
func (r *reader) listen(to *string) take {
	return func(n at) {
		var s string
		if r.text(&s)(n); s == "none" || s == "off" {
			*to = ""
			return
		}
		if _, port, err := net.SplitHostPort(s); s != "" && (err != nil || port == "") {
			r.problem(n, fmt.Sprintf("write host:port, such as %s, or none", DefaultListen), "%q is no address to listen on", shorten(s))
			return
		}
		*to = s
	}
}

func (r *reader) ssh(n at, s *SSH) {
	seen := r.fields(n, map[string]take{
		"key":         r.filePaths(&s.Keys),
		"keys":        r.filePaths(&s.Keys),
		"known_hosts": r.filePaths(&s.KnownHosts),
		"user":        r.user(&s.User),
		"port":        r.port(&s.Port),
		"proxy":       r.target(&s.Proxy),
	})
	r.oneOf(seen, "key", "keys")
}

func (r *reader) host(n at) Host {
	var h Host
	r.fields(n, map[string]take{
		"address":  r.target(&h.Address),
		"user":     r.user(&h.User),
		"port":     r.port(&h.Port),
		"key":      r.filePath(&h.Key),
		"proxy":    r.target(&h.Proxy),
		"home":     r.remotePath(&h.Home),
		"socket":   r.remotePath(&h.Socket),
		"cordoned": r.text(&h.Cordoned),
	})
	return h
}

// target reads a host to connect to; one that begins with a dash would be an
// option to whatever program came to see it.
func (r *reader) target(to *string) take {
	return r.matching(to, regexp.MustCompile(`^[A-Za-z0-9_\[:][A-Za-z0-9_.:@\[\]-]*$`), "a host, such as web1.example.com or deploy@10.0.0.5:22")
}

func (r *reader) user(to *string) take {
	return r.matching(to, regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`), "a user's name")
}

func (r *reader) remotePath(to *string) take {
	return r.matching(to, regexp.MustCompile(`^/`), "a path on the host from its root, such as /home/deploy")
}

// matching reads a text of a certain form.
func (r *reader) matching(to *string, form *regexp.Regexp, what string) take {
	return func(n at) {
		var s string
		if r.text(&s)(n); s == "" {
			return
		}
		if !form.MatchString(s) {
			r.problem(n, "write "+what, "%q cannot be used", shorten(s))
			return
		}
		*to = s
	}
}

// oneOf reports keys that exclude each other.
func (r *reader) oneOf(seen map[string]at, keys ...string) {
	var found []string
	for _, key := range keys {
		if _, ok := seen[key]; ok {
			found = append(found, key)
		}
	}
	if len(found) > 1 {
		r.problem(seen[found[1]], "keep one of them", "it cannot stand beside %s", found[0])
	}
}

func (r *reader) registry(n at) Registry {
	var g Registry
	r.fields(n, map[string]take{
		"mirror":   r.mirror(&g),
		"ca":       r.filePath(&g.CA),
		"insecure": r.boolean(&g.Insecure),
	})
	return g
}

// mirror reads an address, alone or with the account there.
func (r *reader) mirror(g *Registry) take {
	address := r.matching(&g.Mirror, regexp.MustCompile(`^(https?://)?[A-Za-z0-9.\[\]:-]+(/[a-z0-9._-]+)*/?$`),
		"host[:port], http://host:port, or with a folder: host/folder")
	return func(n at) {
		if n.Kind != yaml.MappingNode {
			address(n)
			return
		}
		seen := r.fields(n, map[string]take{"address": address, "username": r.text(&g.MirrorUser), "password": r.ref(&g.MirrorPassword)})
		if _, there := seen["address"]; !there && !r.probing {
			r.problem(n, "add address: mirror.example.com", "the mirror has no address")
		}
		_, user := seen["username"]
		if _, password := seen["password"]; user != password {
			r.problem(n, "write username: and password:, or none of them", "half an account")
		}
	}
}

func (r *reader) log(n at, l *Log) {
	r.fields(n, map[string]take{
		"level":  r.choice(&l.Level, []string{"debug", "info", "warn", "error"}),
		"format": r.choice(&l.Format, []string{"text", "json"}),
	})
}

// required reports keys that are not there.
func (r *reader) required(n at, seen map[string]at, hint string, keys ...string) bool {
	complete := true
	for _, key := range keys {
		if _, ok := seen[key]; !ok {
			r.problem(n, hint, "%s is missing", key)
			complete = false
		}
	}
	return complete
}

// hasPassword tells whether an address carries credentials: user:password@, or
// over HTTP any user, as forges take a token there.
func hasPassword(url string) bool {
	scheme, rest, found := strings.Cut(url, "://")
	if !found {
		_, rest, found = strings.Cut(url, ":")
		return found && !strings.HasPrefix(url, "/") && strings.Contains(rest, "@")
	}
	authority, _, _ := strings.Cut(rest, "/")
	user, _, hasUser := strings.Cut(authority, "@")
	return hasUser && (strings.Contains(user, ":") || !strings.EqualFold(scheme, "ssh"))
}
