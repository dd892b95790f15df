package policy

import (
	"path"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

// images looks at where images come from, the service's, the accessories' and
// the proxy's.
func (j *judge) images() {
	if len(j.policy.Registries) == 0 {
		return
	}
	j.image("", j.deploy.Registry.Server, j.deploy.Image.Name())
	for _, a := range j.deploy.Accessories {
		server := ""
		if a.Registry != nil {
			server = a.Registry.Server
		}
		j.image("accessories."+a.Name+".", server, a.Image)
	}
	j.proxyImage("proxy.run.", j.deploy.Proxy.Run)
	for _, r := range j.deploy.Roles {
		if r.Proxy != nil {
			j.proxyImage("servers."+r.Name+".proxy.run.", r.Proxy.Run)
		}
	}
	for _, a := range j.deploy.Accessories {
		if a.Proxy != nil {
			j.proxyImage("accessories."+a.Name+".proxy.run.", a.Proxy.Run)
		}
	}
}

// image refuses one whose name is not on the list, at the registry where that
// is what is wrong.
func (j *judge) image(at, server, ref string) {
	name := imageName(ref)
	key := at + "image"
	if server != "" && !slices.ContainsFunc(j.policy.Registries, func(r string) bool { return hostOf(imageName(r+"/x")) == hostOf(name) }) {
		key = at + "registry.server"
	}
	j.want(key, imageNeed(ref))
}

// imageNeed is that of an image; one with a way up in its name is not what it
// seems, and cannot be listed.
func imageNeed(ref string) need {
	name := imageName(ref)
	if path.Clean(name) != name {
		return need{what: "the image " + name, hint: "write its name without . and .."}
	}
	return need{what: "the image " + name, image: name}
}

func (j *judge) proxyImage(at string, r spec.ProxyRun) {
	switch {
	case r.Repository != "":
		ref, key := r.Repository, "repository"
		if r.Registry != "" {
			ref, key = r.Registry+"/"+r.Repository, "registry"
		}
		j.want(at+key, imageNeed(ref))
	case r.Registry != "":
		j.want(at+"registry", imageNeed(r.Registry+"/basecamp/kamal-proxy"))
	}
}

// grantsImage tells whether a name is on the list or below what is.
func (p Policy) grantsImage(name string) bool {
	return slices.ContainsFunc(p.Registries, func(r string) bool {
		r = strings.ToLower(strings.TrimSuffix(r, "/"))
		return name == r || strings.HasPrefix(name, r+"/")
	})
}

// imageName gives an image the one name that the engine gives it, host and all,
// without tag and digest: "docker.io/library/postgres" (Docker docs, "image
// tag": what has neither dot nor colon and is not localhost is no host).
func imageName(ref string) string {
	name, _, _ := strings.Cut(ref, "@")
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name = name[:colon]
	}
	first, rest, ok := strings.Cut(name, "/")
	lower := strings.ToLower(first)
	switch {
	case !ok:
		return "docker.io/library/" + name
	case !strings.ContainsAny(first, ".:") && lower != "localhost" && lower == first:
		return "docker.io/" + name
	case slices.Contains([]string{"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}, lower):
		if !strings.Contains(rest, "/") {
			rest = "library/" + rest
		}
		return "docker.io/" + rest
	}
	return lower + "/" + rest
}

func hostOf(name string) string {
	first, _, _ := strings.Cut(name, "/")
	return first
}
