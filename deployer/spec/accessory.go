package spec

import (
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/spec/backup"
	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

// Accessory is a supporting service: a database, a cache.
type Accessory struct {
	Name string
	// Service is the container's name. Default SERVICE-NAME.
	Service string
	// Image is a full reference, registry server included.
	Image string
	// Registry is the accessory's own, nil when the root's is meant.
	Registry *Registry
	// Hosts are resolved from host, hosts, role, roles, tag or tags.
	Hosts []HostEntry
	Cmd   Command
	// Publish is docker's [IP:]HOST:CONTAINER, "" when no port is published.
	Publish string
	Env     Env
	Labels  map[string]string
	Logging Logging
	// Options and Restart are as in Role.
	Options     map[string][]string
	Restart     string
	Files       []FileMount
	Directories []FileMount
	Volumes     []string
	// Network defaults to "kamal".
	Network string
	// Proxy is nil when the accessory is not proxied.
	Proxy *Proxy
	// Backup is how its data is backed up.
	Backup backup.Backup
}

func (l *loader) readAccessories(v schema.Value) {
	v.Each(func(name string, v schema.Value) {
		if !servicePattern.MatchString(name) {
			v.Fail("use letters, digits, - and _", "%q cannot be an accessory", name)
			return
		}
		if v.Kind() != schema.Map {
			v.Fail("it needs image: and host:", "must be a map of keys and values")
			return
		}
		l.d.Accessories = append(l.d.Accessories, l.readAccessory(name, v))
	})
}

func (l *loader) readAccessory(name string, v schema.Value) Accessory {
	a := Accessory{Name: name, Service: l.d.Service + "-" + name, Network: "kamal", Restart: "unless-stopped"}
	a.Logging, a.Labels, a.Env = l.d.Logging, map[string]string{}, Env{Clear: map[string]string{}}
	v.Object(schema.Fields{
		"image": nil, "registry": nil, "proxy": nil,
		"host": nil, "hosts": nil, "role": nil, "roles": nil, "tag": nil, "tags": nil,
		"service": func(v schema.Value) {
			if a.Service = v.Text(); !servicePattern.MatchString(a.Service) {
				v.Fail("use letters, digits, - and _", "%q cannot be a container's name", a.Service)
			}
		},
		"cmd":         func(v schema.Value) { a.Cmd = readCommand(v) },
		"port":        func(v schema.Value) { a.Publish = readPublish(v) },
		"env":         func(v schema.Value) { a.Env = l.readEnv(v, false) },
		"labels":      func(v schema.Value) { a.Labels = readLabels(v) },
		"logging":     func(v schema.Value) { a.Logging = mergeLogging(l.d.Logging, readLogging(v), l.root.Get("logging")) },
		"options":     func(v schema.Value) { a.Options, a.Restart = readOptions(v) },
		"files":       func(v schema.Value) { a.Files = readMounts(v) },
		"directories": func(v schema.Value) { a.Directories = readMounts(v) },
		"volumes":     func(v schema.Value) { a.Volumes = readVolumes(v) },
		"network":     func(v schema.Value) { a.Network = v.Text() },
		"backup":      func(v schema.Value) { a.Backup.Read(v) },
	})
	l.accessoryImage(&a, v)
	a.Hosts = l.accessoryHosts(v)
	if p := v.Get("proxy"); p.Kind() == schema.Map || p.IsBool() && p.Bool() {
		node := p.Node
		if node.Kind != schema.Map {
			node = nil
		}
		proxy := l.readProxy(l.reader.At(node, p.Path))
		a.Proxy = &proxy
	}
	return a
}

func (l *loader) accessoryImage(a *Accessory, v schema.Value) {
	server := ""
	if own := v.Get("registry"); !own.Absent() {
		r := l.registry(own)
		a.Registry, server = &r, r.Server
	}
	image := v.Get("image")
	if image.Absent() {
		v.Fail("as in image: postgres:17", "has no image")
		return
	}
	a.Image = parseImage(image, server).String()
}

// accessoryHosts resolves host, hosts, role, roles, tag or tags; one of them is
// needed.
func (l *loader) accessoryHosts(v schema.Value) []HostEntry {
	var hosts []HostEntry
	var given []string
	seen := map[string]bool{}
	add := func(more ...HostEntry) {
		for _, h := range more {
			if !seen[h.Address] {
				hosts, seen[h.Address] = append(hosts, h), true
			}
		}
	}
	for _, key := range []string{"host", "hosts", "role", "roles", "tag", "tags"} {
		at := v.Get(key)
		if at.Absent() {
			continue
		}
		given = append(given, key)
		switch key {
		case "host", "hosts":
			add(readHosts(at)...)
		case "role", "roles":
			for _, item := range at.Items() {
				r, ok := l.d.Role(item.Text())
				if !ok {
					item.Fail(schema.Suggest(item.Text(), l.roleNames()), "there is no role %q", item.Text())
					continue
				}
				add(r.Hosts...)
			}
		default:
			for _, item := range at.Items() {
				found := l.taggedHosts(item.Text())
				if len(found) == 0 {
					item.Fail("", "no host has the tag %q", item.Text())
				}
				add(found...)
			}
		}
	}
	if len(given) != 1 {
		v.Fail("", "needs one of host, hosts, role, roles, tag and tags")
	}
	return hosts
}

func (l *loader) readXAccessories(v schema.Value) {
	var names []string
	for _, a := range l.d.Accessories {
		names = append(names, a.Name)
	}
	backup.Extend(v, names, func(i int) *backup.Backup { return &l.d.Accessories[i].Backup })
}

func (l *loader) roleNames() []string {
	var names []string
	for _, r := range l.d.Roles {
		names = append(names, r.Name)
	}
	return names
}

func (l *loader) taggedHosts(tag string) []HostEntry {
	var hosts []HostEntry
	for _, r := range l.d.Roles {
		for _, h := range r.Hosts {
			if slices.Contains(h.Tags, tag) {
				hosts = append(hosts, h)
			}
		}
	}
	return hosts
}
