package build

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/build/engine"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
)

// Part is one build of a recipe.
type Part struct {
	// At is the engine: "" is this machine's, else as builder.remote.
	At string
	// Tags are those that the built image gets; Names in Order.Tags have the
	// image's name before them.
	Tags  []string
	Order engine.Order
}

// Recipe is what a deploy.yml wants built.
type Recipe struct {
	Name  string // of the image, registry included
	Parts []Part // one per architecture
	// Joined are the tags of the index over several parts; none over one.
	Joined []string
	// Agents are the ids of ssh agents that a build may use.
	Agents []string
}

// Latest is the tag that stands for the newest image, as Kamal's.
func Latest(destination string) string {
	if destination == "" {
		return "latest"
	}
	return "latest-" + destination
}

// RecipeOf reads what to build under which version. machine is the architecture
// of this machine, as Go names it. The error is an *Error: deploy.yml asks for
// something that cannot be.
func RecipeOf(d *spec.Deploy, version, machine string) (Recipe, error) {
	b := d.Builder
	if b == nil {
		return Recipe{}, refused("deploy.yml has no builder:", "write builder: {arch: amd64} into deploy.yml, or push the image")
	}
	if err := supported(b); err != nil {
		return Recipe{}, err
	}
	agents, err := agentsOf(b)
	if err != nil {
		return Recipe{}, err
	}
	latest := Latest(d.Destination)
	r := Recipe{Name: d.Image.Name(), Agents: agents}
	arches := b.Arch
	if len(arches) == 0 {
		arches = []string{""}
	}
	if len(arches) > 1 {
		r.Joined = []string{version, latest}
		if d.XFairlead.Load {
			return Recipe{}, refused("builder.arch has several architectures, and x-fairlead.transport: load brings one to all hosts", "write one architecture into builder.arch, or use a registry")
		}
	}
	for _, arch := range arches {
		p := Part{At: place(b, arch, machine), Tags: []string{version, latest}}
		if len(arches) > 1 {
			p.Tags = []string{version + "-" + arch}
		}
		p.Order = engine.Order{
			Target: b.Target, Args: maps.Clone(b.Args), Labels: map[string]string{"service": d.Service},
		}
		if arch != "" {
			p.Order.Platform = "linux/" + arch
		}
		for _, tag := range p.Tags {
			p.Order.Tags = append(p.Order.Tags, r.Name+":"+tag)
		}
		if c := b.Cache; c != nil && c.Type == "registry" && !d.XFairlead.Load {
			p.Order.Inline, p.Order.CacheFrom = true, []string{r.Name + ":" + p.Tags[len(p.Tags)-1]}
			if len(arches) > 1 {
				p.Order.CacheFrom = []string{r.Name + ":" + latest}
			}
			if c.Image != "" {
				p.Order.CacheFrom = append(p.Order.CacheFrom, cacheImage(d, c.Image))
			}
		}
		r.Parts = append(r.Parts, p)
	}
	return r, nil
}

// cacheImage is the cache's image with the registry before it, as Kamal has it.
func cacheImage(d *spec.Deploy, name string) string {
	if d.Image.Server == "" || strings.HasPrefix(name, d.Image.Server+"/") {
		return name
	}
	return d.Image.Server + "/" + name
}

// place decides which engine builds an architecture, as Kamal does: this
// machine's own is built here unless local: false; the rest on the remote
// builder, where there is one.
func place(b *spec.Builder, arch, machine string) string {
	if b.Remote == "" || b.Local && arch == machine {
		return ""
	}
	return b.Remote
}

// supported refuses what no engine's BuildKit can do by its API.
func supported(b *spec.Builder) error {
	switch {
	case b.Pack != nil:
		return refused("builder.pack is not supported: buildpacks are run by the program pack, which needs the socket of an engine inside its containers",
			"write a Dockerfile, or run pack in CI and push the image")
	case strings.HasPrefix(b.Driver, "cloud "):
		return refused("builder.driver: "+b.Driver+" is not supported: Docker's build cloud is reached by its own program and account only",
			"write builder.remote: ssh://USER@HOST, or build in CI and push the image")
	case b.Remote != "" && !strings.HasPrefix(b.Remote, "ssh://"):
		return refused("builder.remote: "+b.Remote+" is not supported: an engine is reached by SSH, which proves who is at both ends",
			"write builder.remote: ssh://USER@HOST")
	case strings.Contains(b.Context, "://") || strings.HasPrefix(b.Context, "git@"):
		return refused("builder.context: "+b.Context+" is not supported: what is built is the commit that is deployed",
			"leave builder.context out, or name a folder of the repository")
	}
	return nil
}

// agentsOf reads builder.ssh: ID or ID=$SSH_AUTH_SOCK.
func agentsOf(b *spec.Builder) ([]string, error) {
	if b.SSH == "" {
		return nil, nil
	}
	id, path, named := strings.Cut(b.SSH, "=")
	if named && path != "$SSH_AUTH_SOCK" && path != "${SSH_AUTH_SOCK}" || id == "" {
		return nil, refused(fmt.Sprintf("builder.ssh: %s is not supported: a build gets the ssh agent of Fairlead's environment, and no file of its machine", b.SSH),
			"write builder.ssh: default=$SSH_AUTH_SOCK")
	}
	return []string{id}, nil
}

// dirty marks all tags.
func (r Recipe) dirty() Recipe {
	for i, p := range r.Parts {
		for j := range p.Tags {
			p.Tags[j] += "-dirty"
			p.Order.Tags[j] += "-dirty"
		}
		r.Parts[i] = p
	}
	return r
}

// Machines are the engines that the recipe needs, each once.
func (r Recipe) Machines() []string {
	var list []string
	for _, p := range r.Parts {
		if !slices.Contains(list, p.At) {
			list = append(list, p.At)
		}
	}
	return list
}

// An Error is a build that did not come to its end.
type Error struct {
	// Class says whose fault it is: the commit's, or the world's, which may be
	// gone at the next try.
	Class   release.Class
	Message string
	Logs    []string // the last lines that the build printed
	Next    string   // the one thing to do
	Err     error    // nil for a verdict
}

func (e *Error) Error() string { return e.Message }

// Unwrap is what the world did.
func (e *Error) Unwrap() error { return e.Err }

func refused(message, next string) *Error {
	return &Error{Class: release.Verdict, Message: message, Next: next}
}

// world are the words of an error that is not the commit's fault: the network,
// a registry, the builder's disk. What a step's own program prints is not in
// the error.
func world() []string {
	return []string{
		"no space left on device", "disk quota exceeded", "connection refused", "connection reset", "no such host", "i/o timeout",
		"tls handshake", "deadline exceeded", "temporary failure", "network is unreachable", "no route to host", "unexpected eof",
		"toomanyrequests", "too many requests", "unauthorized", "authentication required", "pull access denied", "unexpected status",
		"x509:", "server gave http response", "no active session", "context canceled", "transport is closing", "cannot allocate memory",
	}
}

// judge says whose fault it is that an engine's build failed. A step that ended
// with an exit code is the commit's, whatever it may have met; so is all that is
// not known to be the world's: a build that always fails is not tried for ever.
func judge(e *engine.BuildError, logs []string) *Error {
	text := strings.ToLower(e.Message)
	out := &Error{Class: release.Verdict, Message: e.Message, Logs: logs, Next: "mend the Dockerfile or what it builds, and push; `fairlead retry` builds the same commit again"}
	if e.Step != "" && !strings.Contains(e.Message, e.Step) {
		out.Message = e.Step + ": " + e.Message
	}
	if strings.Contains(text, "exec format error") {
		out.Next = "this architecture is not the builder's own: write builder.remote: ssh://USER@HOST of a machine that has it, or install QEMU's binfmt handlers on the builder"
		return out
	}
	if strings.Contains(text, "exit code") || strings.Contains(text, "did not complete successfully") {
		return out
	}
	if i := slices.IndexFunc(world(), func(w string) bool { return strings.Contains(text, w) }); i >= 0 {
		out.Class, out.Err = release.World, e
		out.Next = cmp.Or(remedies()[world()[i]], "see that the builder reaches the registries that the Dockerfile names; Fairlead tries again by itself")
	}
	return out
}

func remedies() map[string]string {
	account := "check registry.username and registry.password, and that the base images are there; Fairlead tries again by itself"
	space := "free disk space on the builder (`docker builder prune`); Fairlead tries again by itself"
	return map[string]string{
		"unauthorized": account, "authentication required": account, "pull access denied": account,
		"no space left on device": space, "disk quota exceeded": space,
	}
}
